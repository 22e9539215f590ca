// What must hold for any mesh and any series of edits: order does not matter, what a proxy cannot see does not reach
// it, and what was translated step by step is what would be translated from nothing. RUNS and SEED set how many runs
// and where they begin; a failure prints the seed and the smallest mesh that shows it.
import fc from 'fast-check';
import t from 'tap';
import { MemorySource } from '../../src/config/memory.js';
import { toJson } from '../../src/envoy/codec.js';
import { formatPath, type Problem } from '../../src/kinds/problem.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import type { Proxy } from '../../src/mesh/proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
import { Store } from '../../src/store/store.js';
import { type Translation, translate } from '../../src/translate/translate.js';
import { type Documents, type Edit, edits, meshes, proxies } from './random-mesh.js';

const runs = Number(process.env['RUNS'] ?? 30);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
t.comment(`seed ${seed}`);
const parameters = { numRuns: runs, seed, endOnFailure: false };

/** The pipe of one control plane: files in, a snapshot for each proxy out. */
class Pipe {
  readonly #source = new MemorySource();
  readonly #store = new Store();
  readonly #proxies: Proxy[] = proxies();
  #snapshots = new Map<Proxy, Snapshot>();
  #translations = new Map<Proxy, Translation>();
  #mesh: Mesh | undefined;

