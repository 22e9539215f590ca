// Several caches behind one: which of them serves which type, for which group. Nothing is kept here but what a group
// is composed of.
import type { TypeUrl } from '../envoy/resource.js';
import { snapshotOf } from '../snapshot/build-snapshot.js';
import type { Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
import type { XdsCache } from './snapshot-cache.js';

/** The caches that a group is served from. */
export interface MuxRoutes {
  /** By type URL. */
  readonly types?: Readonly<Record<string, XdsCache>>;
  /** All other types. */
  readonly rest?: XdsCache;
}

/**
 * Serves each type from the cache that is named for it. A function may choose other caches for each group. While one of
 * a group's caches has no snapshot for it, the group has none, and its streams wait: half a state would take away what
 * the other half has.
 */
export class MuxCache implements XdsCache {
  private readonly routesOf: (group: string) => MuxRoutes;
  /** Of watched groups, so that an unchanged state is the same object. */
  private readonly known = new Map<string, { watchers: number; last: Snapshot | undefined }>();

  constructor(routes: MuxRoutes | ((group: string) => MuxRoutes)) {
    this.routesOf = typeof routes === 'function' ? routes : () => routes;
  }

  get(group: string): Snapshot | undefined {
    const { types = {}, rest } = this.routesOf(group);
    const composed = new Map<TypeUrl, TypeSnapshot>();
    if (rest !== undefined) {
      const snapshot = rest.get(group);
      if (snapshot === undefined) return undefined;
      for (const [typeUrl, type] of snapshot.types) {
        if (!Object.hasOwn(types, typeUrl)) composed.set(typeUrl, type);
      }
    }
    for (const [typeUrl, cache] of Object.entries(types)) {
      const snapshot = cache.get(group);
      if (snapshot === undefined) return undefined;
      const type = snapshot.types.get(typeUrl as TypeUrl);
      if (type !== undefined) composed.set(typeUrl as TypeUrl, type);
    }
    const known = this.known.get(group);
    const snapshot = snapshotOf(composed, known?.last);
    if (known !== undefined) known.last = snapshot;
    return snapshot;
  }

  watch(group: string, listener: (snapshot: Snapshot | undefined) => void): () => void {
    const { types = {}, rest } = this.routesOf(group);
    const caches = new Set([...Object.values(types), ...(rest ? [rest] : [])]);
    const known = this.known.get(group) ?? { watchers: 0, last: undefined };
    known.watchers++;
    this.known.set(group, known);
    let last = this.get(group);
    const told = () => {
      const now = this.get(group);
      // Of a cache's other types, or the same content again.
      if (now !== undefined && now === last) return;
      last = now;
      listener(now);
    };
    const unwatches = [...caches].map((cache) => cache.watch(group, told));
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      for (const unwatch of unwatches) unwatch();
      if (--known.watchers === 0) this.known.delete(group);
    };
  }
}
