// Listeners at work in real Envoys without interception (no privileges needed): TCP weights, sniffing, the HTTP proxy,
// inbound listeners, and settings of connections. Interception is in listener-capture.test.ts.
import { request } from 'node:http';
import t, { type Test } from 'tap';
import { LiveMesh, until } from './live-mesh.js';
import { exchange, tally, tcpBackend } from './tcp-client.js';

const CLIENT = '127.0.41.1';
const SERVER = '127.0.41.2';
const HOST = '127.0.41.9';
// Sidecars without interception listen at the ports of services, on addresses that nobody else has.
const TCP = 19_000;
const AUTO = 19_001;
const WEB = 19_002;
const INBOUND = 19_003;

const yaml = (...documents: object[]) =>
  documents.map((one) => JSON.stringify(one)).join('\n---\n');

const service = (name: string, port: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: '10.96.0.1', selector: { app: name }, ports: [port], ...more },
});

const workload = (name: string, app: string, address: string, ports: object, version = 'v1') => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: { name, namespace: 'default' },
  spec: { address, ports, labels: { app, version } },
});

const rule = (kind: 'VirtualService' | 'DestinationRule', name: string, spec: object) => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});

const tcpRoute = (v1: number, v2: number) =>
  rule('VirtualService', 'tcp', {
    hosts: ['tcp'],
    tcp: [
      {
        match: [{ port: TCP }],
        route: [
          { destination: { host: 'tcp', subset: 'v1' }, weight: v1 },
          { destination: { host: 'tcp', subset: 'v2' }, weight: v2 },
        ],
      },
    ],
  });

const tcpRule = (trafficPolicy: object) =>
  rule('DestinationRule', 'tcp', {
    host: 'tcp',
    trafficPolicy,
    subsets: ['v1', 'v2'].map((version) => ({ name: version, labels: { version } })),
  });

/** Calls by an HTTP proxy: the whole URL in the request line. */
function viaProxy(url: string): Promise<{ status: number; body: string }> {
  return call({ host: CLIENT, port: 15_001, path: url, headers: { host: new URL(url).host } });
}

function call(options: object): Promise<{ status: number; body: string; server?: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent: false, timeout: 5_000, ...options }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body,
          server: String(response.headers['server']),
        }),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 5 s')));
    sent.on('error', reject);
    sent.end();
  });
}

async function start(t: Test, files: (mesh: LiveMesh) => Promise<Record<string, string>>) {
  const mesh = new LiveMesh({});
  t.teardown(() => mesh.stop());
  for (const [name, text] of Object.entries(await files(mesh))) mesh.write(name, text);
  await mesh.startServer();
  return mesh;
}

t.test('TCP: weights, source address, idle time-out', { timeout: 60_000 }, async (t) => {
  const one = await tcpBackend(HOST, 'v1');
  const two = await tcpBackend(HOST, 'v2');
  t.teardown(() => Promise.all([one.close(), two.close()]));
  const mesh = await start(t, async () => ({
    'services.yaml': yaml(
      service('tcp', { name: 'tcp', port: TCP }),
      workload('one', 'tcp', HOST, { tcp: one.port }, 'v1'),
      workload('two', 'tcp', HOST, { tcp: two.port }, 'v2'),
    ),
    'rule.yaml': yaml(tcpRule({ loadBalancer: { simple: 'ROUND_ROBIN' } })),
    'route.yaml': yaml(tcpRoute(75, 25)),
  }));
  await mesh.sidecar(CLIENT);
  await mesh.synced();
  const to = { host: CLIENT, port: TCP };
  const split = await tally(to, 'x', 400);
  t.strictSame(Object.keys(split).sort(), ['v1:x', 'v2:x'], 'every connection got an answer');
  // 300 expected of 400; five standard deviations are 43.
  t.ok(Math.abs((split['v1:x'] ?? 0) - 300) < 44, `75/25 gave ${JSON.stringify(split)}`);

  mesh.write('route.yaml', yaml(tcpRoute(0, 100)));
  await until(5_000, async () => (await tally(to, 'x', 5))['v2:x'] === 5);
  t.strictSame(await tally(to, 'x', 30), { 'v2:x': 30 }, 'weight 0 gets none');

  // Both edits have to be in force: until then all goes to v2, which also looks like one backend.
  await mesh.applied(() => mesh.remove('route.yaml'));
  await mesh.applied(() =>
    mesh.write(
      'rule.yaml',
      yaml(tcpRule({ loadBalancer: { consistentHash: { useSourceIp: true } } })),
    ),
  );
  await until(5_000, async () => Object.keys(await tally(to, 'x', 8)).length === 1);
  t.equal(Object.keys(await tally(to, 'x', 30)).length, 1, 'one source, one backend');

  mesh.write('rule.yaml', yaml(tcpRule({ connectionPool: { tcp: { idleTimeout: '0.3s' } } })));
  await mesh.synced();
  await until(10_000, async () => {
    const { end, ms } = await exchange(to, 'x', { enough: () => false, timeoutMs: 1_500 });
    return end === 'closed' && ms > 250;
  });
  t.pass('an idle connection is closed');
});

