// A state of one type with a few resources exchanged: how a resource that a client refuses is held back without
// touching what it has in common with others. Which ones those are is not decided here.
import type { ResourceName } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import { layeredSnapshot, layersOf, typeSnapshot } from './build-snapshot.js';
import type { EncodedResource, TypeSnapshot } from './snapshot.js';

/**
 * `type` with each of these resources in the place of the one of its name, undefined taking it away. Names that
 * `type` does not have are not added. Remembered by both objects, and layers that have none of the names stay what
 * they are: give the same map, never changed, for the same exchange. `type` itself when nothing changes.
 */
export const replaceResources: (
  type: TypeSnapshot,
  byName: ReadonlyMap<ResourceName, EncodedResource | undefined>,
) => TypeSnapshot = memoize(
  (
    type: TypeSnapshot,
    byName: ReadonlyMap<ResourceName, EncodedResource | undefined>,
  ): TypeSnapshot => {
    const before = layersOf(type);
    const after = before.map((layer) => replaceInLayer(layer, byName));
    return after.every((layer, i) => layer === before[i]) ? type : layeredSnapshot(after, type);
  },
);

const replaceInLayer = memoize(
  (
    layer: TypeSnapshot,
    byName: ReadonlyMap<ResourceName, EncodedResource | undefined>,
  ): TypeSnapshot => {
    const replaced = [...byName].filter(
      ([name, resource]) => layer.resources.has(name) && layer.resources.get(name) !== resource,
    );
    if (replaced.length === 0) return layer;
    const resources = new Map(layer.resources);
    for (const [name, resource] of replaced) {
      if (resource === undefined) resources.delete(name);
      else resources.set(name, resource);
    }
    return typeSnapshot(resources);
  },
);
