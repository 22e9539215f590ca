// Settings of the mesh as clients and workloads see them: headers that proxies add, limits and normalisation, an HTTP
// proxy, names of statistics; and which statuses eject an endpoint.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { countByName, documents, resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';

const { fleet, mesh, client, write, service, stat } = await startFleetMesh(['v1', 'v2']);
const members = ['v1'];

/** Replaces MeshConfig and waits until both Envoys have what came of it. */
async function settings(spec: object): Promise<void> {
  const kind = { apiVersion: 'mesh.istio.io/v1alpha1', kind: 'MeshConfig' };
  const all = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, ...spec };
  const text = documents({ ...kind, metadata: { name: 'mesh' }, spec: all });
  await mesh.applied(() => mesh.write('mesh.yaml', text));
}

await write('app', service('app', { members }));

t.test('headers of proxies', { timeout: 60_000 }, async (t) => {
  const before = await fleet.ask('app.test');
  t.equal(before.headers['server'], 'envoy');
  t.ok(before.headers['x-envoy-upstream-service-time']);
  const counted = { headers: { 'x-retry': 'now' }, fresh: true };
  t.equal((await fleet.ask('app.test', counted)).status, 503, 'the workload is told of the try');
  await settings({
    defaultConfig: {
      proxyHeaders: {
        server: { value: 'our-proxy' },
        envoyDebugHeaders: { disabled: true },
        attemptCount: { disabled: true },
      },
    },
  });
  const fresh = () => fleet.ask('app.test', { fresh: true });
  await until(5_000, async () => (await fresh()).headers['server'] === 'our-proxy');
  t.equal((await fresh()).headers['x-envoy-upstream-service-time'], undefined);
  t.equal((await fleet.ask('app.test', counted)).status, 200, 'no number of the try');
  await settings({ defaultConfig: { proxyHeaders: { server: { disabled: true } } } });
  await until(5_000, async () => (await fresh()).headers['server'] === undefined);
  t.pass("the workload's own server header, of which it has none");
});

t.test('names of headers as they were written', { timeout: 60_000 }, async (t) => {
  const raw = await mesh.backend('127.0.0.1', ({ rawHeaders }, response) => {
    response.setHeader('X-Said-MIXED', 'yes');
    response.end(JSON.stringify(rawHeaders));
  });
  await write('raw', [
    resource('ServiceEntry', 'raw', {
      hosts: ['raw.test'],
      resolution: 'STATIC',
      ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP', targetPort: raw }],
      endpoints: [{ address: '127.0.0.1' }],
    }),
  ]);
  const ask = () =>
    new Promise<string[]>((resolve, reject) => {
      const headers = { host: 'raw.test', 'X-Asked-MIXED': 'yes' };
      const to = { host: fleet.at(1), port: fleet.port, headers, agent: false };
      get(to, (response) => {
        let body = '';
        response.on('data', (data) => {
          body += data;
        });
        response.on('end', () => {
          const asked = body.startsWith('[') ? (JSON.parse(body) as string[]) : [];
          resolve([...asked, ...response.rawHeaders].filter((each) => /mixed/i.test(each)));
        });
      }).on('error', reject);
    });
  const lower = ['x-asked-mixed', 'x-said-mixed'];
  await until(5_000, async () => (await ask()).join() === lower.join());
  await settings({ defaultConfig: { proxyHeaders: { preserveHttp1HeaderCase: true } } });
  await until(5_000, async () => (await ask()).join() === 'X-Asked-MIXED,X-Said-MIXED');
  t.pass('preserveHttp1HeaderCase, in both directions');
});

t.test('limits and normalisation', { timeout: 60_000 }, async (t) => {
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fleet.ask('app.test', { path, headers, fresh: true });
  t.equal((await ask('//a', { under_score: '1' })).path, '//a');
  await settings({
    defaultConfig: {
      connectionSettings: {
        httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
        httpMergeSlashes: true,
        httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD',
        httpMaxStreamDuration: '300ms',
      },
    },
  });
  await until(5_000, async () => (await ask('//a')).path === '/a');
  t.equal((await ask('/a%2Fb')).path, '/a/b', 'escaped slashes');
  t.equal((await ask('/', { under_score: '1' })).status, 400, 'underscores in header names');
  const held = await ask('/', { 'x-hold': '1' });
  fleet.release();
  t.ok(held.status >= 400, `maxStreamDuration ends a request (${held.status})`);
  t.ok(held.tookMs > 250 && held.tookMs < 3_000, `after 300 ms (${held.tookMs.toFixed(0)})`);
});

