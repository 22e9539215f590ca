// `--mesh-config FILE`: Istio's MeshConfig as plain YAML (no apiVersion, no kind) beside another source. The file is
// read as a document of kind MeshConfig, so that its mistakes have their places in the file.
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type ParsedDocument, parseResource } from '../kinds/registry.js';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import { defaultLimits } from './limits.js';
import type { ParseSettings } from './parse-chunk.js';
import { type ParsedFile, parseFile, unreadable } from './parse-file.js';
import { comparePaths, type Source, type SourceState } from './source.js';

/** How often the file is looked at, in ms: it changes rarely, and one stat costs nothing. */
const pollMs = 500;

/** Another source with one more file, the mesh's settings. */
export class MeshConfigFile implements Source {
  readonly #inner: Source;
  readonly #path: string;
  #bells: (() => void)[] = [];
  #file: ParsedFile | undefined;
  #last: { inner: SourceState; file: ParsedFile; state: SourceState } | undefined;

  constructor(inner: Source, path: string) {
    this.#inner = inner;
    this.#path = path;
  }

  async start(): Promise<void> {
    await readFile(this.#path).catch((cause) => {
      const message = `the mesh configuration cannot be read: ${errorMessage(cause)}`;
      throw new ControlPlaneError('mesh-config', message, { cause });
    });
    watchFile(this.#path, { interval: pollMs, persistent: false }, this.#ring);
    await this.#inner.start();
  }

  onChange(bell: () => void): void {
    this.#bells.push(bell);
    this.#inner.onChange(bell);
  }

  async read(): Promise<SourceState> {
    const [inner, file] = await Promise.all([this.#inner.read(), this.#read()]);
    if (this.#last?.inner !== inner || this.#last.file !== file) {
      const files = [...inner.files, file.file].sort((a, b) => comparePaths(a.path, b.path));
      this.#last = { inner, file, state: { files, problems: inner.problems } };
    }
    return this.#last.state;
  }

  async close(): Promise<void> {
    this.#bells = [];
    unwatchFile(this.#path, this.#ring);
    await this.#inner.close();
  }

  readonly #ring = (): void => {
    for (const bell of this.#bells) bell();
  };

  async #read(): Promise<ParsedFile> {
    try {
      const bytes = await readFile(this.#path);
      this.#file = await parseFile(this.#path, bytes, { ...settings, previous: this.#file });
    } catch (error) {
      this.#file = unreadable(this.#path, errorMessage(error));
    }
    return this.#file;
  }
}

const settings: ParseSettings = { parseResource: parseSettings, limits: defaultLimits };

/** The bare settings as the `spec` of a MeshConfig document; paths lose the `spec` that the file does not have. */
function parseSettings(...[spec, options]: Parameters<typeof parseResource>): ParsedDocument {
  const document = { kind: 'MeshConfig', metadata: { name: 'mesh' }, spec: spec ?? {} };
  const parsed = parseResource(document, options);
  const problems = parsed.problems.map((problem) =>
    problem.path?.[0] === 'spec' ? { ...problem, path: problem.path.slice(1) } : problem,
  );
  return { ...parsed, problems };
}
