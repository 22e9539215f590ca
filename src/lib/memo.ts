// Remembering the result of a pure function by the identity of its inputs. The only kind of cache in fairlead:
// the key is the whole input, so there is nothing to declare and nothing to forget (DESIGN.md, invariant 2).
//
// A mesh of 10,000 services has some 100,000 results remembered, nearly all of which are the only one of their last
// object. So what a table holds of a call that ends there is its result alone, and a node has one child by primitives
// without a table. Objects are held weakly even when there is only one: a service that is asked about once in a
// generation would keep that generation for as long as it lives.

/** What results are remembered by. */
export type Key = object | string | number | boolean | undefined | null;

/** What is known of calls that begin with certain arguments. */
class Node {
  /** Of the call that ends here. */
  result: Child | undefined = undefined;
  /** The only child by primitives so far: by one, or by the run of them. */
  soleKey: Key | readonly Key[] = undefined;
  sole: Child | undefined = undefined;
  byObject: WeakMap<object, Child> | undefined = undefined;
  byPrimitive: Map<Key, Child> | undefined = undefined;
}

/** A Node, or the result of a call that no known call is longer than. Never undefined. */
type Child = unknown;

/** Stands for a result that is undefined. */
const undefinedResult = Symbol('undefined');

/**
 * Wraps `compute` so that the same arguments (objects by identity, primitives by value) give the same result
 * object. Results die with any of their object arguments: give an object first when arguments come and go. Each
 * beginning that calls have in common costs a table, so arguments that most calls share go before those that differ.
 */
export function memoize<Args extends readonly Key[], Result>(
  compute: (...args: Args) => Result,
): (...args: Args) => Result {
  const root = new Node();
  return (...args) => {
    let node = root;
    let start = 0;
    while (start < args.length) {
      const end = endOfRun(args, start);
      const known = childOf(node, args, start, end);
      if (end === args.length) {
        if (known instanceof Node) {
          node = known;
          break;
        }
        if (known !== undefined) return resultOf(known) as Result;
        const result = compute(...args);
        setResult(node, args, start, result);
        return result;
      }
      node = known instanceof Node ? known : addNode(node, args, start, end, known);
      start = end;
    }
    node.result ??= childFor(compute(...args));
    return resultOf(node.result) as Result;
  };
}

const childFor = (result: unknown): Child => (result === undefined ? undefinedResult : result);
const resultOf = (child: Child): unknown => (child === undefinedResult ? undefined : child);
const isObject = (key: unknown): key is object => typeof key === 'object' && key !== null;

/** Primitives that follow one another are one key; an object is one alone. */
function endOfRun(args: readonly Key[], start: number): number {
  let end = start + 1;
  if (isObject(args[start])) return end;
  while (end < args.length && !isObject(args[end])) end++;
  return end;
}

function childOf(node: Node, args: readonly Key[], start: number, end: number): Child | undefined {
  const first = args[start];
  if (isObject(first)) return node.byObject?.get(first);
  if (node.sole !== undefined && isSole(node.soleKey, args, start, end)) return node.sole;
  return node.byPrimitive?.get(tableKey(args, start, end));
}

/** `known` is the result of the call that ends here, if there is one. */
function addNode(
  node: Node,
  args: readonly Key[],
  start: number,
  end: number,
  known: Child | undefined,
): Node {
  const child = new Node();
  child.result = known;
  setChild(node, args, start, end, child);
  return child;
}

/** Of the call that ends here. Computing it may have made longer calls. */
function setResult(node: Node, args: readonly Key[], start: number, result: unknown): void {
  const since = childOf(node, args, start, args.length);
  if (since instanceof Node) since.result = childFor(result);
  else setChild(node, args, start, args.length, childFor(result));
}

function setChild(
  node: Node,
  args: readonly Key[],
  start: number,
  end: number,
  child: Child,
): void {
  const first = args[start];
  if (isObject(first)) {
    node.byObject ??= new WeakMap();
    node.byObject.set(first, child);
  } else if (node.sole === undefined || isSole(node.soleKey, args, start, end)) {
    node.soleKey = end === start + 1 ? first : args.slice(start, end);
    node.sole = child;
  } else {
    node.byPrimitive ??= new Map();
    node.byPrimitive.set(tableKey(args, start, end), child);
  }
}

function isSole(key: Node['soleKey'], args: readonly Key[], start: number, end: number): boolean {
  if (!isObject(key)) return end === start + 1 && isSame(key, args[start]);
  const run = key as readonly Key[];
  if (run.length !== end - start) return false;
  for (let i = 0; i < run.length; i++) if (!isSame(run[i], args[start + i])) return false;
  return true;
}

/** As the keys of a Map are compared. */
const isSame = (a: Key, b: Key) => a === b || (Number.isNaN(a) && Number.isNaN(b));

/** Keys of runs begin with it. */
const runMark = '\0';

function tableKey(args: readonly Key[], start: number, end: number): Key {
  const first = args[start];
  const isPlain = end === start + 1 && !(typeof first === 'string' && first.startsWith(runMark));
  return isPlain ? first : runKey(args, start, end);
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

/**
 * Gives the previous array when the next one has the same elements in the same order, so that "unchanged" stays
 * one pointer comparison downstream.
 */
export function sameOr<T>(previous: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  if (previous === undefined || previous === next || previous.length !== next.length) return next;
  for (let i = 0; i < next.length; i++) if (previous[i] !== next[i]) return next;
  return previous;
}
