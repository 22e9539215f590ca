// Resources with a TTL: when a client has to be told that they are still alive, and what it is told. In delta a
// heartbeat is a Resource with name, version and TTL and no body (xDS "TTL"). One clock for each TTL of a type, not
// for each resource. No timers here: stream.ts asks for the next time and is woken by its owner.
import { ResourceList } from '../snapshot/resource-list.js';
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import { ttlInUse } from '../snapshot/ttl.js';
import type { TypeState } from './subscription.js';

/** Clocks that are nearly due go along, by this part of the TTL: fewer messages. */
const slack = 0.1;

/** The heartbeats of one type on one stream. */
export class Heartbeats {
  /** By TTL in ms: when the next heartbeat is due. */
  private readonly due = new Map<number, number>();
  /** State for which the clocks were set. */
  private seen: TypeSnapshot | undefined;

  /**
   * Follows what the client has; to be called after whatever may have changed it. `fresh`: it was just sent, so its
   * TTL begins now; else (a reconnect that needed nothing) it began some time ago.
   */
  follow(state: TypeState, now: number, fresh: boolean): void {
    if (!ttlInUse() || state.sent === this.seen) return;
    this.seen = state.sent;
    const ttls = state.sent === undefined ? noTtls : ttlsOf(state.sent);
    for (const ttlMs of this.due.keys()) if (!ttls.has(ttlMs)) this.due.delete(ttlMs);
    for (const ttlMs of ttls.keys()) {
      if (!this.due.has(ttlMs)) this.due.set(ttlMs, fresh ? now + ttlMs / 2 : now);
    }
  }

  /** When the next one is due; undefined when none is. */
  next(): number | undefined {
    return this.due.size === 0 ? undefined : Math.min(...this.due.values());
  }

  /**
   * The resources whose heartbeat is due and that the client has accepted; sets their clocks anew. Undefined: none.
   */
  take(state: TypeState, now: number): EncodedResource[] | undefined {
    const next = this.next();
    if (next === undefined || next > now || state.sent === undefined) return undefined;
    const taken: EncodedResource[] = [];
    const ttls = ttlsOf(state.sent);
    for (const [ttlMs, at] of this.due) {
      if (at > now + ttlMs * slack) continue;
      this.due.set(ttlMs, now + ttlMs / 2);
      for (const resource of ttls.get(ttlMs) ?? []) {
        if (state.accepted?.resources.get(resource.name)?.version === resource.version)
          taken.push(resource);
      }
    }
    return taken.length === 0 ? undefined : taken;
  }
}

const noTtls: ReadonlyMap<number, readonly EncodedResource[]> = new Map();
const remembered = new WeakMap<TypeSnapshot, Map<number, EncodedResource[]>>();

/** The resources of each TTL; computed once for all streams that have this state. */
function ttlsOf(type: TypeSnapshot): ReadonlyMap<number, readonly EncodedResource[]> {
  let ttls = remembered.get(type);
  if (ttls !== undefined) return ttls;
  ttls = new Map();
  for (const resource of type.resources.values()) {
    if (resource.ttlMs === undefined) continue;
    const same = ttls.get(resource.ttlMs);
    if (same === undefined) ttls.set(resource.ttlMs, [resource]);
    else same.push(resource);
  }
  remembered.set(type, ttls);
  return ttls;
}

/** Delta: what is sent to say that these are alive. */
export function heartbeatOf(resources: readonly EncodedResource[]): ResourceList {
  return new ResourceList([resources.map((resource) => ({ ...resource, isHeartbeat: true }))]);
}
