// Remembering the result of a pure function by the identity of its inputs. The only kind of cache in fairlead:
// the key is the whole input, so there is nothing to declare and nothing to forget (DESIGN.md, invariant 2).
//
// A mesh of 10,000 services has some 100,000 results remembered, nearly all of which are the only one of their first
// argument. So a node has one child by a primitive without a table. Objects are held weakly even when there is only
// one: a service that is asked about once in a generation would keep that generation for as long as it lives.

type Key = object | string | number | boolean | undefined | null;

const nothing = Symbol('nothing');

/** What is known of calls that begin with certain arguments. */
class Node {
  /** Of the call that ends here. */
  result: unknown = nothing;
  /** The only child by a primitive so far. */
  soleKey: Key | typeof nothing = nothing;
  sole: Node | undefined = undefined;
  byObject: WeakMap<object, Node> | undefined = undefined;
  byPrimitive: Map<Key, Node> | undefined = undefined;
}

/**
 * Wraps `compute` so that the same arguments (objects by identity, primitives by value) give the same result
 * object. Results die with their first object argument; give an object first when arguments come and go.
 */
export function memoize<Args extends readonly Key[], Result>(
  compute: (...args: Args) => Result,
): (...args: Args) => Result {
  const root = new Node();
  return (...args) => {
    let node = root;
    for (let i = 0; i < args.length; ) {
      const end = endOfRun(args, i);
      node = childOf(node, end === i + 1 ? plainKey(args[i]) : runKey(args, i, end));
      i = end;
    }
    if (node.result === nothing) node.result = compute(...args);
    return node.result as Result;
  };
}

const isObject = (key: unknown): key is object => typeof key === 'object' && key !== null;

/** Primitives that follow one another are one key; an object is one alone. */
function endOfRun(args: readonly Key[], start: number): number {
  let end = start + 1;
  if (isObject(args[start])) return end;
  while (end < args.length && !isObject(args[end])) end++;
  return end;
}

/** Keys of runs begin with it. */
const runMark = '\0';

function plainKey(key: Key): Key {
  const mistakable = typeof key === 'string' && key.startsWith(runMark);
  return mistakable ? runKey([key], 0, 1) : key;
}

/** Tells apart whatever differs in a type, a value or their number. */
function runKey(args: readonly Key[], start: number, end: number): string {
  let text = runMark;
  for (let i = start; i < end; i++) {
    const value = String(args[i]);
    text += `${typeof args[i]} ${value.length} ${value}`;
  }
  return text;
}

function childOf(node: Node, key: Key): Node {
  if (isObject(key)) {
    node.byObject ??= new WeakMap();
    return getOrAdd(node.byObject, key);
  }
  if (key === node.soleKey) return node.sole!;
  if (node.byPrimitive !== undefined) return getOrAdd(node.byPrimitive, key);
  if (node.sole === undefined) {
    node.soleKey = key;
    node.sole = new Node();
    return node.sole;
  }
  node.byPrimitive = new Map();
  return getOrAdd(node.byPrimitive, key);
}

function getOrAdd<K>(
  table: { get(key: K): Node | undefined; set(key: K, node: Node): unknown },
  key: K,
): Node {
  let child = table.get(key);
  if (child === undefined) {
    child = new Node();
    table.set(key, child);
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
