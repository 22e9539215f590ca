// The order of resources and their groups by namespace, with identity kept from one generation to the next.
import type { Age } from '../kinds/resource.js';
import { sameOr } from '../lib/memo.js';

/** What the order of precedence looks at. */
export interface Aged {
  age: Age;
  name: string;
  namespace: string;
  kind?: string;
}

/** Oldest first; ties by first sight, then name, namespace and kind, so that the order is total. */
export function byAge(a: Aged, b: Aged): number {
  const at = a.age.timestampMs ?? Number.POSITIVE_INFINITY;
  const bt = b.age.timestampMs ?? Number.POSITIVE_INFINITY;
  if (at !== bt) return at < bt ? -1 : 1;
  if (a.age.firstSeen !== b.age.firstSeen) return a.age.firstSeen - b.age.firstSeen;
  return (
    compareText(a.name, b.name) ||
    compareText(a.namespace, b.namespace) ||
    compareText(a.kind ?? '', b.kind ?? '')
  );
}

/** By code unit, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** True when two maps have the same keys in the same order: what a map holds must not depend on what was before. */
export function sameKeys(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>) {
  if (a.size !== b.size) return false;
  const others = b.keys();
  for (const key of a.keys()) if (key !== others.next().value) return false;
  return true;
}

/** Groups in the order of `items`; a group that did not change is the previous array, and so is the whole map. */
export function groupBy<T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
  previous?: ReadonlyMap<string, readonly T[]>,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  if (previous === undefined) return groups;
  let same = sameKeys(previous, groups);
  const kept = groups as Map<string, readonly T[]>;
  for (const [key, group] of groups) {
    const before = previous.get(key);
    const next = sameOr(before, group);
    if (next === before) kept.set(key, next);
    else same = false;
  }
  return same ? previous : kept;
}
