// A source held in memory, for tests and for programs that embed fairlead. Files behave as in a directory, but
// there is nothing to wait for.
import { parseResource } from '../kinds/registry.js';
import { defaultLimits, type Limits } from './limits.js';
import type { ParseSettings } from './parse-chunk.js';
import { type ParsedFile, parseFile } from './parse-file.js';
import { comparePaths, type Source, type SourceState } from './source.js';

/** Settings of a memory source; the defaults are those of the product. */
export interface MemorySourceOptions {
  parseResource?: ParseSettings['parseResource'];
  limits?: Limits;
  namespace?: string;
}

/** Files by path, as text. */
export class MemorySource implements Source {
  readonly #settings: ParseSettings;
  readonly #texts = new Map<string, string>();
  readonly #bells: (() => void)[] = [];
  #files = new Map<string, ParsedFile>();
  #state: SourceState = { files: [], problems: [] };
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: MemorySourceOptions = {}) {
    this.#settings = { parseResource, limits: defaultLimits, ...options };
  }

  /** Adds or replaces a file. */
  set(path: string, text: string): void {
    this.#texts.set(path, text);
    this.#ring();
  }

  /** Removes a file; one that is not there is no error. */
  delete(path: string): void {
    if (this.#texts.delete(path)) this.#ring();
  }

  async start(): Promise<void> {}

  onChange(bell: () => void): void {
    this.#bells.push(bell);
  }

  read(): Promise<SourceState> {
    const next = this.#reading.then(() => this.#read());
    this.#reading = next.catch(() => undefined);
    return next;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #read(): Promise<SourceState> {
    const files = new Map<string, ParsedFile>();
    const texts = [...this.#texts].sort(([a], [b]) => comparePaths(a, b));
    for (const [path, text] of texts) {
      const previous = this.#files.get(path);
      files.set(path, await parseFile(path, Buffer.from(text), { ...this.#settings, previous }));
    }
    const now = [...files.values()].map((parsed) => parsed.file);
    const before = this.#state.files;
    const same = now.length === before.length && now.every((file, i) => file === before[i]);
    if (!same) this.#state = { files: now, problems: [] };
    this.#files = files;
    return this.#state;
  }

  #ring(): void {
    // Not inside the caller's own turn: a bell only marks something dirty.
    for (const bell of this.#bells) {
      queueMicrotask(() => {
        if (!this.#closed) bell();
      });
    }
  }
}
