// SotW only: which content a client has that comes back with an older version and fewer names. A response carries a
// version over all names asked for; a client that drops a name afterwards keeps that version, as dropping is not
// answered. What it has left is noted when its stream ends, so that its reconnect is not sent everything again. The
// other way round: a name that was dropped and taken again, with its answer lost, comes back under a version that
// stands for it; which names a node held when its stream ended is noted for that.
import type { TypeSnapshot } from '../snapshot/snapshot.js';
import { type NameSet, nameSet } from './name-set.js';

/** Notes kept; the oldest go first. One is about 300 bytes. */
const aliasesMax = 10_000;

/** What matters here of a type on a stream (subscription.ts has the whole). */
interface Held {
  readonly typeUrl: string;
  readonly wildcard: boolean;
  readonly names: NameSet;
  readonly sent: TypeSnapshot | undefined;
  readonly accepted: TypeSnapshot | undefined;
  readonly inFlight: boolean;
  readonly lastVersion: string;
  readonly uncertain: ReadonlySet<string>;
}

/** True of any client, so shared by all streams of a server; bounded. */
export class VersionAliases {
  private readonly known = new Map<string, string>();
  /** By node and type: the names of what it held at the end of its last stream. */
  private readonly heldAtEnd = new Map<string, NameSet>();

  /** To be called at the end of a stream, for each of its types. */
  remember(state: Held): void {
    const { sent, lastVersion, inFlight } = state;
    if (sent === undefined || inFlight || lastVersion === '' || state.uncertain.size > 0) return;
    if (lastVersion === sent.version || state.wildcard) return;
    const key = keyOf(state.typeUrl, lastVersion, state.names);
    this.known.delete(key);
    this.known.set(key, sent.version);
    if (this.known.size > aliasesMax) this.known.delete(this.known.keys().next().value!);
  }

  /** To be called at the end of a stream, for each of its types, with the node's id. */
  rememberHeld(node: string, { typeUrl, wildcard, accepted, names }: Held): void {
    if (wildcard || accepted === undefined) return;
    const all = accepted.resources.size === names.names.size;
    const key = `${typeUrl} ${node}`;
    this.heldAtEnd.delete(key);
    this.heldAtEnd.set(key, all ? names : nameSet(accepted.resources.keys()));
    if (this.heldAtEnd.size > aliasesMax) {
      this.heldAtEnd.delete(this.heldAtEnd.keys().next().value!);
    }
  }

  /** The names of `view` that the node asks for again and did not hold when its last stream ended. */
  lost(node: string, state: Pick<Held, 'typeUrl' | 'names'>, view: TypeSnapshot): string[] {
    const held = this.heldAtEnd.get(`${state.typeUrl} ${node}`);
    if (held === undefined || held === state.names) return [];
    return state.names.sorted.filter((name) => !held.names.has(name) && view.resources.has(name));
  }

  /** Whether a client with these names that last accepted `claimed` has what `version` stands for. */
  holds(state: Pick<Held, 'typeUrl' | 'names'>, claimed: string, version: string): boolean {
    if (claimed === '') return false;
    if (claimed === version) return true;
    return this.known.get(keyOf(state.typeUrl, claimed, state.names)) === version;
  }
}

function keyOf(typeUrl: string, version: string, names: NameSet): string {
  return `${typeUrl} ${version} ${names.key}`;
}
