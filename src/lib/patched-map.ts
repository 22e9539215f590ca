// A read-only map that differs from another in a few values: an edit of one entry of ten thousand costs one entry, and
// so does finding out what two such maps differ in. Keys that come or go make a new map; this one has the same keys in
// the same order.

/** Patches beyond this, or beyond a sixteenth of the map, are worth a copy. */
const patchMax = 64;

/** A map with other values for some of its keys. Made by `patched`. */
class PatchedMap<K, V extends object> implements ReadonlyMap<K, V> {
  readonly size: number;

  constructor(
    readonly base: ReadonlyMap<K, V>,
    readonly patch: ReadonlyMap<K, V>,
  ) {
    this.size = base.size;
  }

  get(key: K): V | undefined {
    return this.patch.get(key) ?? this.base.get(key);
  }

  has(key: K): boolean {
    return this.base.has(key);
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.base) callback(this.patch.get(key) ?? value, key, this);
  }

  *entries(): MapIterator<[K, V]> {
    for (const entry of this.base) {
      const value = this.patch.get(entry[0]);
      yield value === undefined ? entry : [entry[0], value];
    }
  }

  keys(): MapIterator<K> {
    return this.base.keys();
  }

  *values(): MapIterator<V> {
    for (const [key, value] of this.base) yield this.patch.get(key) ?? value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}

/** `map` with other values for some of its keys; itself when there are none. All keys must be in `map`. */
export function patched<K, V extends object>(
  map: ReadonlyMap<K, V>,
  changes: ReadonlyMap<K, V>,
): ReadonlyMap<K, V> {
  if (changes.size === 0) return map;
  const { base, patch } = partsOf(map);
  const all = new Map([...patch, ...changes]);
  if (all.size <= Math.max(patchMax, base.size / 16)) return new PatchedMap(base, all);
  const copy = new Map(base);
  for (const [key, value] of all) copy.set(key, value);
  return copy;
}

/** Entries in place of others that follow one another. */
export interface Run<K, V> {
  keys: readonly K[];
  entries: readonly (readonly [K, V])[];
}

/**
 * `map` with other entries in place of some, a copy only where keys come or go; undefined where it cannot be told where
 * some stand.
 */
export function replacedRuns<K, V extends object>(
  map: ReadonlyMap<K, V>,
  runs: readonly Run<K, V>[],
): ReadonlyMap<K, V> | undefined {
  const moved = runs.filter(({ keys, entries }) => {
    return keys.length !== entries.length || entries.some(([key], i) => key !== keys[i]);
  });
  if (moved.length === 0) {
    const entries = runs.flatMap((run) => run.entries);
    return patched(map, new Map(entries.filter(([key, value]) => map.get(key) !== value)));
  }
  if (moved.some(({ keys }) => keys.length === 0)) return undefined;
  const gone = new Set(runs.flatMap(({ keys }) => keys));
  const comeAt = new Map(runs.map(({ keys, entries }) => [keys[0], entries]));
  const next = new Map<K, V>();
  for (const [key, value] of map) {
    if (!gone.has(key)) next.set(key, value);
    else for (const [name, come] of comeAt.get(key) ?? []) next.set(name, come);
  }
  return next;
}

/**
 * The keys whose values differ; undefined when the maps have nothing in common, so that only looking at all entries can
 * tell. Where it is defined, both have the same keys in the same order.
 */
export function changedKeys<K, V extends object>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
): readonly K[] | undefined {
  if (before === after) return [];
  const [a, b] = [partsOf(before), partsOf(after)];
  if (a.base !== b.base) return undefined;
  return [...new Set([...a.patch.keys(), ...b.patch.keys()])].filter(
    (key) => before.get(key) !== after.get(key),
  );
}

/** The same where the maps may have anything in common or nothing; keys that only one of them has are among them. */
export function differingKeys<K, V extends object>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
): ReadonlySet<K> {
  const known = changedKeys(before, after);
  if (known !== undefined) return new Set(known);
  const all = [...before.keys(), ...after.keys()];
  return new Set(all.filter((key) => before.get(key) !== after.get(key)));
}

/** An object that is the same for maps that are known to have the same keys. */
export function keysId(map: ReadonlyMap<unknown, unknown>): object {
  return map instanceof PatchedMap ? map.base : map;
}

function partsOf<K, V extends object>(map: ReadonlyMap<K, V>) {
  return map instanceof PatchedMap
    ? (map as PatchedMap<K, V>)
    : { base: map, patch: new Map<K, V>() as ReadonlyMap<K, V> };
}
