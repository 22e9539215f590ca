// Node tree -> plain values, with what YAML leaves to the reader: duplicate keys, aliases and merge keys. Aliases
// share the object of their anchor, so a tree of them stays small here; but whoever walks the value walks it in
// full, which is why the nodes that aliases stand for are counted ("billion laughs").
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  type YAMLMap,
} from 'yaml';
import type { YamlError } from './compose-yaml.js';
import type { Limits } from './limits.js';

/** A converted subtree, with its size and height for the limits. */
interface Converted {
  value: unknown;
  nodes: number;
  height: number;
}

interface Walk {
  anchors: Map<string, Converted>;
  errors: YamlError[];
  aliasNodes: number;
  limits: Limits;
}

/** The value of a document: objects, arrays, strings, numbers, booleans, null. Errors carry their offset. */
export function yamlValue(
  node: ParsedNode,
  limits: Limits,
): { value: unknown; errors: YamlError[] } {
  const walk: Walk = { anchors: new Map(), errors: [], aliasNodes: 0, limits };
  const { value } = convert(node, 0, walk);
  return { value, errors: walk.errors };
}

const nothing: Converted = { value: null, nodes: 1, height: 0 };

function convert(node: unknown, depth: number, walk: Walk): Converted {
  if (isAlias(node)) return followAlias(node, depth, walk);
  let converted = nothing;
  if (isScalar(node)) converted = { value: node.value, nodes: 1, height: 0 };
  else if (isMap(node)) converted = convertMap(node, depth, walk);
  else if (isSeq(node)) {
    const items = node.items.map((item) => convert(item, depth + 1, walk));
    converted = enclose(
      items.map((item) => item.value),
      items,
    );
  }
  const anchor = (node as { anchor?: string } | null)?.anchor;
  if (anchor !== undefined) walk.anchors.set(anchor, converted);
  return converted;
}

function enclose(value: unknown, children: Converted[]): Converted {
  let nodes = 1;
  let height = 0;
  for (const child of children) {
    nodes += child.nodes;
    if (child.height >= height) height = child.height + 1;
  }
  return { value, nodes, height };
}

function followAlias(alias: Alias, depth: number, walk: Walk): Converted {
  const target = walk.anchors.get(alias.source);
  if (target === undefined) {
    // An anchor is known once its node is complete, so an alias inside its own anchor ends here too.
    report(walk, alias, `The alias *${alias.source} has no anchor before it.`);
    return nothing;
  }
  walk.aliasNodes += target.nodes;
  if (walk.aliasNodes > walk.limits.aliasNodes) {
    const message = `The aliases of the document stand for more than ${walk.limits.aliasNodes} nodes.`;
    report(walk, alias, message, 'too-large');
    return nothing;
  }
  if (depth + target.height > walk.limits.depth) {
    report(
      walk,
      alias,
      `The document is nested deeper than ${walk.limits.depth} levels.`,
      'too-large',
    );
    return nothing;
  }
  return target;
}

function convertMap(map: YAMLMap, depth: number, walk: Walk): Converted {
  const value: Record<string, unknown> = {};
  const children: Converted[] = [];
  const merged: Converted[] = [];
  const seen = new Set<string>();
  for (const pair of map.items) {
    const key = keyText(pair.key, walk);
    if (key === undefined) continue;
    const child = convert(pair.value, depth + 1, walk);
    children.push(child);
    if (seen.has(key)) report(walk, pair.key, `The key "${key}" stands twice in the same mapping.`);
    seen.add(key);
    if (isMergeKey(pair.key)) merged.push(child);
    else define(value, key, child.value);
  }
  for (const { value: source } of merged) {
    const sources = Array.isArray(source) ? source : [source];
    for (const from of sources) mergeInto(value, from, map, walk);
  }
  return enclose(value, children);
}

// https://yaml.org/type/merge.html: keys of the mapping itself win, then those of the earlier source.
function mergeInto(value: Record<string, unknown>, from: unknown, map: YAMLMap, walk: Walk): void {
  if (typeof from !== 'object' || from === null || Array.isArray(from)) {
    report(walk, map, 'A merge key (<<) takes a mapping or a sequence of mappings.');
    return;
  }
  for (const [key, item] of Object.entries(from)) {
    if (!Object.hasOwn(value, key)) define(value, key, item);
  }
}

/** True for a plain `<<`, which merges; a quoted one is an ordinary key. */
export function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
}

function keyText(key: unknown, walk: Walk): string | undefined {
  const value = isScalar(key)
    ? key.value
    : isAlias(key)
      ? walk.anchors.get(key.source)?.value
      : key;
  if (isScalar(key) && key.anchor !== undefined) {
    walk.anchors.set(key.anchor, { value, nodes: 1, height: 0 });
  }
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  report(walk, key, 'A key of a mapping must be a string.');
  return undefined;
}

function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') target[key] = value;
  else {
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

function report(
  walk: Walk,
  node: unknown,
  message: string,
  code: YamlError['code'] = 'yaml-syntax',
) {
  if (walk.errors.length >= walk.limits.errorsShown) return;
  const offset = (node as Node | null)?.range?.[0] ?? 0;
  walk.errors.push({ code, severity: 'error', message, offset });
}
