// The one-line scalars of plain YAML (plain-yaml.ts): where they end, and what they mean.
import { isScalar, type ScalarTag, Schema } from 'yaml';

/** A value and where it ends. */
export interface Found {
  value: unknown;
  end: number;
}

// Words that the core schema does not read as strings match too.
const key = /(?:[A-Za-z_][\w./-]*|"[^"\\\n]*"|'[^'\n]*'):(?=[ \n]|$)/y;
// Of the escapes, those that JSON has too.
const quoted = /"[^"\\\n]*(?:\\["\\/bfnrt][^"\\\n]*)*"|'[^'\n]*'/y;
// Beginnings that cannot be an indicator, then all up to `: `, ` #` and the end of the line; a `#` that is
// reached follows no space. Within brackets also up to what separates items.
const inBlock = /(?:[\w./+$^(<=;~\\]|-(?=[\w./]))(?:[^\s:]+|:(?=\S)| +(?=[^\s#]))*/y;
const inFlow =
  /(?:[\w./+$^(<=;~\\]|-(?=[\w./]))(?:[^\s:,[\]{}]+|:(?=[^\s,[\]{}])| +(?=[^\s#:,[\]{}]))*/y;

/** The key of a mapping at an offset; `end` is behind its colon. Undefined where there is none that is plain. */
export function plainKey(text: string, at: number): { key: string; end: number } | undefined {
  const end = endOf(key, text, at);
  if (end === -1 || end - at > keyLengthMax) return undefined;
  const isQuoted = isQuote(text.charCodeAt(at));
  const found = isQuoted ? text.slice(at + 1, end - 2) : text.slice(at, end - 1);
  if (found === '__proto__' || (!isQuoted && otherThanString.test(found))) return undefined;
  return { key: found, end };
}

// YAML allows 1024 characters from the beginning of the key to its colon.
const keyLengthMax = 1000;

/** The scalar at an offset, if it is plain. */
export function plainScalar(text: string, at: number, place: 'block' | 'flow'): Found | undefined {
  if (isQuote(text.charCodeAt(at))) {
    const end = endOf(quoted, text, at);
    return end === -1 ? undefined : { value: unquoted(text.slice(at, end)), end };
  }
  const end = endOf(place === 'block' ? inBlock : inFlow, text, at);
  return end === -1 ? undefined : { value: coreValue(text.slice(at, end)), end };
}

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function unquoted(text: string): string {
  return text.includes('\\') && text.startsWith('"')
    ? (JSON.parse(text) as string)
    : text.slice(1, -1);
}

function isQuote(code: number): boolean {
  return code === 0x22 || code === 0x27;
}

const coreTags = new Schema({ schema: 'core' }).tags.filter(
  (tag): tag is ScalarTag & { test: RegExp } => 'test' in tag && tag.default === true,
);
const otherThanString = new RegExp(coreTags.map(({ test }) => test.source).join('|'));

/** Numbers, booleans and null, by the very tags with which the package reads them; all else is a string. */
function coreValue(text: string): unknown {
  if (!otherThanString.test(text)) return text;
  const tag = coreTags.find(({ test }) => test.test(text));
  const value = tag === undefined ? text : tag.resolve(text, () => {}, {});
  return isScalar(value) ? value.value : value;
}
