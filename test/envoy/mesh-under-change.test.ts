// The promise of fairlead, with a real Envoy under load: edits take effect at once and cost no request; garbage harms
// nothing; the control plane may go and come back; a sidecar that is restarted gets everything again.
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { garbageFiles } from './garbage.js';
import { LiveMesh, type Sidecar, until } from './live-mesh.js';
import { get, startLoad } from './load.js';

interface Shape {
  v1?: number;
  subsets?: [string, string];
  addresses?: [string, string];
}

/** Two backends as the demo has them: subsets, weights, and where the workloads are. */
function routing({ v1 = 50, subsets: [one, two] = ['v1', 'v2'] }: Shape): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: backend }
spec:
  hosts: [backend]
  http:
    - route:
        - { destination: { host: backend, subset: ${one} }, weight: ${v1} }
        - { destination: { host: backend, subset: ${two} }, weight: ${100 - v1} }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: backend }
spec:
  host: backend
  subsets:
    - { name: ${one}, labels: { version: v1 } }
    - { name: ${two}, labels: { version: v2 } }
`;
}

function workloads(port: number, addresses: readonly [string, string]): string {
  const entry = (version: string, address: string) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: backend-${version} }
spec: { address: ${address}, ports: { http: ${port} }, labels: { app: backend, version: ${version} } }
`;
  return `${entry('v1', addresses[0])}---\n${entry('v2', addresses[1])}`;
}

const service = (port: number) => `apiVersion: v1
kind: Service
metadata: { name: backend }
spec:
  clusterIP: 240.240.0.10
  selector: { app: backend }
  ports:
    - { name: http, port: ${port} }
`;

interface Scene {
  mesh: LiveMesh;
  sidecar: Sidecar;
  url: string;
  headers: Record<string, string>;
  port: number;
}

let network = 20;

/** Two versions on two addresses each (so that endpoints can move), and a client's sidecar. */
async function scene(t: Test, protocol: 'delta' | 'sotw' = 'delta'): Promise<Scene> {
  const net = `127.0.${network++}`;
  const mesh = new LiveMesh({});
  t.teardown(() => mesh.stop());
  const port = await mesh.backend(`${net}.11`, (_, response) => response.end('v1'));
  for (const [host, version] of [
    [12, 'v2'],
    [21, 'v1'],
    [22, 'v2'],
  ] as const) {
    await mesh.backend(`${net}.${host}`, (_, response) => response.end(version), port);
  }
  mesh.write('services.yaml', service(port));
  mesh.write('workloads.yaml', workloads(port, [`${net}.11`, `${net}.12`]));
  mesh.write('routing.yaml', routing({}));
  await mesh.startServer();
  const sidecar = await mesh.sidecar(`${net}.1`, { protocol });
  await mesh.synced();
  const url = `http://${net}.1:${port}/`;
  return { mesh, sidecar, url, headers: { host: `backend:${port}` }, port };
}

for (const protocol of ['delta', 'sotw'] as const) {
  t.test(`20 edits under load, ${protocol}: no request is lost`, async (t) => {
    const { mesh, url, headers, port } = await scene(t, protocol);
    const net = url.slice('http://'.length).split('.').slice(0, 3).join('.');
    const load = startLoad(url, { headers, secondsMax: 60 });
    const latencies: number[] = [];
    for (let i = 0; i < 20; i++) {
      const before = load.requests();
      latencies.push(await applied(mesh, () => edit(mesh, i, { net, port })));
      await until(10_000, () => load.requests() >= before + 260);
    }
    const { requests, failures, answers } = await load.stop();
    t.strictSame(failures.slice(0, 5), [], 'no failure');
    t.ok(requests >= 5000, `at least 5,000 requests (${requests})`);
    t.ok((answers.get('v1') ?? 0) > 0 && (answers.get('v2') ?? 0) > 0, 'both versions answered');
    const sorted = latencies.sort((a, b) => a - b);
    t.comment(
      `rename to last ACK: median ${sorted[10]?.toFixed(0)} ms, worst ${sorted[19]?.toFixed(0)} ms`,
    );
    t.ok(sorted[10]! < 1000, 'an edit is in force soon');
  });
}

/** Weights, subset names, endpoints, in turn. */
function edit(mesh: LiveMesh, i: number, { net, port }: { net: string; port: number }): void {
  const subsets: [string, string] = i % 8 < 4 ? ['v1', 'v2'] : ['one', 'two'];
  if (i % 4 === 3) {
    const host = i % 8 === 3 ? 2 : 1;
    mesh.write('workloads.yaml', workloads(port, [`${net}.${host}1`, `${net}.${host}2`]));
  } else {
    mesh.write('routing.yaml', routing({ v1: 10 + i * 4, subsets }));
  }
}

