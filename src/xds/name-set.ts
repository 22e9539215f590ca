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

/** The set of these names. */
export function nameSet(names: Iterable<string>): NameSet {
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
