// Places in the text of a plain document (plain-yaml.ts), for its problems. Nothing is done before the first is asked
// for; then the text is read once more, with the offsets of entries.
import type { FieldPath } from '../kinds/problem.js';
import { composeYaml } from './compose-yaml.js';
import type { FieldEnd } from './document.js';
import type { Limits } from './limits.js';
import { FieldFinder, LineIndex } from './locate.js';
import { type EntryOffsets, type PlainDocument, readPlainYaml } from './plain-yaml.js';

interface Known {
  lines: LineIndex;
  document: PlainDocument;
  entries: EntryOffsets;
}

/** Finds the same places as FieldFinder does. */
export class PlainPlaces {
  readonly #text: string;
  readonly #limits: Limits;
  #known: Known | undefined;
  #finder: FieldFinder | undefined;

  constructor(text: string, limits: Limits) {
    this.#text = text;
    this.#limits = limits;
  }

  /** As FieldFinder.offset, as a place. */
  place(path: FieldPath, end: FieldEnd): { line: number; col: number } {
    const known = this.#read();
    const offset = offsetOf(known, path, end) ?? this.#offsetInTree(path, end);
    return known.lines.place(offset ?? known.document.offset);
  }

  #read(): Known {
    if (this.#known === undefined) {
      const entries: EntryOffsets = new Map();
      const document = readPlainYaml(this.#text, this.#limits, entries)!;
      this.#known = { lines: new LineIndex(this.#text), document, entries };
    }
    return this.#known;
  }

  #offsetInTree(path: FieldPath, end: FieldEnd): number | undefined {
    const node = this.#finder ? undefined : composeYaml(this.#text, this.#limits)[0]?.node;
    if (node !== undefined) this.#finder = new FieldFinder(node);
    return this.#finder?.offset(path, end);
  }
}

/** Undefined where it is not known, as within `{}` and `[]`. */
function offsetOf({ document, entries }: Known, path: FieldPath, end: FieldEnd) {
  let key: number | undefined;
  let at = document.offset;
  let value = document.value;
  for (const step of path) {
    const inside = typeof value === 'object' && value !== null;
    const known = inside ? entries.get(value as object) : undefined;
    if (inside && known === undefined) return undefined;
    const entry = known?.get(Array.isArray(value) ? step : String(step));
    // A field that is missing has the place of the nearest field around it; so has one in a field without a value.
    if (entry === undefined) return key ?? at;
    if (entry.value === undefined) return entry.key;
    key = entry.key;
    at = entry.value;
    value = (value as Record<string | number, unknown>)[step];
  }
  return end === 'key' ? (key ?? at) : at;
}
