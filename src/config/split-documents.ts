// Cuts a text at its `---` lines, so that each document is parsed by itself: a broken one cannot spoil the next,
// and an edit costs one document instead of the file. In YAML such a line ends whatever is open, also inside
// quotes and block scalars (YAML 1.2.2 section 9.1.1, c-forbidden), so no parsing is needed to find it.

/** A piece of a text: one document with its directives and comments. */
export interface Chunk {
  readonly text: string;
  /** Line of the file at which the text starts, 1-based. */
  readonly line: number;
}

/** The pieces, in order; together they are the whole text. */
export function splitDocuments(text: string): Chunk[] {
  const chunks: Chunk[] = [];
  let start = 0;
  let startLine = 1;
  let line = 1;
  let lineStart = 0;
  while (lineStart < text.length) {
    if (
      isMarker(text, lineStart) &&
      lineStart > start &&
      !isPrelude(text.slice(start, lineStart))
    ) {
      chunks.push({ text: text.slice(start, lineStart), line: startLine });
      start = lineStart;
      startLine = line;
    }
    const newline = text.indexOf('\n', lineStart);
    if (newline === -1) break;
    lineStart = newline + 1;
    line++;
  }
  if (start < text.length) chunks.push({ text: text.slice(start), line: startLine });
  return chunks;
}

function isMarker(text: string, at: number): boolean {
  if (!text.startsWith('---', at)) return false;
  const next = text[at + 3];
  return next === undefined || next === '\n' || next === '\r' || next === ' ' || next === '\t';
}

// Directives, comments and blank lines before the first `---` belong to the document that it begins.
function isPrelude(text: string): boolean {
  return text.split('\n').every((line) => /^(?:%.*|\s*(?:#.*)?)$/.test(line));
}
