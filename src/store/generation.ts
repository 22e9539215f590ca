// One accepted state of all resources, as the rest of the program sees it. Immutable. How it comes about is
// accept.ts; who keeps the present one is store.ts.
import type { Origin } from '../config/document.js';
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';

/** One accepted state. Unchanged resources, and kinds without a change, are the same objects as before. */
export interface Generation {
  /** Counts up from 1; 0 is the empty state before the first read. */
  readonly id: number;
  /** When it was accepted, in ms since the epoch, as told by the caller. */
  readonly timeMs: number;
  /** By `Kind/namespace/name`, sorted by that key. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** Everything wrong with what was read last, in path order. */
  readonly problems: readonly Problem[];
  /** The mesh's settings, when a document gives them; also part of `resources`. */
  readonly meshConfig: Resource | undefined;
  /** The resources of one kind, sorted by namespace and name. */
  byKind(kind: string): readonly Resource[];
  /** Where the accepted version of a resource was read. */
  origin(key: string): Origin | undefined;
}

/** What a generation changed, for `history` and the log. Keys are `Kind/namespace/name`, sorted. */
export interface GenerationRecord {
  readonly id: number;
  readonly timeMs: number;
  readonly added: readonly string[];
  readonly updated: readonly string[];
  readonly removed: readonly string[];
}

/** What one call of `Store.accept` came to. */
export interface Acceptance {
  /** The state now in force. It has the same id as before when `resourcesChanged` is false. */
  readonly generation: Generation;
  readonly resourcesChanged: boolean;
  readonly problemsChanged: boolean;
  /** Present when `resourcesChanged`. */
  readonly record?: GenerationRecord;
}
