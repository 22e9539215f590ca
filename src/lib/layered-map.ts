// A read-only map made of other maps without copying them: what many maps have in common is one layer that all of
// them hold. Layers never share a key; a map that could have the same key twice is made flat.

import { memoize } from './memo.js';
import { keysId } from './patched-map.js';

/** Several maps as one. Iterates in the order of the layers; a lookup asks each layer. */
export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly size: number;

  /** The layers must have no key in common, and must not change; `layered` checks the first. */
  constructor(readonly layers: readonly ReadonlyMap<K, V>[]) {
    this.size = layers.reduce((sum, layer) => sum + layer.size, 0);
  }

  get(key: K): V | undefined {
    for (const layer of this.layers) {
      const value = layer.get(key);
      if (value !== undefined || layer.has(key)) return value;
    }
    return undefined;
  }

  has(key: K): boolean {
    return this.layers.some((layer) => layer.has(key));
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) callback(value, key, this);
  }

  *entries(): MapIterator<[K, V]> {
    for (const layer of this.layers) yield* layer.entries();
  }

  *keys(): MapIterator<K> {
    for (const layer of this.layers) yield* layer.keys();
  }

  *values(): MapIterator<V> {
    for (const layer of this.layers) yield* layer.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}

/**
 * The entries of all layers, the later layer's where two have the same key. Costs as much as all layers but the
 * largest have entries; that one is not copied unless a key is there twice.
 */
export function layered<K, V>(layers: readonly ReadonlyMap<K, V>[]): ReadonlyMap<K, V> {
  const filled = layers.filter((layer) => layer.size > 0);
  if (filled.length === 1) return filled[0]!;
  if (areDisjoint(filled)) return new LayeredMap(filled);
  return new Map(filled.flatMap((layer) => [...layer]));
}

/** A look at so few keys costs no more than to remember what it found. */
const smallMax = 16;

/** Whether no two of the maps have a key in common. */
export function areDisjoint<K>(maps: readonly ReadonlyMap<K, unknown>[]): boolean {
  const sizes = maps.map(({ size }) => size);
  const small = sizes.reduce((sum, size) => sum + size, 0) - Math.max(...sizes) <= smallMax;
  return small ? disjoint(maps) : knownDisjoint(...(maps.map(keysId) as typeof maps));
}

const knownDisjoint = memoize((...maps: readonly ReadonlyMap<unknown, unknown>[]) =>
  disjoint(maps),
);

function disjoint(maps: readonly ReadonlyMap<unknown, unknown>[]): boolean {
  const bySize = [...maps].sort((a, b) => a.size - b.size);
  return bySize.every((map, i) => {
    const larger = bySize.slice(i + 1);
    if (larger.length === 0) return true;
    for (const key of map.keys()) if (larger.some((other) => other.has(key))) return false;
    return true;
  });
}

/** The maps that a map is made of; itself when it is not layered. */
export function layersOf<K, V>(map: ReadonlyMap<K, V>): readonly ReadonlyMap<K, V>[] {
  return map instanceof LayeredMap ? (map as LayeredMap<K, V>).layers : [map];
}
