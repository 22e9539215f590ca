// Finds the node at a field path in a YAML tree, and turns offsets into lines and columns.
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type ParsedNode } from 'yaml';
import type { FieldPath } from '../kinds/problem.js';
import { firstNotBefore } from '../lib/sorted.js';
import type { FieldEnd } from './document.js';
import { isMergeKey } from './yaml-value.js';

/** Line and column of offsets in one text. */
export class LineIndex {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
      this.#starts.push(at + 1);
    }
  }

  /** 1-based line and column (in UTF-16 units, as editors count) of an offset. */
  place(offset: number): { line: number; col: number } {
    const line = firstNotBefore(this.#starts, (start) => start <= offset);
    return { line, col: offset - this.#starts[line - 1]! + 1 };
  }
}

/** Anchored nodes of a document, by name; the last of a name wins, which is near enough for a position. */
type Anchors = Map<string, Node>;

/** The offset of a field in the tree under `root`; of the nearest enclosing field that exists. */
export class FieldFinder {
  readonly #root: ParsedNode;
  #anchors: Anchors | undefined;

  constructor(root: ParsedNode) {
    this.#root = root;
  }

  /** Where the key of the field is, or its value. The items of a sequence have no key: their value counts. */
  offset(path: FieldPath, end: FieldEnd): number {
    let key: Node | undefined;
    let value: Node = this.#root;
    for (let at = 0; at < path.length; at++) {
      const next = this.#step(value, path[at]!, 0);
      if (next === undefined) return offsetOf(key, value, 'key');
      key = next.key;
      // A key without a value, as in `host:` at the end of a line.
      if (next.value === undefined) return offsetOf(key, value, 'key');
      value = next.value;
    }
    return offsetOf(key, value, end);
  }

  // `merges` bounds merge keys that lead back to their own mapping.
  #step(
    node: Node,
    step: string | number,
    merges: number,
  ): { key?: Node; value?: Node } | undefined {
    const target = this.#resolve(node);
    if (isSeq(target)) {
      const item = typeof step === 'number' ? target.items[step] : undefined;
      return item === undefined ? undefined : { value: item as Node };
    }
    if (!isMap(target)) return undefined;
    const own = target.items.find(
      (pair) => isScalar(pair.key) && String(pair.key.value) === String(step),
    );
    if (own !== undefined) return entry(own);
    for (const pair of target.items) {
      if (!isMergeKey(pair.key) || merges > 8) continue;
      const merged = this.#resolve(pair.value as Node);
      const sources = isSeq(merged) ? (merged.items as Node[]) : merged ? [merged] : [];
      for (const source of sources) {
        const found = this.#step(source, step, merges + 1);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #resolve(node: Node): Node {
    if (!isAlias(node)) return node;
    this.#anchors ??= collectAnchors(this.#root, new Map());
    return this.#anchors.get(node.source) ?? node;
  }
}

function entry(pair: Pair): { key?: Node; value?: Node } {
  const value = pair.value as Node | null;
  return { key: pair.key as Node, value: value ?? undefined };
}

function offsetOf(key: Node | undefined, value: Node, end: FieldEnd): number {
  const [start, stop] = value.range ?? [0, 0];
  if (key?.range && (end === 'key' || start === stop)) return key.range[0];
  return start;
}

function collectAnchors(node: unknown, anchors: Anchors): Anchors {
  const anchor = (node as { anchor?: string } | null)?.anchor;
  if (anchor !== undefined) anchors.set(anchor, node as Node);
  if (isSeq(node)) for (const item of node.items) collectAnchors(item, anchors);
  else if (isMap(node)) {
    for (const pair of node.items) {
      collectAnchors(pair.key, anchors);
      collectAnchors(pair.value, anchors);
    }
  }
  return anchors;
}
