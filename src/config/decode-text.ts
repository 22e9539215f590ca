// Bytes of a file -> text, or the place of the first byte that cannot be text. YAML and JSON files are UTF-8 here;
// the other encodings that YAML allows (UTF-16, UTF-32) are refused, as kubectl does.
import { isUtf8 } from 'node:buffer';

/** The text, or what is wrong with it and where (line and column 1-based). */
export type Decoded = { text: string } | { error: string; line: number; col: number };

// YAML 1.2.2 section 5.1: the C0 controls other than tab, LF and CR, and DEL, are not printable.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** Decodes UTF-8 strictly; a byte order mark is dropped, so that columns are those an editor shows. */
export function decodeText(bytes: Buffer): Decoded {
  const text = bytes.toString('utf8');
  if (!isUtf8(bytes)) {
    const offset = firstDifference(bytes, Buffer.from(text, 'utf8'));
    return { error: 'The file is not UTF-8 text.', ...place(bytes.toString('utf8', 0, offset)) };
  }
  const match = control.exec(text);
  if (match !== null) {
    const code = match[0].charCodeAt(0).toString(16).padStart(2, '0');
    return {
      error: `The file is binary: it has a control character (0x${code}).`,
      ...place(text.slice(0, match.index)),
    };
  }
  return { text: text.charCodeAt(0) === 0xfeff ? text.slice(1) : text };
}

// Decoding leniently and encoding again gives back every valid byte, so the first difference is the bad one.
function firstDifference(a: Buffer, b: Buffer): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) if (a[i] !== b[i]) return i;
  return end;
}

function place(before: string): { line: number; col: number } {
  const lines = before.replace(/^\ufeff/, '').split('\n');
  return { line: lines.length, col: lines[lines.length - 1]!.length + 1 };
}
