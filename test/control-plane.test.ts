// The control plane as a whole over a source in memory, with simulated sidecars on real streams: what proxies share,
// what happens when a translation throws, what is said in the log, and that nothing stays when they are gone.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { defaultLimits } from '../src/config/limits.js';
import { parseFile } from '../src/config/parse-file.js';
import type { Source, SourceFile, SourceState } from '../src/config/source.js';
import { ControlPlane, type ControlPlaneOptions } from '../src/control-plane.js';
import { CLUSTER } from '../src/envoy/resource.js';
import { parseResource } from '../src/kinds/registry.js';
import type { ProxyView } from '../src/mesh/proxy-view.js';
import { translate } from '../src/translate/translate.js';
import { Fleet, SimulatedSidecar } from './bench/simulated-sidecar.js';
import { until } from './envoy/live-mesh.js';

/** Files in memory; `write` replaces one and rings. */
class MemorySource implements Source {
  readonly #files = new Map<string, SourceFile>();
  #state: SourceState = { files: [], problems: [] };
  #bell = () => {};
  reads = 0;
  /** Thrown by the next reads. */
  trouble: Error | undefined;
  /** How long the first read takes. */
  readMs = 0;

  async write(path: string, text: string): Promise<void> {
    const settings = { parseResource, limits: defaultLimits };
    this.#files.set(path, (await parseFile(path, Buffer.from(text), settings)).file);
    this.ring();
  }

  ring(): void {
    this.#state = { files: [...this.#files.values()], problems: [] };
    this.#bell();
  }

  async start(): Promise<void> {}

  onChange(bell: () => void): void {
    this.#bell = bell;
  }

  async read(): Promise<SourceState> {
    this.reads++;
    if (this.readMs > 0) await sleep(this.readMs);
    if (this.trouble) throw this.trouble;
    return this.#state;
  }

  async close(): Promise<void> {}
}

t.setTimeout(90_000);

interface Line {
  level: string;
  fields: Record<string, unknown>;
  message: string;
}

class Scene {
  readonly source = new MemorySource();
  readonly log: Line[] = [];
  readonly plane: ControlPlane;
  address = '';
  readonly #sidecars = new Set<SimulatedSidecar>();

  constructor(options: Partial<ControlPlaneOptions> = {}) {
    const note = (level: string) => (fields: object, message: string) => {
      this.log.push({ level, fields: fields as Record<string, unknown>, message });
    };
    const log = { info: note('info'), warn: note('warn'), error: note('error') };
    this.plane = new ControlPlane({ source: this.source, log, ...options });
  }

  async start(t: Test): Promise<void> {
    t.teardown(() => this.stop());
    await this.plane.start();
    const bound = (await this.plane.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    this.address = `127.0.0.1:${bound.port}`;
  }

  sidecar(
    name: string,
    metadata: { NAMESPACE?: string; LABELS?: object } = {},
  ): { client: SimulatedSidecar; fleet: Fleet } {
    const fleet = new Fleet();
    const namespace = metadata.NAMESPACE ?? 'default';
    const id = `sidecar~10.0.0.9~${name}.${namespace}~${namespace}.svc.cluster.local`;
    const client = new SimulatedSidecar(
      this.address,
      { id, metadata: metadataOf(metadata) },
      fleet,
    );
    this.#sidecars.add(client);
    return { client, fleet };
  }

  proxies() {
    return this.plane.state.proxies();
  }

  async synced(count: number): Promise<void> {
    await until(10_000, () => {
      const proxies = this.proxies();
      const inStep = proxies.every(({ types }) => types['CDS']?.state === 'SYNCED');
      return proxies.length === count && inStep;
    });
  }

  /** The value of a line of the metrics page; 0 where it is not there. */
  async metric(line: string): Promise<number> {
    const { text } = await this.plane.metrics.page();
    const found = text.split('\n').find((l) => l.startsWith(`${line} `));
    return Number(found?.slice(line.length) ?? 0);
  }

  said(text: string | RegExp): Line[] {
    return this.log.filter(({ message }) => message.search(text) >= 0);
  }

  async stop(): Promise<void> {
    for (const client of this.#sidecars) client.close();
    await this.plane.stop();
  }
}

/** As protobuf's Struct, whose fields the codec knows by their JSON names. */
function metadataOf(value: object): object {
  const toValue = (v: unknown): object =>
    typeof v === 'object' && v !== null
      ? { structValue: metadataOf(v) }
      : { stringValue: String(v) };
  return { fields: Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toValue(v)])) };
}

