// A proxy that says nothing for a while (stopped by a signal) holds up nobody else, and goes on with the newest state.
import t from 'tap';
import { LiveMesh, type Sidecar, until } from './live-mesh.js';
import { get } from './load.js';

t.setTimeout(60_000);
t.jobs = 2;

const port = 9080;
const rule = (to: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: backend }
spec:
  hosts: [backend.test]
  http: [{ route: [{ destination: { host: backend.test, subset: ${to} } }] }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: backend }
spec:
  host: backend.test
  subsets: [{ name: ${to}, labels: { version: ${to[0]} } }]
`;

/** Reads the backend that a sidecar leads to. */
async function answer(sidecar: Sidecar): Promise<string> {
  return (await get(`http://${sidecar.ip}:${port}/`, { headers: { host: 'backend.test' } })).body;
}

for (const protocol of ['delta', 'sotw'] as const) {
  t.test(`a stopped Envoy, ${protocol}`, { buffered: true }, async (t) => {
    const net = protocol === 'delta' ? '127.0.61' : '127.0.62';
    const mesh = new LiveMesh({});
    t.teardown(() => mesh.stop());
    const backend = await mesh.backend(`${net}.11`, (_, response) => response.end('a'));
    await mesh.backend(`${net}.12`, (_, response) => response.end('b'), backend);
    mesh.write(
      'backend.yaml',
      `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: backend }
spec:
  hosts: [backend.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: ${port}, name: http, protocol: HTTP }]
  endpoints:
    - { address: ${net}.11, ports: { http: ${backend} }, labels: { version: a } }
    - { address: ${net}.12, ports: { http: ${backend} }, labels: { version: b } }
`,
    );
    mesh.write('rule.yaml', rule('a0'));
    await mesh.startServer();
    const [awake, asleep] = await Promise.all([
      mesh.sidecar(`${net}.1`, { protocol, name: 'awake' }),
      mesh.sidecar(`${net}.2`, { protocol, name: 'asleep' }),
    ]);
    await mesh.synced(2);
    process.kill(asleep.pid, 'SIGSTOP');
    t.teardown(() => process.kill(asleep.pid, 'SIGCONT'));
    const times: number[] = [];
    const stoppedAt = performance.now();
    let last = '';
    for (let i = 1; i <= 12; i++) {
      last = i % 2 === 1 ? 'b' : 'a';
      const wanted = last;
      const start = mesh.write('rule.yaml', rule(`${wanted}${i}`));
      await until(5_000, async () => (await answer(awake)) === wanted);
      times.push(performance.now() - start);
      // Longer than a step waits for an answer, so that edits come after that too.
      if (i === 10) await until(10_000, () => performance.now() - stoppedAt > 6_000);
    }
    t.ok(Math.max(...times) < 3_000, `each edit was in force soon: ${times.map(Math.round)} ms`);
    const { state } = mesh.server.controlPlane;
    const types = () =>
      state.proxies().find(({ name }) => name === 'asleep')?.types ?? ({} as Record<string, never>);
    t.ok(
      Object.values(types()).some((type) => type.state === 'STALE'),
      'the silent one is seen to be behind',
    );
    process.kill(asleep.pid, 'SIGCONT');
    await mesh.synced(2);
    t.equal(await answer(asleep), last, 'it goes on with the newest state');
    const clusters = await asleep.admin('/clusters');
    t.notMatch(clusters, /\|a0\||\|b9\|/, 'and without what is gone');
    t.match(clusters, /\|a12\|/);
    t.equal(await asleep.stat('cluster_manager.cds.init_fetch_timeout'), 0);
  });
}
