// How much of a translation was made anew: a count for metrics and for the tests of what a change may cost. Compares
// identities only; whether the bytes differ is the snapshot's business.
import type { EnvoyMessage, ResourceName, ResourcesByType, TypeUrl } from '../envoy/resource.js';
import { layersOf } from '../lib/layered-map.js';

/** Messages of one type: made anew, taken over as they were, and gone. */
export interface Rebuilt {
  built: number;
  kept: number;
  removed: number;
}

/** Counts by type, of `next` against the result before it (undefined: there was none). */
export function rebuilt(
  previous: ResourcesByType | undefined,
  next: ResourcesByType,
): ReadonlyMap<TypeUrl, Rebuilt> {
  const counts = new Map<TypeUrl, Rebuilt>();
  for (const [typeUrl, messages] of next) {
    const before = previous?.get(typeUrl);
    if (before === messages) {
      counts.set(typeUrl, { built: 0, kept: messages.size, removed: 0 });
      continue;
    }
    const { common, kept } = compare(before, messages);
    counts.set(typeUrl, {
      built: messages.size - kept,
      kept,
      removed: (before?.size ?? 0) - common,
    });
  }
  return counts;
}

/** How many names both have, and how many of those with the same object. */
function compare(
  before: ReadonlyMap<ResourceName, EnvoyMessage> | undefined,
  next: ReadonlyMap<ResourceName, EnvoyMessage>,
): { common: number; kept: number } {
  const count = { common: 0, kept: 0 };
  if (before === undefined) return count;
  const known = layersOf(before);
  for (const layer of layersOf(next)) {
    if (known.includes(layer)) {
      count.common += layer.size;
      count.kept += layer.size;
      continue;
    }
    for (const [name, message] of layer) {
      const old = before.get(name);
      if (old === undefined) continue;
      count.common += 1;
      if (old === message) count.kept += 1;
    }
  }
  return count;
}
