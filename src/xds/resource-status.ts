// How far each single resource of a stream has come, from what the stream knows of its type: nothing more is kept for
// it. CSDS (csds.ts) and programs ask for it; types as a whole are in status.ts.
import { isHeldOnly } from '../snapshot/held.js';
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import type { HeldBackResource, Nack, ResourceStatus } from './status.js';
import { namesIn, type TypeState } from './subscription.js';

/** What resourcesOf needs besides the state of the type. */
export interface ResourceContext {
  /** What the client may be brought to now. */
  readonly target: TypeSnapshot | undefined;
  /** When the last response was sent, in ms. */
  readonly sentAt: number;
  /** The refusal of the last response. */
  readonly nack: Nack | undefined;
  /** What this client, or another one of its release, refused earlier. */
  readonly heldBack: readonly HeldBackResource[];
}

/** Every resource that the client has or asks for, sorted by name. */
export function resourcesOf(state: TypeState, context: ResourceContext): ResourceStatus[] {
  const { target } = context;
  const { typeUrl } = state;
  const sent = state.sent?.resources ?? new Map<string, EncodedResource>();
  const names = new Set([...state.names.names, ...sent.keys()]);
  if (state.wildcard) for (const name of target?.resources.keys() ?? []) names.add(name);
  const last = namesIn(state.lastResources);
  const refusals = refusalsIn(last, context);
  return [...names].sort().map((name): ResourceStatus => {
    const held = sent.get(name);
    const nack = refusals.get(name);
    if (held === undefined) {
      const found = { resource: undefined, version: '', sentAt: undefined };
      return { typeUrl, name, state: nack ? 'ERROR' : 'NOT_SENT', ...found, nack };
    }
    const there = target?.resources.get(name);
    const resource = !isHeldOnly(held) ? held : there?.version === held.version ? there : undefined;
    const isAnswered = !state.inFlight || !last.has(name);
    const sentAt = last.has(name) ? new Date(context.sentAt) : undefined;
    const { version } = held;
    const stateNow = nack ? 'ERROR' : isAnswered ? 'SYNCED' : 'STALE';
    return { typeUrl, name, state: stateNow, resource, version, sentAt, nack };
  });
}

/** By name: what is held back, and what was refused just now. */
function refusalsIn(
  last: ReadonlySet<string>,
  { nack, heldBack }: ResourceContext,
): ReadonlyMap<string, Nack> {
  const refusals = new Map<string, Nack>();
  for (const { name, version, message, since } of heldBack) {
    refusals.set(name, { message, version, at: since, resources: [name] });
  }
  if (nack === undefined) return refusals;
  for (const name of nack.resources.length > 0 ? nack.resources : last) refusals.set(name, nack);
  return refusals;
}