const service = (name: string, port = 8080, selector = '') => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ name: http, port: ${port} }]${selector && `, selector: { app: ${selector} }`} }
`;

t.test('proxies that see the same share one result; ids may be equal', async (t) => {
  const scene = new Scene();
  await scene.source.write('a.yaml', service('a'));
  await scene.start(t);
  scene.sidecar('one');
  scene.sidecar('two');
  scene.sidecar('two', { LABELS: { version: 'v2' } });
  await scene.synced(3);
  t.equal(new Set(scene.proxies().map(({ view }) => view)).size, 1, 'one view');
  t.equal(await scene.metric('fairlead_views'), 1);
  t.equal(await scene.metric('fairlead_proxies'), 3, 'one id with two sets of labels is two');
  const built = await scene.metric('fairlead_resources_built_total{type="CDS"}');
  t.ok(built > 0, 'fed');
  await scene.source.write('a.yaml', service('a', 9090));
  await until(5000, () => scene.said('generation in force').length === 2);
  await scene.synced(3);
  const again = (await scene.metric('fairlead_resources_built_total{type="CDS"}')) - built;
  t.equal(again, 1, 'an edit of one port builds one cluster, for all three');
});

t.test('a translation that throws leaves the last good configuration in force', async (t) => {
  let broken: (view: ProxyView) => boolean = () => false;
  const scene = new Scene({
    translateView: (view) => {
      if (broken(view)) throw new Error('boom');
      return translate(view);
    },
  });
  await scene.source.write('a.yaml', service('a'));
  await scene.start(t);
  const victim = scene.sidecar('victim', { NAMESPACE: 'sick' });
  const healthy = scene.sidecar('healthy');
  await scene.synced(2);
  const held = () => [...(victim.client.held.get(CLUSTER) ?? [])];
  const before = held();
  t.ok(before.length > 3);

  broken = (view) => view.proxy.namespace === 'sick';
  // A new inbound port changes the key of the view too: there is no last good result under the new key.
  await scene.source.write(
    'b.yaml',
    `${service('b', 7070)}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own, namespace: sick }
spec:
  hosts: [own.example]
  ports: [{ name: http, number: 8000, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.9 }]
`,
  );
  await until(
    5000,
    () => healthy.fleet.byType.size > 0 && scene.said('translation failed').length > 0,
  );
  const hasB = () =>
    [...healthy.client.held.values()].some((names) => [...names].some((n) => n.includes('|b.')));
  // Only what is not sent needs a time in which it is not.
  await until(5000, hasB);
  await scene.synced(2);
  await sleep(50);
  t.strictSame(held(), before, 'not emptied, not changed');
  t.ok(hasB(), 'the others are served');
  const problem = scene.plane.state.problems().find(({ code }) => code === 'translation-failed');
  t.match(problem, { severity: 'error', message: 'victim.sick: boom' });
  t.equal(scene.said('translation failed').length, 1, 'said once');
  t.match(scene.said('translation failed')[0]?.fields['stack'], /boom/);
  t.equal(await scene.metric('fairlead_translation_failures_total'), 1);
  t.equal(scene.plane.state.proxyConfiguration('victim')?.clusters.length, before.length);

  const late = scene.sidecar('late', { NAMESPACE: 'sick' });
  await until(5000, () => scene.proxies().length === 3);
  await sleep(50);
  t.equal(
    late.fleet.resources,
    0,
    'a proxy that never had anything good is sent nothing, not emptiness',
  );
  late.client.close();

  broken = () => false;
  await scene.source.write('c.yaml', service('c', 6060));
  await until(5000, () => held().some((name) => name.includes('|c.')));
  t.notOk(scene.plane.state.problems().some(({ code }) => code === 'translation-failed'));
  t.equal(scene.said('translation works again').length >= 1, true);
});

t.test('a quick reconnect: the old stream closes after the new one opened', async (t) => {
  const scene = new Scene();
  await scene.source.write('a.yaml', service('a'));
  await scene.start(t);
  const first = scene.sidecar('web');
  await scene.synced(1);
  const second = scene.sidecar('web');
  await until(5000, () => second.fleet.responses > 1);
  first.client.close();
  await sleep(100);
  t.equal(scene.proxies().length, 1, 'still there');
  await scene.source.write('b.yaml', service('b'));
  await until(5000, () =>
    [...second.client.held.values()].some((n) => [...n].join().includes('|b.')),
  );
  t.equal(scene.said(/^connected/).length, 1);
  t.equal(scene.said(/^disconnected/).length, 0);
});

t.test('problems are said once when they come and once when they are mended', async (t) => {
  const scene = new Scene();
  const bad = 'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: many }\n';
  await scene.source.write('a.yaml', bad);
  await scene.start(t);
  t.equal(scene.said('a.yaml:4:').length, 1);
  await scene.source.write('b.yaml', service('b'));
  await until(5000, () => scene.said('generation in force').length === 2);
  await scene.source.write('a.yaml', `# a line above\n${bad}`);
  // Problems are looked for 200 ms after an edit.
  await sleep(400);
  t.match(scene.plane.state.problems()[0]?.position, { line: 5 }, 'it moved');
  t.equal(scene.said('a.yaml').length, 1, 'moving is neither news nor mending');
  await scene.source.write('a.yaml', service('a'));
  await until(5000, () => scene.said('mended: ').length === 1);
  t.match(scene.said('mended: ')[0]?.message, 'a.yaml:5:');
});

