// Reads plain YAML, which is what nearly all resources are: block mappings and lists, one entry a line, with scalars
// and small collections that end on their line, and `|` texts. It knows no positions and no errors: whatever is not plain beyond
// doubt is left to compose-yaml.ts, so a text is read here with the same result as there, or not at all.
import type { Limits } from './limits.js';
import { plainBlock } from './plain-block.js';
import { opensFlow, plainFlow, skipSpaces } from './plain-flow.js';
import { plainKey, plainScalar } from './plain-scalar.js';

/** The one document of a text. */
export interface PlainDocument {
  /** A mapping or a list. */
  value: unknown;
  /** Where its content begins; line and column 1-based. */
  place: { line: number; col: number };
  offset: number;
}

/**
 * Where the entries of block mappings and lists are, by the mapping or list and the key or index. No key: an item. No
 * value: there is none.
 */
export type EntryOffsets = Map<object, Map<string | number, { key?: number; value?: number }>>;

/** The document of a text, if all of it is plain; `entries` is filled. Never throws. */
export function readPlainYaml(
  text: string,
  limits: Limits,
  entries?: EntryOffsets,
): PlainDocument | undefined {
  return strange.test(text) ? undefined : new PlainReader(text, limits, entries).read();
}

// Tabs, carriage returns, other controls and byte order marks have rules of their own.
const strange = /[^\n -~\u00a0-\ufefe\uff00-\uffff]/;

const newline = 0x0a;
const space = 0x20;
const hash = 0x23;
const dash = 0x2d;
const bar = 0x7c;

/** A mapping or list that lines may still add to. */
interface Open {
  /** Column of its keys or dashes. */
  indent: number;
  list?: unknown[];
  map?: Record<string, unknown>;
  /** The key that came last. */
  key: string;
}

class PlainReader {
  readonly #text: string;
  readonly #limits: Limits;
  readonly #root: unknown[] = [];
  readonly #open: Open[] = [];
  #top: Open = { indent: -1, list: this.#root, key: '' };
  /** The last entry of `#top` has no value yet; what is indented more may become it. */
  #pending = true;
  #at = 0;
  #keyAt = 0;
  #line = 1;
  /** No less than the lexical tokens so far. */
  #tokens = 0;
  #marked = false;
  #start: Pick<PlainDocument, 'place' | 'offset'> | undefined;
  readonly #entries: EntryOffsets | undefined;

  constructor(text: string, limits: Limits, entries: EntryOffsets | undefined) {
    this.#text = text;
    this.#limits = limits;
    this.#entries = entries;
  }

