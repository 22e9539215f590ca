// What differs between a list and the one before it, where only some entries were replaced: the common edit. A list
// that was made here knows it, so that asking costs nothing, and what is made of a list can be made from the last one
// (`amendable`).
import { type Key, memoize } from './memo.js';
import { patched } from './patched-map.js';

/** One entry in place of another. */
export interface Replacement<T> {
  index: number;
  before: T;
  after: T;
}

/** More differences than this are not worth following one by one. */
const replacementsMax = 64;

/** What a list was made of. The list before is held weakly, as it knows in turn what it was made of. */
interface Origin {
  before: WeakRef<readonly unknown[]>;
  changes: readonly Replacement<unknown>[];
}

const origins = new WeakMap<readonly unknown[], Origin>();

/** The list that a list was made of, if somebody still has it, and what was replaced. */
export function originOf<T>(
  list: readonly T[],
): { list: readonly T[]; changes: readonly Replacement<T>[] } | undefined {
  const origin = origins.get(list);
  const before = origin?.before.deref();
  if (origin === undefined || before === undefined) return undefined;
  return {
    list: before as readonly T[],
    changes: origin.changes as readonly Replacement<T>[],
  };
}

/** The entries that differ, when the lists are equally long and few do; else undefined. */
export function replacements<T>(
  before: readonly T[],
  after: readonly T[],
): readonly Replacement<T>[] | undefined {
  if (before === after) return [];
  if (before.length !== after.length) return undefined;
  const origin = originOf(after);
  if (origin?.list === before) return origin.changes;
  const found: Replacement<T>[] = [];
  for (let index = 0; index < after.length; index++) {
    if (before[index] === after[index]) continue;
    if (found.length === replacementsMax) return undefined;
    found.push({ index, before: before[index]!, after: after[index]! });
  }
  return found;
}

/**
 * A copy with the new entries in place of the old ones, which must all be there; the list itself when there are none.
 * An entry may be new in one place and old in another, so that changes must not be made one after the other.
 */
export function replaceAll<T>(
  list: readonly T[],
  changes: readonly Pick<Replacement<T>, 'before' | 'after'>[],
): readonly T[] {
  const placed = changes.map(({ before, after }) => ({
    index: list.indexOf(before),
    before,
    after,
  }));
  return replaceAt(list, placed);
}

/** The same where the places of the entries are known. */
export function replaceAt<T>(list: readonly T[], changes: readonly Replacement<T>[]): readonly T[] {
  if (changes.length === 0) return list;
  const copy = [...list];
  for (const { index, after } of changes) copy[index] = after;
  if (changes.length <= replacementsMax) origins.set(copy, { before: new WeakRef(list), changes });
  return copy;
}

/**
 * `list.map(make)`, from that of the list before where only few entries differ; itself when all come out the same.
 * `make` is also given what it made in that place before.
 */
export function mapAgain<T, U>(
  list: readonly T[],
  make: (item: T, last?: U) => U,
  last: { list: readonly T[]; made: readonly U[] } | undefined,
): readonly U[] {
  const changes = last && replacements(last.list, list);
  if (changes === undefined) return list.map((item) => make(item));
  const { made } = last!;
  const remade = changes.map(({ index, after }) => ({
    index,
    before: made[index]!,
    after: make(after, made[index]),
  }));
  return replaceAt(
    made,
    remade.filter(({ before, after }) => before !== after),
  );
}

/**
 * As `memoize`, for functions of a list. Where that list was made of another one by replacing entries, `amend` is given
 * the result for the other one; it gives undefined where that does not help.
 */
export function amendable<T, Args extends readonly Key[], Result>(
  compute: (list: readonly T[], ...args: Args) => Result,
  amend: (
    last: { list: readonly T[]; result: NonNullable<Result>; changes: readonly Replacement<T>[] },
    list: readonly T[],
    ...args: Args
  ) => Result | undefined,
): (list: readonly T[], ...args: Args) => Result {
  const known = memoize((..._key: readonly [readonly T[], ...Args]): { result?: Result } => ({}));
  return (list, ...args) => {
    const own = known(list, ...args);
    if (!('result' in own)) {
      const origin = originOf(list);
      const result = origin && known(origin.list, ...args).result;
      // Any result but none can be amended: false and the empty text, too.
      const amended =
        origin && result !== undefined && result !== null
          ? amend({ ...origin, result }, list, ...args)
          : undefined;
      own.result = amended ?? compute(list, ...args);
    }
    return own.result as Result;
  };
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
  const next = new Map<string, readonly T[]>();
  // All of a group at once: where one goes and another comes, what stands between them moves by one.
  for (const [key, ofGroup] of byKey) next.set(key, replaceAll(groups.get(key) ?? [], ofGroup));
  return patched(groups, next);
}