t.test('the first answer waits for the first read; a read that fails is tried again', async (t) => {
  const scene = new Scene();
  await scene.source.write('a.yaml', service('a'));
  scene.source.readMs = 100;
  t.equal(scene.plane.state.ready(), false);
  const starting = scene.start(t);
  scene.source.ring();
  t.equal(scene.plane.state.ready(), false);
  await starting;
  scene.source.readMs = 0;
  t.equal(scene.plane.state.ready(), true);
  scene.source.trouble = new Error('the disk is on fire');
  await scene.source.write('b.yaml', service('b'));
  await until(5000, () => scene.said('turn failed').length === 1);
  scene.source.trouble = undefined;
  await until(5000, () => scene.plane.state.resources({ name: 'b' }).length === 1);
  t.pass('without another event');
});

t.test('nothing stays of proxies that are gone', async (t) => {
  const scene = new Scene();
  await scene.source.write('a.yaml', service('a', 8080, 'web'));
  await scene.start(t);
  const cycles = 1000;
  const together = 25;
  for (let i = 0; i < cycles; i += together) {
    const wave = Array.from({ length: together }, (_, j) => {
      const labels = { app: 'web', build: String(i + j) };
      const namespace = `n${(i + j) % 7}`;
      return scene.sidecar(`web-${i + j}`, { LABELS: labels, NAMESPACE: namespace });
    });
    await until(10_000, () => wave.every(({ fleet }) => fleet.responses > 0));
    for (const { client } of wave) client.close();
  }
  await until(10_000, () => scene.proxies().length === 0);
  await until(5000, async () => (await scene.metric('fairlead_views')) === 0);
  t.equal(await scene.metric('fairlead_proxies'), 0);
  t.equal(scene.said(/^connected/).length, cycles);
  t.equal(scene.said(/^disconnected/).length, cycles);
  t.strictSame(scene.plane.openGroups(), [], 'no snapshot is kept for anybody');
});

t.test('docs/metrics.md and the metrics are the same', async (t) => {
  const page = readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8');
  const documented = [...page.matchAll(/^\| `(fairlead_\w+)(?:\{([\w,]+)\})?`/gm)].map(
    ([, name, labels]) => `${name} ${labels ?? ''}`,
  );
  const scene = new Scene();
  await scene.source.write('a.yaml', service('a'));
  await scene.start(t);
  scene.sidecar('web');
  await scene.synced(1);
  const { text, contentType } = await scene.plane.metrics.page();
  t.match(contentType, 'text/plain');
  const names = [...text.matchAll(/^# TYPE (fairlead_\w+) (\w+)$/gm)];
  t.strictSame(
    documented.map((line) => line.split(' ')[0]).sort(),
    names.map(([, name]) => name).sort(),
  );
  for (const [, name, type] of names)
    t.equal(type === 'counter', name!.endsWith('_total'), `${name}`);
  for (const line of documented) {
    const [name, labels] = line.split(' ') as [string, string];
    const sample = new RegExp(`^${name}\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const real = [...sample.matchAll(/(\w+)="/g)].map((match) => match[1]).join();
    // Without a problem, without a refusal, there is no sample to look at.
    if (sample !== '') t.equal(real, labels, name);
  }
  t.ok((await scene.metric('fairlead_xds_pushed_resources_total{type="CDS"}')) > 0);
});
