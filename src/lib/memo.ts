// Remembering the result of a pure function by the identity of its inputs. The only kind of cache in fairlead:
// the key is the whole input, so there is nothing to declare and nothing to forget (DESIGN.md, invariant 2).

type Key = object | string | number | boolean | undefined | null;

interface Node {
  byObject?: WeakMap<object, Node>;
  byPrimitive?: Map<Key, Node>;
  value?: { result: unknown };
}

/**
 * Wraps `compute` so that the same arguments (objects by identity, primitives by value) give the same result
 * object. Results die with their first object argument; give an object first when arguments come and go.
 */
export function memoize<Args extends readonly Key[], Result>(
  compute: (...args: Args) => Result,
): (...args: Args) => Result {
  const root: Node = {};
  return (...args) => {
    let node = root;
    for (const key of args) node = childOf(node, key);
    node.value ??= { result: compute(...args) };
    return node.value.result as Result;
  };
}

function childOf(node: Node, key: Key): Node {
  if (typeof key === 'object' && key !== null) {
    node.byObject ??= new WeakMap();
    return getOrAdd(node.byObject, key);
  }
  node.byPrimitive ??= new Map();
  return getOrAdd(node.byPrimitive, key);
}

function getOrAdd<K>(
  map: { get(key: K): Node | undefined; set(key: K, node: Node): unknown },
  key: K,
) {
  let child = map.get(key);
  if (child === undefined) {
    child = {};
    map.set(key, child);
  }
  return child;
}

/**
 * Gives the previous array when the next one has the same elements in the same order, so that "unchanged" stays
 * one pointer comparison downstream.
 */
export function sameOr<T>(previous: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  if (previous === undefined || previous.length !== next.length) return next;
  for (let i = 0; i < next.length; i++) if (previous[i] !== next[i]) return next;
  return previous;
}