t.test(
  'an HTTP proxy at a port of its own, and names of statistics',
  { timeout: 60_000 },
  async (t) => {
    const proxy = await fleet.freePort();
    await settings({
      proxyHttpPort: proxy,
      outboundClusterStatName: 'out_%SERVICE_FQDN%_%SERVICE_PORT_NAME%',
    });
    const host = `app.test:${fleet.port}`;
    const path = `http://${host}/by-proxy`;
    const ask = () => fleet.ask(host, { port: proxy, path }).catch(() => ({ status: 0, path: '' }));
    await until(5_000, async () => (await ask()).status === 200);
    t.equal((await ask()).path, '/by-proxy');
    t.ok((await client.stat('cluster.out_app.test_http;.upstream_rq_total')) > 0, 'by the pattern');
  },
);

t.test('unknown hosts looked up when they are called', { timeout: 60_000 }, async (t) => {
  const local = await fleet.add('local', '127.0.0.1', 0);
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-settings-'));
  const ca = new TestCa('servers');
  writeFileSync(join(folder, 'ca.pem'), ca.cert);
  const secure = createServer(ca.issue({ names: ['localhost'] }), (request, response) => {
    const { servername } = request.socket as TLSSocket;
    response.end(JSON.stringify({ name: `secure ${servername}` }));
  });
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    secure.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const { port } = secure.address() as AddressInfo;
  /** By the HTTP proxy. */
  const ask = async (host: string) => {
    const { name, status } = await fleet.ask(host, { port: 15001, fresh: true });
    return name || status;
  };
  await settings({});
  const none = () => ask(`localhost:${local}`).catch(() => 0);
  await until(5_000, async () => (await none()) === 502);
  t.pass('REGISTRY_ONLY');
  const policy = (more: object = {}) =>
    settings({ outboundTrafficPolicy: { mode: 'ALLOW_ANY_DYNAMIC_DNS', ...more } });
  await policy();
  await until(5_000, async () => (await ask(`localhost:${local}`)) === 'local');
  t.equal(await ask('nowhere.invalid:80'), 503, 'a name that there is not');
  t.equal(await ask(`app.test:${fleet.port}`), 'v1', 'known hosts are as ever');
  await policy({ tls: { mode: 'SIMPLE', caCertificates: join(folder, 'ca.pem') } });
  await until(5_000, async () => (await ask(`localhost:${port}`)) === 'secure localhost');
  t.equal(await ask(`127.0.0.1:${port}`), 503, 'the certificate is of another name');
  await policy({ tls: { mode: 'SIMPLE', insecureSkipVerify: true } });
  await until(5_000, async () => `${await ask(`127.0.0.1:${port}`)}`.startsWith('secure'));
  t.pass('which insecureSkipVerify does not mind');
});

t.test('outlier detection by other statuses', { timeout: 60_000 }, async (t) => {
  await settings({});
  const policy = {
    loadBalancer: { simple: 'ROUND_ROBIN' },
    outlierDetection: {
      consecutive5xxErrors: 2,
      outlierDetectionHttpErrorCodes: [429, 404],
      maxEjectionPercent: 100,
      baseEjectionTime: '60s',
    },
  };
  await write('codes', service('codes', { policy, members: ['v1', 'v2'] }));
  const failing = (status: number) => ({ 'x-fail': 'v1', 'x-status': String(status) });
  const ask = async (status: number) =>
    countByName(await fleet.askInTurn(8, 'codes.test', { headers: failing(status) }));
  t.strictSame(await ask(500), { v2: 4, 500: 4 }, '500 is no error here');
  t.strictSame(await ask(500), { v2: 4, 500: 4 }, 'however often');
  await ask(429);
  await until(10_000, async () => (await ask(429))['v2'] === 8);
  t.equal(await stat('codes', 'outlier_detection.ejections_active'), 1, '429 is one');
});
