// What differs between a list and the one before it, where only some entries were replaced: the common edit.

/** One entry in place of another. */
export interface Replacement<T> {
  index: number;
  before: T;
  after: T;
}

/** More differences than this are not worth following one by one. */
const replacementsMax = 64;

/** The entries that differ, when the lists are equally long and few do; else undefined. */
export function replacements<T>(
  before: readonly T[],
  after: readonly T[],
): readonly Replacement<T>[] | undefined {
  if (before.length !== after.length) return undefined;
  const found: Replacement<T>[] = [];
  for (let index = 0; index < after.length; index++) {
    if (before[index] === after[index]) continue;
    if (found.length === replacementsMax) return undefined;
    found.push({ index, before: before[index]!, after: after[index]! });
  }
  return found;
}

/**
 * A copy with the new entries in place of the old ones, which must all be there. An entry may be new in one place and
 * old in another, so that changes must not be made one after the other.
 */
export function replaceAll<T>(
  list: readonly T[],
  changes: readonly Pick<Replacement<T>, 'before' | 'after'>[],
): T[] {
  const copy = [...list];
  for (const { before, after } of changes) copy[list.indexOf(before)] = after;
  return copy;
}

/** `groups` with new entries in place of old ones of the same group. */
export function regrouped<T>(
  groups: ReadonlyMap<string, readonly T[]>,
  changes: readonly Pick<Replacement<T>, 'before' | 'after'>[],
  keyOf: (item: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const byKey = new Map<string, typeof changes>();
  for (const change of changes) {
    const key = keyOf(change.after);
    byKey.set(key, [...(byKey.get(key) ?? []), change]);
  }
  const next = new Map(groups);
  // All of a group at once: where one goes and another comes, what stands between them moves by one.
  for (const [key, ofGroup] of byKey) next.set(key, replaceAll(next.get(key) ?? [], ofGroup));
  return next;
}
