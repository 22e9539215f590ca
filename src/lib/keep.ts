// Keeping the object of before where what was made anew is equal to it, so that "unchanged" stays one pointer
// comparison downstream. For results whose inputs changed without changing them; memo.ts is for unchanged inputs.
import { isDeepStrictEqual } from 'node:util';
import { changedKeys } from './patched-map.js';

/** Whether two values are equal, part by part. */
export function isEqual(a: object, b: object): boolean {
  return isDeepStrictEqual(a, b);
}

/** Remembers one value: gives it back for as long as it is given equal ones. */
export class Keep<T extends object> {
  #last: T | undefined;

  /** `next`, or the object given for it before. Parts that are the same object are not looked into. */
  equal(next: T): T {
    if (this.#last === undefined || !isDeepStrictEqual(this.#last, next)) this.#last = next;
    return this.#last;
  }
}

/** Remembers one map: gives it back while keys, their order, and values (by identity) are the same. */
export class KeepMap<K, V> {
  #last: ReadonlyMap<K, V> | undefined;

  /** `next`, or the map given for it before. */
  same(next: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
    if (this.#last === undefined || !sameEntries(this.#last, next)) this.#last = next;
    return this.#last;
  }
}

function sameEntries<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  if (a === b) return true;
  const changed = changedKeys(a as ReadonlyMap<K, object>, b as ReadonlyMap<K, object>);
  if (changed !== undefined) return changed.length === 0;
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [key, value] of a) {
    const [otherKey, otherValue] = others.next().value as [K, V];
    if (key !== otherKey || value !== otherValue) return false;
  }
  return true;
}