  async read(changes: Iterable<readonly [string, string | undefined]>): Promise<string> {
    for (const [path, text] of changes) {
      if (text === undefined) this.#source.delete(path);
      else this.#source.set(path, text);
    }
    const { generation } = this.#store.accept(await this.#source.read(), 0);
    const mesh = buildMesh(generation, this.#mesh);
    this.#mesh = mesh;
    for (const proxy of this.#proxies) {
      const translation = translate(viewOf(mesh, proxy));
      this.#translations.set(proxy, translation);
      const before = this.#snapshots.get(proxy);
      this.#snapshots.set(proxy, buildSnapshot(translation.resources, before));
    }
    return this.summary();
  }

  /** Every name and version, and what is doubtful. */
  summary(only?: number): string {
    return [...this.#snapshots]
      .filter((_, i) => only === undefined || i === only)
      .map(([proxy, { types }]) => {
        const resources = [...types].map(([typeUrl, type]) => [
          `${typeUrl} ${type.version}`,
          // Their order on the wire says nothing, and stays what it was where only it would change.
          ...[...type.resources.values()].map(({ name, version }) => `  ${name} ${version}`).sort(),
        ]);
        const problems = this.#translations.get(proxy)?.problems.map(problemText) ?? [];
        return [proxy.id, ...resources.flat(), ...problems].join('\n');
      })
      .join('\n\n');
  }

  /** The messages of a type, for the report of a failure. */
  json(): string {
    return [...this.#translations]
      .flatMap(([proxy, { resources }]) =>
        [...resources].flatMap(([typeUrl, messages]) =>
          [...messages].map(
            ([name, message]) => `${proxy.id} ${name} ${JSON.stringify(toJson(typeUrl, message))}`,
          ),
        ),
      )
      .join('\n');
  }
}

function problemText({ code, message, resource, path }: Problem): string {
  return `${code} ${resource?.namespace}/${resource?.name} ${formatPath(path ?? [])} ${message}`;
}

/** The lines that one text has and the other has not. */
function difference(a: string, b: string): string {
  const lines = (text: string) => text.split('\n');
  const [left, right] = [new Set(lines(a)), new Set(lines(b))];
  return [
    ...lines(a)
      .filter((line) => !right.has(line))
      .map((line) => `- ${line}`),
    ...lines(b)
      .filter((line) => !left.has(line))
      .map((line) => `+ ${line}`),
  ]
    .slice(0, 12)
    .join('\n');
}

async function holds(property: fc.IAsyncProperty<unknown>): Promise<void> {
  await fc.assert(property as fc.IAsyncProperty<[unknown]>, parameters);
}

void t.test('incremental translation is translation from nothing, after every edit', async () => {
  await holds(
    fc.asyncProperty(meshes(16), edits(6), async (start, series) => {
      const pipe = new Pipe();
      const files = new Map(start);
      await pipe.read(files);
      for (const [step, edit] of series.entries()) {
        apply(files, edit);
        const incremental = await pipe.read([[edit.path, edit.text]]);
        const fresh = new Pipe();
        const fromNothing = await fresh.read(files);
        if (incremental !== fromNothing) {
          const detail = difference(pipe.json(), fresh.json());
          const lines = difference(incremental, fromNothing);
          throw new Error(`step ${step}, ${edit.path}:\n${lines}\n${detail.slice(0, 4000)}`);
        }
      }
    }),
  );
});

function apply(files: Map<string, string>, { path, text }: Edit): void {
  if (text === undefined) files.delete(path);
  else files.set(path, text);
}

void t.test('an edit that is taken back leaves everything as it was', async () => {
  await holds(
    fc.asyncProperty(meshes(16), edits(3), async (start, series) => {
      const pipe = new Pipe();
      const before = await pipe.read(start);
      for (const { path, text } of series) await pipe.read([[path, text]]);
      const after = await pipe.read(series.map(({ path }) => [path, start.get(path)]));
      if (before !== after) throw new Error(difference(before, after));
    }),
  );
});

void t.test('any order of files and documents gives the same bytes', async () => {
  await holds(
    fc.asyncProperty(meshes(20), fc.array(fc.nat(), { minLength: 20 }), async (start, random) => {
      const expected = await new Pipe().read(start);
      const texts = [...start.values()];
      const shuffled = texts
        .map((text, i) => ({ text, at: random[i % random.length]! }))
        .sort((a, b) => a.at - b.at)
        .map(({ text }) => text);
      const oneFile = await new Pipe().read([['all.yaml', shuffled.join('\n---\n')]]);
      if (oneFile !== expected) throw new Error(difference(expected, oneFile));
      const renamed = shuffled.map(
        (text, i) => [`${random[i % random.length]}-${i}.yaml`, text] as const,
      );
      const manyFiles = await new Pipe().read(renamed);
      if (manyFiles !== expected) throw new Error(difference(expected, manyFiles));
    }),
  );
});

/** The namespace of what no proxy sees; nothing of the mesh names it. */
const hiddenNamespace = 'hidden';

/** The same resource where nobody sees it: in a namespace of its own, exported to nobody else. */
function hidden(text: string): string {
  const resource = JSON.parse(text) as {
    kind: string;
    metadata: { namespace: string; annotations?: Record<string, string> };
    spec?: { exportTo?: string[]; selector?: Record<string, string> };
  };
  resource.metadata.namespace = hiddenNamespace;
  if (resource.kind === 'Service') {
    resource.metadata.annotations = { 'networking.istio.io/exportTo': '.' };
  } else if (resource.kind === 'Gateway') {
    // A Gateway is for routers of any namespace; this one is for none.
    resource.spec = { ...resource.spec, selector: { istio: 'nobody' } };
  } else if (['ServiceEntry', 'VirtualService', 'DestinationRule'].includes(resource.kind)) {
    resource.spec = { ...resource.spec, exportTo: ['.'] };
  }
  return JSON.stringify(resource);
}

void t.test('what a proxy cannot see does not change its versions', async () => {
  await holds(
    fc.asyncProperty(meshes(16), edits(6), async (start, series) => {
      const pipe = new Pipe();
      const before = await pipe.read(start);
      for (const { path, text } of series) {
        if (path === 'mesh.yaml') continue;
        const change = [`${hiddenNamespace}.${path}`, text && hidden(text)] as const;
        const after = await pipe.read([change]);
        if (after !== before) throw new Error(`${path}:\n${difference(before, after)}`);
      }
    }),
  );
});

void t.test('beyond a Sidecar nothing changes a proxy', async () => {
  await holds(
    fc.asyncProperty(meshes(14), edits(6), async (start, series) => {
      // The proxy of no app in namespace `elsewhere`: only this Sidecar is for it.
      const limited: Documents = new Map([
        ...start,
        [
          'Sidecar.elsewhere.only.yaml',
          JSON.stringify({
            apiVersion: 'networking.istio.io/v1',
            kind: 'Sidecar',
            metadata: { name: 'only', namespace: 'elsewhere' },
            spec: { egress: [{ hosts: ['elsewhere/*'] }] },
          }),
        ],
      ]);
      const pipe = new Pipe();
      await pipe.read(limited);
      const before = pipe.summary(3);
      for (const { path, text } of series) {
        if (path === 'mesh.yaml') continue;
        await pipe.read([[path, text]]);
        const after = pipe.summary(3);
        if (after !== before) throw new Error(`${path}:\n${difference(before, after)}`);
      }
    }),
  );
});
