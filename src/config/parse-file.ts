// A file's bytes -> its documents, each with problems at file:line:col. Pure but for yielding: a large file is
// parsed document by document, and the event loop gets its turn in between.
import { createHash } from 'node:crypto';
import type { FieldPath, Position, Problem } from '../kinds/problem.js';
import { decodeText } from './decode-text.js';
import type { FieldEnd, LocatedDocument, Origin } from './document.js';
import type { Limits } from './limits.js';
import {
  type ChunkDocument,
  locateInChunk,
  type ParseSettings,
  parseChunk,
} from './parse-chunk.js';
import type { SourceFile } from './source.js';
import { type Chunk, splitDocuments } from './split-documents.js';

/** A file with what is needed to parse its next version at the cost of what changed. */
export interface ParsedFile {
  readonly file: SourceFile;
  readonly chunks: readonly ParsedChunk[];
}

/** One `---` document of the text as parsed. */
interface ParsedChunk extends Chunk {
  readonly parsed: readonly ChunkDocument[];
  readonly documents: readonly LocatedDocument[];
}

/** What one call of parseFile needs. */
export interface ParseFileOptions extends ParseSettings {
  /** The version before, whose unchanged documents are given again. */
  previous?: ParsedFile;
  /** Awaited between documents; lib-free way for the caller to bound how long the event loop is held. */
  breathe?: () => Promise<void> | undefined;
}

/** Parses a file. Never throws or rejects for anything in it. */
export async function parseFile(
  path: string,
  bytes: Buffer,
  options: ParseFileOptions,
): Promise<ParsedFile> {
  const hash = hashOf(bytes);
  const { previous, limits } = options;
  if (previous?.file.hash === hash && previous.file.path === path) return previous;
  if (bytes.length > limits.fileBytes) return tooLarge(path, bytes.length, limits);
  const decoded = decodeText(bytes);
  if ('error' in decoded) {
    const { error: message, line, col } = decoded;
    const position = { file: path, line, col };
    return failed({ path, hash }, { code: 'yaml-syntax', severity: 'error', message, position });
  }
  return parseText({ path, hash }, decoded.text, options);
}

/** The result for a file that is not read because of its size in bytes. */
export function tooLarge(path: string, size: number, limits: Limits): ParsedFile {
  const message = `The file has ${size} bytes; the limit is ${limits.fileBytes}.`;
  const position = { file: path, line: 1, col: 1 };
  return failed({ path, hash: '' }, { code: 'too-large', severity: 'error', message, position });
}

/** The result for a file that could not be read at all. */
export function unreadable(path: string, reason: string): ParsedFile {
  const position = { file: path, line: 1, col: 1 };
  const message = `The file cannot be read: ${reason}`;
  return failed(
    { path, hash: '' },
    { code: 'file-unreadable', severity: 'error', message, position },
  );
}

function failed(name: { path: string; hash: string }, problem: Problem): ParsedFile {
  return { file: { ...name, documents: [], problems: [problem], whole: false }, chunks: [] };
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function parseText(
  name: { path: string; hash: string },
  text: string,
  options: ParseFileOptions,
): Promise<ParsedFile> {
  const { limits, previous } = options;
  const reusable = new Map(previous?.chunks.map((chunk) => [chunk.text, chunk]));
  const chunks: ParsedChunk[] = [];
  const documents: LocatedDocument[] = [];
  let whole = true;
  for (const chunk of splitDocuments(text)) {
    const before = reusable.get(chunk.text);
    const parsed = before?.parsed ?? parseChunk(chunk.text, options);
    const same =
      before !== undefined && before.line === chunk.line && name.path === previous?.file.path;
    const placed = same
      ? before.documents
      : parsed.map((document) => placeDocument(document, chunk, { file: name.path, limits }));
    chunks.push({ text: chunk.text, line: chunk.line, parsed, documents: placed });
    for (const document of placed) documents.push(document);
    for (const document of parsed) whole &&= document.identified;
    if (documents.length > limits.documents) return tooMany(name, chunk, limits);
    const pause = options.breathe?.();
    if (pause !== undefined) await pause;
  }
  const { path, hash } = name;
  return { file: { path, hash, documents, problems: [], whole }, chunks };
}

function tooMany(name: { path: string; hash: string }, chunk: Chunk, limits: Limits): ParsedFile {
  const message = `The file has more than ${limits.documents} documents.`;
  const position = { file: name.path, line: chunk.line, col: 1 };
  return failed(name, { code: 'too-large', severity: 'error', message, position });
}

function placeDocument(
  document: ChunkDocument,
  chunk: Chunk,
  context: { file: string; limits: Limits },
): LocatedDocument {
  const { file, limits } = context;
  const position = ({ line, col }: { line: number; col: number }): Position => ({
    file,
    line: chunk.line + line - 1,
    col,
  });
  const { line, col } = position(document.place);
  const origin: Origin = {
    file,
    line,
    col,
    locate: (path: FieldPath, end: FieldEnd = 'value') =>
      position(locateInChunk(chunk.text, document, { path, end, limits })),
  };
  const { resource, id, mistaken } = document;
  const problems = document.problems.map(({ place, ...problem }) => ({
    ...problem,
    position: position(place),
  }));
  return { resource, id, mistaken, problems, origin };
}
