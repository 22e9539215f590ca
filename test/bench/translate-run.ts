// One run of `npm run bench -- translate`, in a process of its own so that memory can be told: the whole pipe from
// text to encoded resources without sockets, timed stage by stage in CPU time of all threads. Prints JSON.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SourceFile } from '../../src/config/source.js';
import type { Mesh } from '../../src/mesh/build-mesh.js';
import type { Proxy } from '../../src/mesh/proxy.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
import {
  type Cost,
  stages,
  type TranslateOptions,
  type TranslateResult,
} from './translate-cost.js';
import { type EditName, editNames, type Files, MeshTexts } from './translate-mesh.js';

const options = JSON.parse(process.argv[2] ?? '{}') as TranslateOptions;

async function load<T>(path: string): Promise<T> {
  return (await import(pathToFileURL(join(options.dist, path)).href)) as T;
}

const { parseFile } =
  await load<typeof import('../../src/config/parse-file.js')>('config/parse-file.js');
const { defaultLimits } =
  await load<typeof import('../../src/config/limits.js')>('config/limits.js');
const { parseResource } =
  await load<typeof import('../../src/kinds/registry.js')>('kinds/registry.js');
const { Store } = await load<typeof import('../../src/store/store.js')>('store/store.js');
const { buildMesh } =
  await load<typeof import('../../src/mesh/build-mesh.js')>('mesh/build-mesh.js');
const { parseProxy } =
  await load<typeof import('../../src/mesh/parse-proxy.js')>('mesh/parse-proxy.js');
const { viewOf } = await load<typeof import('../../src/mesh/view.js')>('mesh/view.js');
const { translate } =
  await load<typeof import('../../src/translate/translate.js')>('translate/translate.js');
const { buildSnapshot } = await load<typeof import('../../src/snapshot/build-snapshot.js')>(
  'snapshot/build-snapshot.js',
);
const { encodeCounters } =
  await load<typeof import('../../src/snapshot/encode.js')>('snapshot/encode.js');

class Pipe {
  readonly #files = new Map<string, Awaited<ReturnType<typeof parseFile>>>();
  readonly #store = new Store();
  readonly #proxies: Proxy[];
  readonly #snapshots: (Snapshot | undefined)[] = [];
  #sourceFiles: SourceFile[] = [];
  #mesh: Mesh | undefined;

  constructor(nodes: readonly ReturnType<MeshTexts['node']>[]) {
    this.#proxies = nodes.map((node) => parseProxy(node));
  }

  /** Takes files as a source does whose other files did not change, and brings all snapshots up to date. */
  async apply(files: Files): Promise<Cost> {
    const lap = stopwatch();
    const before = encodeCounters.encodings;
    const bytes = Object.entries(files).map(
      ([path, text]) => [path, text && Buffer.from(text)] as const,
    );
    lap();
    await this.#parse(bytes);
    const parse = lap();
    const { generation } = this.#store.accept({ files: this.#sourceFiles, problems: [] }, 0);
    const refused = generation.problems.find(({ severity }) => severity === 'error');
    if (refused) throw new Error(refused.message);
    const accept = lap();
    const mesh = buildMesh(generation, this.#mesh);
    this.#mesh = mesh;
    const built = lap();
    const views = this.#proxies.map((proxy) => viewOf(mesh, proxy));
    const view = lap();
    const translations = views.map((each) => translate(each));
    const translated = lap();
    for (const [i, { resources }] of translations.entries()) {
      this.#snapshots[i] = buildSnapshot(resources, this.#snapshots[i]);
    }
    const encode = lap();
    const count = encodeCounters.encodings - before;
    return { parse, accept, mesh: built, view, translate: translated, encode, built: count };
  }

  async #parse(files: readonly (readonly [string, Buffer | undefined | ''])[]): Promise<void> {
    let moved = false;
    for (const [path, bytes] of files) {
      const previous = this.#files.get(path);
      moved ||= (previous === undefined) !== (bytes === undefined);
      if (!bytes) this.#files.delete(path);
      else {
        const settings = { parseResource, limits: defaultLimits, previous };
        this.#files.set(path, await parseFile(path, bytes, settings));
      }
    }
    if (moved)
      this.#sourceFiles = [...this.#files.keys()].sort().map((path) => this.#files.get(path)!.file);
    else {
      const next = new Map(files.map(([path]) => [path, this.#files.get(path)!.file]));
      this.#sourceFiles = this.#sourceFiles.map((file) => next.get(file.path) ?? file);
    }
  }

  /** Distinct resources of all proxies, and how many the first proxy has. */
  sizes(): { distinct: number; ofOne: number } {
    const distinct = new Set<unknown>();
    let ofOne = 0;
    for (const [i, snapshot] of this.#snapshots.entries()) {
      for (const { resources } of snapshot?.types.values() ?? []) {
        for (const resource of resources.values()) distinct.add(resource);
        if (i === 0) ofOne += resources.size;
      }
    }
    return { distinct: distinct.size, ofOne };
  }
}

/** CPU ms of the process, all threads, since the last call. */
function stopwatch(): () => number {
  let last = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    return (user + system) / 1000;
  };
}

function median(costs: readonly Cost[]): Cost {
  const middle = (key: keyof Cost) =>
    costs.map((cost) => cost[key]).sort((a, b) => a - b)[costs.length >> 1] ?? 0;
  return Object.fromEntries([...stages, 'built' as const].map((key) => [key, middle(key)])) as Cost;
}

function heapMiB(): number {
  global.gc?.();
  global.gc?.();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

/** A young collection in the middle of an edit is its cost; one that an earlier edit left over is not. */
async function settle(): Promise<void> {
  await endOfJob();
  global.gc?.({ type: 'minor' } as never);
}

/** As a server's turns end. What a WeakRef was made of, or asked for, is held until the job that did it is over. */
const endOfJob = () => new Promise((done) => setImmediate(done));

const texts = new MeshTexts(options);
const pipe = new Pipe(Array.from({ length: options.proxies }, (_, i) => texts.node(i)));
const start = texts.start();
const cold = await pipe.apply(start);
await endOfJob();
const heap = heapMiB();
const rss = process.memoryUsage().rss / 1024 / 1024;
const sizes = pipe.sizes();
const edits: Partial<Record<EditName, Cost>> = {};
for (const name of editNames) {
  const costs: Cost[] = [];
  // The first rounds run in the interpreter, which a server that has run for a while does not.
  for (let round = 0; round < options.rounds * 2; round++) {
    const files = texts.edit(name, round);
    if (files === undefined) break;
    await settle();
    const cost = await pipe.apply(files);
    if (round >= options.rounds) costs.push(cost);
  }
  if (costs.length > 0) edits[name] = median(costs);
}
await endOfJob();
const heapEnd = heapMiB();
const result: TranslateResult = {
  cold,
  edits,
  text: Object.values(start).reduce((sum, text) => sum + (text?.length ?? 0), 0),
  ...sizes,
  heapMiB: heap,
  heapEndMiB: heapEnd,
  rssMiB: rss,
};
console.log(JSON.stringify(result));