  read(): PlainDocument | undefined {
    while (this.#at < this.#text.length) {
      this.#tokens += 12;
      if (!this.#readLine() || this.#tokens > this.#limits.documentTokens) return undefined;
      this.#line++;
    }
    this.#settle();
    return this.#start && { value: this.#root[0], ...this.#start };
  }

  /** Reads a line; false when it is not plain. */
  #readLine(): boolean {
    const text = this.#text;
    const start = this.#at;
    this.#at = skipSpaces(text, start);
    if (this.#skipRest()) return true;
    if (this.#start === undefined) {
      if (this.#skipMarker(start)) return this.#skipRest();
      const place = { line: this.#line, col: this.#at - start + 1 };
      this.#start = { place, offset: this.#at };
    }
    const first = this.#at;
    while (this.#isDash()) {
      if (!this.#addItem(this.#at - start)) return false;
      this.#at = skipSpaces(text, this.#at + 1);
    }
    if (this.#skipRest()) return true;
    const key = plainKey(text, this.#at);
    if (key !== undefined) {
      if (!this.#addKey(this.#at - start, key.key)) return false;
      this.#at = skipSpaces(text, key.end);
      if (this.#skipRest()) return true;
    } else if (this.#at === first) {
      // A value on a line of its own may be more of the one before.
      return false;
    }
    return this.#readValue();
  }

  #readValue(): boolean {
    const start = this.#at;
    const code = this.#text.charCodeAt(start);
    if (code === bar) return this.#readBlock();
    const isFlow = opensFlow(code);
    const depth = this.#limits.depth - this.#open.length;
    const found = isFlow
      ? plainFlow(this.#text, start, depth)
      : plainScalar(this.#text, start, 'block');
    if (found === undefined) return false;
    if (isFlow) this.#tokens += 2 * (found.end - start);
    this.#put(found.value, start);
    this.#at = skipSpaces(this.#text, found.end);
    // What begins a comment follows a space.
    return (this.#at > found.end || this.#text.charCodeAt(this.#at) !== hash) && this.#skipRest();
  }

  #readBlock(): boolean {
    const found = plainBlock(this.#text, this.#at, this.#top.indent);
    if (found === undefined) return false;
    this.#put(found.value, this.#at);
    this.#at = found.end;
    this.#line += found.lines;
    return true;
  }

  /** Goes to the next line if nothing but a comment is left of this one. */
  #skipRest(): boolean {
    const code = this.#text.charCodeAt(this.#at);
    if (code === newline) this.#at++;
    else if (code === hash) {
      const end = this.#text.indexOf('\n', this.#at);
      this.#at = end === -1 ? this.#text.length : end + 1;
    } else if (this.#at < this.#text.length) return false;
    return true;
  }

  /** Goes behind the `---` that may stand before the document. */
  #skipMarker(start: number): boolean {
    if (this.#marked || this.#at !== start || !this.#text.startsWith('---', start)) return false;
    const end = skipSpaces(this.#text, start + 3);
    if (end === start + 3 && this.#text.charCodeAt(end) === hash) return false;
    this.#marked = true;
    this.#at = end;
    return true;
  }

  #isDash(): boolean {
    if (this.#text.charCodeAt(this.#at) !== dash) return false;
    const next = this.#text.charCodeAt(this.#at + 1);
    return next === space || next === newline || this.#at + 1 === this.#text.length;
  }

  /** Begins an item of the list whose dashes are in a column. */
  #addItem(column: number): boolean {
    this.#closeBeyond(column);
    if (this.#top.list !== undefined && this.#top.indent === column) this.#settle();
    else {
      // A list may have the indentation of its key.
      const list: unknown[] = [];
      if (!this.#begin(list, { indent: column, list, key: '' })) return false;
    }
    this.#pending = true;
    this.#tokens += 2;
    return true;
  }

  /** Begins an entry of the mapping whose keys are in a column. */
  #addKey(column: number, key: string): boolean {
    this.#closeBeyond(column);
    if (this.#top.list !== undefined && this.#top.indent === column) this.#close();
    if (this.#top.map !== undefined && this.#top.indent === column) {
      this.#settle();
      if (Object.hasOwn(this.#top.map, key)) return false;
      this.#top.key = key;
    } else {
      const map: Record<string, unknown> = {};
      if (!this.#begin(map, { indent: column, map, key })) return false;
    }
    this.#keyAt = this.#at;
    this.#pending = true;
    return true;
  }

  #begin(value: object, opened: Open): boolean {
    if (!this.#pending || this.#open.length >= this.#limits.depth) return false;
    this.#put(value, this.#at);
    this.#entries?.set(value, new Map());
    this.#open.push(this.#top);
    this.#top = opened;
    return true;
  }

  #closeBeyond(column: number): void {
    while (this.#top.indent > column) this.#close();
  }

  #close(): void {
    this.#settle();
    this.#top = this.#open.pop()!;
  }

  /** An entry without a value is null. */
  #settle(): void {
    if (this.#pending) this.#put(null);
  }

  #put(value: unknown, valueAt?: number): void {
    const { list, map, key } = this.#top;
    if (this.#entries !== undefined) this.#note(valueAt);
    if (list !== undefined) list.push(value);
    else map![key] = value;
    this.#pending = false;
  }

  #note(valueAt: number | undefined): void {
    const { list, map, key } = this.#top;
    if (list !== undefined) this.#entries?.get(list)?.set(list.length, { value: valueAt });
    else this.#entries?.get(map!)?.set(key, { key: this.#keyAt, value: valueAt });
  }
}