t.test(
  'undeclared protocol: HTTP by its route, the rest as TCP',
  { timeout: 60_000 },
  async (t) => {
    const raw = await tcpBackend(HOST, 'raw');
    t.teardown(() => raw.close());
    let web = 0;
    const mesh = await start(t, async (mesh) => {
      web = await mesh.backend(HOST, (_request, response) => response.end('web'));
      return {
        'services.yaml': yaml(
          service('auto', { name: 'any', port: AUTO }),
          workload('raw', 'auto', HOST, { any: raw.port }),
          service('web', { name: 'http', port: WEB }),
          workload('web', 'web', HOST, { http: web }),
        ),
        'route.yaml': yaml(
          rule('VirtualService', 'auto', {
            hosts: ['auto'],
            http: [{ route: [{ destination: { host: 'web', port: { number: WEB } } }] }],
          }),
        ),
      };
    });
    await mesh.sidecar(CLIENT);
    await mesh.synced();
    const to = { host: CLIENT, port: AUTO };
    t.match(
      await exchange(to, '\x00\x01raw'),
      { text: 'raw:\x00\x01raw' },
      'bytes pass as they are',
    );
    const answer = await call({ ...to, path: '/', headers: { host: 'auto' } });
    t.strictSame([answer.status, answer.body], [200, 'web'], 'HTTP goes by the VirtualService');

    t.match(await viaProxy(`http://web:${WEB}/`), { status: 200, body: 'web' }, 'the HTTP proxy');
    t.match(
      await viaProxy(`http://auto:${AUTO}/`),
      { status: 200, body: 'web' },
      'its rules count',
    );
    t.equal(
      (await viaProxy(`http://web:${AUTO}/`)).status,
      503,
      'no such port: unknown to the mesh',
    );
  },
);

t.test(
  'inbound without interception: to the application at 127.0.0.1',
  { timeout: 60_000 },
  async (t) => {
    const mesh = await start(t, async (mesh) => {
      await mesh.backend('127.0.0.1', (_request, response) => response.end('app'), INBOUND);
      return {
        'services.yaml': yaml(
          service('app', { name: 'http', port: WEB, targetPort: INBOUND }),
          workload('app', 'app', SERVER, {}),
        ),
      };
    });
    await mesh.sidecar(SERVER, { name: 'app', labels: { app: 'app' } });
    await mesh.sidecar(CLIENT);
    await mesh.synced(2);
    const direct = await call({ host: SERVER, port: INBOUND, path: '/' });
    t.strictSame([direct.status, direct.body], [200, 'app'], 'at the address of the workload');
    t.equal(direct.server, 'istio-envoy', 'answered by the inbound listener');
    const through = await call({ host: CLIENT, port: WEB, path: '/', headers: { host: 'app' } });
    t.strictSame([through.status, through.body], [200, 'app'], 'through both sidecars');
    t.match(await viaProxy(`http://app:${WEB}/`), { status: 200, body: 'app' }, 'and by the proxy');
  },
);
