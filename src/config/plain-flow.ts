// The one-line collections of plain YAML (plain-yaml.ts): `[a, b]`, `{ name: a, ports: [80] }`.
import { type Found, plainKey, plainScalar } from './plain-scalar.js';

const space = 0x20;
const comma = 0x2c;
const openList = 0x5b;
const closeList = 0x5d;
const openMap = 0x7b;
const closeMap = 0x7d;

/** True for the character with which such a collection begins. */
export function opensFlow(code: number): boolean {
  return code === openList || code === openMap;
}

/** The collection that begins at an offset, if it is plain and no deeper than `depth`. */
export function plainFlow(text: string, at: number, depth: number): Found | undefined {
  if (depth <= 0) return undefined;
  return text.charCodeAt(at) === openMap
    ? plainFlowMap(text, at, depth)
    : plainFlowList(text, at, depth);
}

function plainFlowList(text: string, start: number, depth: number): Found | undefined {
  const value: unknown[] = [];
  const end = readItems(text, start, closeList, (at) => {
    const item = plainFlowValue(text, at, depth);
    if (item !== undefined) value.push(item.value);
    return item?.end;
  });
  return end === undefined ? undefined : { value, end };
}

function plainFlowMap(text: string, start: number, depth: number): Found | undefined {
  const value: Record<string, unknown> = {};
  const end = readItems(text, start, closeMap, (at) => {
    const key = plainKey(text, at);
    if (key === undefined || Object.hasOwn(value, key.key)) return undefined;
    const item = plainFlowValue(text, skipSpaces(text, key.end), depth);
    if (item !== undefined) value[key.key] = item.value;
    return item?.end;
  });
  return end === undefined ? undefined : { value, end };
}

/** Reads what commas separate, up to the bracket that closes it, and gives where that ends; so does `read` for one. */
function readItems(
  text: string,
  start: number,
  close: number,
  read: (at: number) => number | undefined,
): number | undefined {
  let at = skipSpaces(text, start + 1);
  if (text.charCodeAt(at) === close) return at + 1;
  for (;;) {
    const end = read(at);
    if (end === undefined) return undefined;
    at = skipSpaces(text, end);
    const code = text.charCodeAt(at);
    if (code === close) return at + 1;
    if (code !== comma) return undefined;
    at = skipSpaces(text, at + 1);
  }
}

function plainFlowValue(text: string, at: number, depth: number): Found | undefined {
  return opensFlow(text.charCodeAt(at))
    ? plainFlow(text, at, depth - 1)
    : plainScalar(text, at, 'flow');
}

/** The first offset from `at` at which there is no space. */
export function skipSpaces(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === space) end++;
  return end;
}
