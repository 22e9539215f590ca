// The snapshots that are served now, by group. A group is whatever the embedding program says (a node id, a kind of
// proxy, everybody): many groups may hold the very same Snapshot object, and then share all bytes. Building snapshots
// is not done here.
import type { Snapshot } from '../snapshot/snapshot.js';

/** Told of a group's new snapshot; undefined when the group was cleared. */
export type SnapshotListener = (snapshot: Snapshot | undefined) => void;

/** What a server serves from: the snapshot of each group, and news of it. */
export interface XdsCache {
  /** The group's present snapshot; undefined while there is none: its streams wait. */
  get(group: string): Snapshot | undefined;
  /** Calls `listener` on each later change of the group, until the returned function is called. */
  watch(group: string, listener: SnapshotListener): () => void;
}

/** Snapshots by group; the streams of a group are brought to each new one in short turns of the event loop. */
export class SnapshotCache implements XdsCache {
  private readonly snapshots = new Map<string, Snapshot>();
  private readonly listeners = new Map<string, Set<SnapshotListener>>();

  /** Serves `snapshot` to the group from now on. The same object as before: nothing happens. */
  set(group: string, snapshot: Snapshot): void {
    if (this.snapshots.get(group) === snapshot) return;
    this.snapshots.set(group, snapshot);
    this.tell(group);
  }

  get(group: string): Snapshot | undefined {
    return this.snapshots.get(group);
  }

  /**
   * Forgets a group's snapshot. Its streams stay open and keep what they have; they are answered again after the
   * next `set` (xds-protocol 34).
   */
  clear(group: string): void {
    if (this.snapshots.delete(group)) this.tell(group);
  }

  /** Groups that have a snapshot. */
  groups(): Iterable<string> {
    return this.snapshots.keys();
  }

  /** Calls `listener` on each later change of the group, until the returned function is called. */
  watch(group: string, listener: SnapshotListener): () => void {
    let listeners = this.listeners.get(group);
    if (listeners === undefined) {
      listeners = new Set();
      this.listeners.set(group, listeners);
    }
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(group) === listeners)
        this.listeners.delete(group);
    };
  }

  // A listener may set another one: the others are told of that, and not of the older one after it.
  private tell(group: string): void {
    for (const listener of [...(this.listeners.get(group) ?? [])]) {
      listener(this.snapshots.get(group));
    }
  }
}