/** The time from an edit to the last acknowledgement of what it changed. */
async function applied(mesh: LiveMesh, apply: () => void): Promise<number> {
  const { state } = mesh.server.controlPlane;
  const generation = () => state.generations().at(-1)!.id;
  const before = generation();
  const start = performance.now();
  apply();
  await until(5000, () => generation() > before);
  await mesh.synced();
  return performance.now() - start;
}

t.test(
  '200 files of garbage: no crash, no lost route, a problem with a place for each',
  async (t) => {
    const { mesh, url, headers } = await scene(t);
    const load = startLoad(url, { headers, secondsMax: 60, connections: 2 });
    const files = garbageFiles(200);
    for (const [name, content] of files) mesh.write(name, content);
    const { state } = mesh.server.controlPlane;
    const named = () =>
      new Set(state.problems().map((problem) => problem.position?.file.split('/').at(-1)));
    await until(30_000, () => [...files.keys()].every((name) => named().has(name)));
    const placed = state.problems().filter(({ severity }) => severity === 'error');
    t.ok(
      placed.every(({ position }) => position && position.line > 0 && position.col > 0),
      'all placed',
    );
    mesh.write('routing.yaml', routing({ v1: 100 }));
    await until(10_000, async () => (await answersOf(url, headers, 20)).get('v1') === 20);
    const { failures, requests } = await load.stop();
    t.strictSame(failures.slice(0, 5), []);
    t.ok(requests > 20, `${requests} requests meanwhile`);
    for (const name of files.keys()) mesh.remove(name);
    await until(10_000, () => state.problems().every(({ severity }) => severity !== 'error'));
    t.pass('gone when mended');
  },
);

async function answersOf(url: string, headers: Record<string, string>, count: number) {
  const answers = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const { body } = await get(url, { headers });
    answers.set(body, (answers.get(body) ?? 0) + 1);
  }
  return answers;
}

t.test('a broken file leaves the last good version in force', async (t) => {
  const { mesh, url, headers } = await scene(t);
  await applied(mesh, () => mesh.write('routing.yaml', routing({ v1: 100 })));
  const broken = routing({ v1: 0 }).replace('weight: 0', 'weight: many');
  mesh.write('routing.yaml', broken);
  const { state } = mesh.server.controlPlane;
  await until(5000, () => state.problems().some(({ code }) => code === 'wrong-type'));
  const problem = state.problems().find(({ code }) => code === 'wrong-type');
  t.match(problem?.position, { line: 8, col: 65 }, 'the place of the value');
  t.equal((await answersOf(url, headers, 20)).get('v1'), 20, 'as before');
  await applied(mesh, () => mesh.write('routing.yaml', routing({ v1: 0 })));
  t.equal((await answersOf(url, headers, 20)).get('v2'), 20, 'mended');
});

for (const protocol of ['delta', 'sotw'] as const) {
  t.test(`the control plane goes and comes back, ${protocol}`, async (t) => {
    const { mesh, sidecar, url, headers } = await scene(t, protocol);
    const counters = async () => ({
      listeners: await sidecar.stat('listener_manager.listener_modified'),
      added: await sidecar.stat('listener_manager.listener_added'),
      clusters: await sidecar.stat('cluster_manager.cluster_modified'),
      clustersAdded: await sidecar.stat('cluster_manager.cluster_added'),
      draining: await sidecar.stat('listener_manager.total_filter_chains_draining'),
    });
    const before = await counters();
    const load = startLoad(url, { headers, secondsMax: 60, connections: 2 });
    await mesh.server.stop();
    await sleep(500);
    await mesh.startServer();
    await until(20_000, () => mesh.server.controlPlane.state.proxies().length === 1);
    await mesh.synced();
    await sleep(300);
    t.strictSame(await counters(), before, 'nothing was configured again');
    await applied(mesh, () => mesh.write('routing.yaml', routing({ v1: 100 })));
    t.equal((await answersOf(url, headers, 20)).get('v1'), 20, 'edits work again');
    t.strictSame((await load.stop()).failures.slice(0, 5), [], 'traffic went on');
  });
}

t.test('a sidecar that is killed and started again gets everything', async (t) => {
  const { mesh, sidecar, url, headers } = await scene(t);
  process.kill(sidecar.pid, 'SIGKILL');
  await until(5000, () => mesh.server.controlPlane.state.proxies().length === 0);
  const again = await mesh.sidecar(sidecar.ip);
  await mesh.synced();
  t.not(again.pid, sidecar.pid);
  t.equal((await get(url, { headers })).status, 200);
});
