// The literal texts of plain YAML (plain-yaml.ts): `|` or `|-`, and lines that are indented more than their key.
import { skipSpaces } from './plain-flow.js';
import type { Found } from './plain-scalar.js';

const header = /\|(-?) *\n/y;
const newline = 0x0a;

/** The text whose `|` is at an offset; `end` begins a line, `lines` after the one of the `|`. */
export function plainBlock(
  text: string,
  at: number,
  parentIndent: number,
): (Found & { lines: number }) | undefined {
  header.lastIndex = at;
  const stripped = header.exec(text)?.[1] === '-';
  if (header.lastIndex === 0) return undefined;
  let start = header.lastIndex;
  const indent = skipSpaces(text, start) - start;
  if (indent <= parentIndent || isLineEnd(text, start + indent)) return undefined;
  const kept: string[] = [];
  let last = 0;
  while (start < text.length) {
    const from = skipSpaces(text, start);
    const isBlank = isLineEnd(text, from);
    // Lines of nothing but spaces have rules of their own if these are more than the indentation.
    if (isBlank && from - start > indent) return undefined;
    if (!isBlank && from - start < indent) break;
    const newlineAt = text.indexOf('\n', from);
    const end = newlineAt === -1 ? text.length : newlineAt;
    kept.push(text.slice(Math.min(start + indent, end), end));
    if (!isBlank) last = kept.length;
    start = end + 1;
  }
  const value = kept.slice(0, last).join('\n');
  return {
    value: stripped ? value : `${value}\n`,
    end: Math.min(start, text.length),
    lines: kept.length,
  };
}

function isLineEnd(text: string, at: number): boolean {
  return at >= text.length || text.charCodeAt(at) === newline;
}
