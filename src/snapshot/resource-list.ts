// Encoded resources in an order, as parts that many lists have in common: two hundred sidecars are sent the same
// thousand clusters and a few of their own, and only those few are theirs in memory. Bytes are joined by part
// (xds/response-bytes.ts).
import type { EncodedResource } from './snapshot.js';

/** Immutable. Parts are shared by identity and must never be changed. */
export class ResourceList implements Iterable<EncodedResource> {
  /** In the order sent; none of them is empty. */
  readonly parts: readonly (readonly EncodedResource[])[];
  readonly length: number;

  constructor(parts: readonly (readonly EncodedResource[])[]) {
    this.parts = parts.filter((part) => part.length > 0);
    this.length = this.parts.reduce((sum, part) => sum + part.length, 0);
  }

  /** These, and more at the end. */
  with(more: readonly EncodedResource[]): ResourceList {
    return more.length === 0 ? this : new ResourceList([...this.parts, more]);
  }

  *[Symbol.iterator](): Iterator<EncodedResource> {
    for (const part of this.parts) yield* part;
  }
}

/** No resources. */
export const noResources = new ResourceList([]);
