// Sets of resource names, one object for each distinct set: a thousand sidecars that subscribe to the same thousand
// clusters hold one set, and what is computed for it is computed once.
import { hash } from 'node:crypto';

/** A set of names; equal sets are the same object while anybody holds it. */
export interface NameSet {
  readonly names: ReadonlySet<string>;
  readonly sorted: readonly string[];
  /** A hash of the names. */
  readonly key: string;
}

const known = new Map<string, WeakRef<NameSet>>();
const finished = new FinalizationRegistry<string>((key) => {
  if (known.get(key)?.deref() === undefined) known.delete(key);
});

/**
 * Sets by a hash of the list that they were made of, in its order: streams that ask for the same mostly do it in the
 * same words, and sorting thousands of names for each of them is most of the work of their coming.
 */
const byList = new Map<string, WeakRef<NameSet>>();
/** More lists than this are made up. One is about 200 bytes. */
const listsMax = 10_000;

/** The set of these names. */
export function nameSet(names: Iterable<string>): NameSet {
  const list = [...names];
  const listKey = hash('sha256', JSON.stringify(list), 'base64');
  const before = byList.get(listKey)?.deref();
  if (before !== undefined) return before;
  const made = setOf(list);
  if (byList.size >= listsMax) byList.clear();
  byList.set(listKey, new WeakRef(made));
  return made;
}

function setOf(names: readonly string[]): NameSet {
  const unique = new Set(names);
  const sorted = [...unique].sort();
  const key = hash('sha256', sorted.map((name) => `${name.length}:${name}`).join(''), 'base64');
  const before = known.get(key)?.deref();
  if (before !== undefined) return before;
  const made: NameSet = { names: unique, sorted, key };
  known.set(key, new WeakRef(made));
  finished.register(made, key);
  return made;
}

/** No names. */
export const noNames: NameSet = nameSet([]);
