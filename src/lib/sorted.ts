// Looking things up in sorted lists.

/** The index of the first item for which `isBefore` is false, in a list where those for which it is true come first. */
export function firstNotBefore<T>(list: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(list[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
