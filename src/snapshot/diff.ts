// What changed between two states of one type. Remembered by the identity of both, because all streams that move
// from the one to the other ask the same question.
import type { ResourceName } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import type { EncodedResource, TypeSnapshot } from './snapshot.js';

/** Resources to send and names to take away, in going from one TypeSnapshot to another. */
export interface TypeDiff {
  readonly changed: readonly EncodedResource[];
  readonly removed: readonly ResourceName[];
}

/** `before` undefined: everything is new. The same two objects give the same result object. */
export function diffTypes(before: TypeSnapshot | undefined, after: TypeSnapshot): TypeDiff {
  return before === undefined ? all(after) : between(after, before);
}

const all = memoize(
  (after: TypeSnapshot): TypeDiff => ({ changed: [...after.resources.values()], removed: [] }),
);

const between = memoize((after: TypeSnapshot, before: TypeSnapshot): TypeDiff => {
  const changed: EncodedResource[] = [];
  const removed: ResourceName[] = [];
  if (before === after) return { changed, removed };
  for (const [name, resource] of after.resources) {
    if (before.resources.get(name)?.version !== resource.version) changed.push(resource);
  }
  for (const name of before.resources.keys()) if (!after.resources.has(name)) removed.push(name);
  return { changed, removed };
});
