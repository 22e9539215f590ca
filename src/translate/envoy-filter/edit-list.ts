// Patches of single members of a list: filters, routes. Gives a new list, or undefined when there was nothing to do.
import type { EnvoyFilterPatch } from '../../mesh/envoy-patch.js';

/** How a list is edited. */
export interface ListEdit<Item> {
  value: Item;
  /** Whether an item is the one that the patch goes by; absent when the patch names none. */
  anchor?: ((item: Item) => boolean) | undefined;
  /** True for an item behind which nothing may stand. */
  isTerminal?: (item: Item) => boolean;
  /** INSERT_FIRST too is done only where there is an anchor, if the patch names one. */
  firstNeedsAnchor?: boolean;
}

/** ADD, INSERT_* , REPLACE and REMOVE, as Istio does them; nothing is put behind a terminal item at the end. */
export function editList<Item>(
  items: readonly Item[],
  { operation }: EnvoyFilterPatch,
  edit: ListEdit<Item>,
): Item[] | undefined {
  const { value, anchor } = edit;
  const at = anchor === undefined ? -1 : items.findIndex(anchor);
  switch (operation) {
    case 'ADD':
      return insert(items, items.length, edit);
    case 'INSERT_FIRST':
      return edit.firstNeedsAnchor && anchor && at < 0 ? undefined : insert(items, 0, edit);
    case 'INSERT_BEFORE':
      if (anchor === undefined) return insert(items, 0, edit);
      return at < 0 ? undefined : insert(items, at, edit);
    case 'INSERT_AFTER':
      if (anchor === undefined) return insert(items, items.length, edit);
      return at < 0 ? undefined : insert(items, at + 1, edit);
    case 'REPLACE':
      return at < 0 ? undefined : items.map((item, i) => (i === at ? value : item));
    case 'REMOVE':
      return at < 0 || anchor === undefined ? undefined : items.filter((item) => !anchor(item));
    default:
      return undefined;
  }
}

function insert<Item>(items: readonly Item[], at: number, edit: ListEdit<Item>): Item[] {
  const { value, isTerminal = () => false } = edit;
  const last = items.at(-1);
  const behindTerminal =
    at === items.length && last !== undefined && isTerminal(last) && !isTerminal(value);
  const place = behindTerminal ? at - 1 : at;
  return [...items.slice(0, place), value, ...items.slice(place)];
}
