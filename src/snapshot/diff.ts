// What changed between two states of one type. Remembered by the identity of both, because all streams that move
// from the one to the other ask the same question; and by layer, because streams whose states differ in a few
// resources of their own still share the rest.
import type { ResourceName } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import { hasGivenVersion, layersOf } from './build-snapshot.js';
import { noResources, ResourceList } from './resource-list.js';
import type { EncodedResource, TypeSnapshot } from './snapshot.js';

/** Resources to send and names to take away, in going from one TypeSnapshot to another. */
export interface TypeDiff {
  readonly changed: ResourceList;
  readonly removed: readonly ResourceName[];
}

/** `before` undefined: everything is new. The same two objects give the same result object. */
export function diffTypes(before: TypeSnapshot | undefined, after: TypeSnapshot): TypeDiff {
  if (before === undefined) return all(after);
  return isSame(before, after) ? nothing : between(after, before);
}

const noNames: readonly ResourceName[] = [];

const nothing: TypeDiff = { changed: noResources, removed: noNames };

function isSame(before: TypeSnapshot, after: TypeSnapshot): boolean {
  if (before === after) return true;
  return before.version === after.version && !hasGivenVersion(before) && !hasGivenVersion(after);
}

const all = memoize(
  (after: TypeSnapshot): TypeDiff => ({
    changed: new ResourceList(layersOf(after).map((layer) => resourcesOf(layer))),
    removed: noNames,
  }),
);

const resourcesOf = memoize((layer: TypeSnapshot): readonly EncodedResource[] => [
  ...layer.resources.values(),
]);

const between = memoize((after: TypeSnapshot, before: TypeSnapshot): TypeDiff => {
  const { olds, news } = distinctLayers(before, after);
  const changed: (readonly EncodedResource[])[] = [];
  const removed: (readonly ResourceName[])[] = [];
  // Any pairing of layers gives a right answer, as what it finds is compared with the whole; pairs of the same
  // place have the most in common.
  for (let i = 0; i < Math.max(olds.length, news.length); i++) {
    const part = layerDiff(news[i], olds[i]);
    changed.push(
      filtered(part.changed, (it) => before.resources.get(it.name)?.version !== it.version),
    );
    removed.push(filtered(part.removed, (name) => !after.resources.has(name)));
  }
  return { changed: new ResourceList(changed), removed: joined(removed) };
});

/** The layers that only one of the two has. */
export function distinctLayers(
  before: TypeSnapshot,
  after: TypeSnapshot,
): { olds: readonly TypeSnapshot[]; news: readonly TypeSnapshot[] } {
  const olds = layersOf(before);
  const news = layersOf(after);
  return {
    olds: olds.filter((layer) => !news.includes(layer)),
    news: news.filter((layer) => !olds.includes(layer)),
  };
}

interface LayerDiff {
  readonly changed: readonly EncodedResource[];
  readonly removed: readonly ResourceName[];
}

function layerDiff(after: TypeSnapshot | undefined, before: TypeSnapshot | undefined): LayerDiff {
  if (after === undefined) return { changed: [], removed: before ? namesOf(before) : noNames };
  if (before === undefined) return { changed: resourcesOf(after), removed: noNames };
  return layerBetween(after, before);
}

const namesOf = memoize((layer: TypeSnapshot): readonly ResourceName[] => [
  ...layer.resources.keys(),
]);

const layerBetween = memoize((after: TypeSnapshot, before: TypeSnapshot): LayerDiff => {
  const changed: EncodedResource[] = [];
  const removed: ResourceName[] = [];
  for (const [name, resource] of after.resources) {
    if (before.resources.get(name)?.version !== resource.version) changed.push(resource);
  }
  for (const name of before.resources.keys()) if (!after.resources.has(name)) removed.push(name);
  return { changed, removed };
});

/** The array itself when all of it stays: others have it too. */
function filtered<T>(items: readonly T[], stays: (item: T) => boolean): readonly T[] {
  return items.every(stays) ? items : items.filter(stays);
}

function joined<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const filled = lists.filter((list) => list.length > 0);
  return filled.length === 1 ? filled[0]! : filled.flat();
}
