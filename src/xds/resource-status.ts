// How far each single resource of a stream has come, from what the stream knows of its type: nothing more is kept for
// it. CSDS (csds.ts) and programs ask for it; types as a whole are in status.ts.
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import type { Nack, ResourceStatus } from './status.js';
import { isHeldOnly, namesIn, type TypeState } from './subscription.js';

/** What resourcesOf needs besides the state of the type. */
export interface ResourceContext {
  /** What the client may be brought to now. */
  readonly target: TypeSnapshot | undefined;
  /** When the last response was sent, in ms. */
  readonly sentAt: number;
  /** The refusal of the last response. */
  readonly nack: Nack | undefined;
}

/** Every resource that the client has or asks for, sorted by name. */
export function resourcesOf(state: TypeState, context: ResourceContext): ResourceStatus[] {
  const { target, nack } = context;
  const sent = state.sent?.resources ?? new Map<string, EncodedResource>();
  const names = new Set([...state.names.names, ...sent.keys()]);
  if (state.wildcard) for (const name of target?.resources.keys() ?? []) names.add(name);
  const last = namesIn(state.lastResources);
  const refused = new Set(nack === undefined ? [] : nack.resources.length ? nack.resources : last);
  return [...names].sort().map((name): ResourceStatus => {
    const held = sent.get(name);
    const base = { typeUrl: state.typeUrl, name, sentAt: undefined, nack: undefined };
    const isRefused = refused.has(name);
    if (held === undefined) {
      // A refused one may be held back since: it is still refused.
      const found = {
        state: isRefused ? 'ERROR' : 'NOT_SENT',
        nack: isRefused ? nack : undefined,
      } as const;
      return { ...base, ...found, resource: undefined, version: '' };
    }
    const there = target?.resources.get(name);
    const resource = !isHeldOnly(held) ? held : there?.version === held.version ? there : undefined;
    return {
      ...base,
      state: isRefused ? 'ERROR' : state.inFlight && last.has(name) ? 'STALE' : 'SYNCED',
      resource,
      version: held.version,
      sentAt: last.has(name) ? new Date(context.sentAt) : undefined,
      nack: isRefused ? nack : undefined,
    };
  });
}
