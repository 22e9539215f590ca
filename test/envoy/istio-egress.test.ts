// Istio's tasks on egress, with interception (root and network namespaces): accessing external services, with
// ALLOW_ANY, REGISTRY_ONLY and ServiceEntries, and TLS origination. Names, ports and API objects are those of the tasks
// and of samples/bookinfo/networking/egress-rule-google-apis; the sites are servers outside the namespace of the
// workload, with certificates of the test's own CA, which is therefore named by caCertificates. Then what a Sidecar
// says of unknown destinations.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';

t.setTimeout(120_000);
const sites = ['edition.cnn.com', 'www.google.com', 'httpbin.org', 'www.googleapis.com'];
const folder = mkdtempSync(join(tmpdir(), 'fairlead-egress-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const ca = new TestCa('public');
const caCertificates = join(folder, 'ca.pem');
writeFileSync(caCertificates, ca.cert);

/** Plain HTTP sends visitors of edition.cnn.com to HTTPS, as the real one does; /delay/N answers after N seconds. */
const world = (host: string) => `
  import { createServer } from 'node:http';
  import { createServer as createSecure } from 'node:https';
  const answer = (scheme) => (request, response) => {
    const { host } = request.headers;
    if (scheme === 'http' && host === 'edition.cnn.com') {
      response.writeHead(301, { location: 'https://' + host + request.url });
      response.end();
      return;
    }
    const seconds = /^.delay.(\\d+)/.exec(request.url)?.[1] ?? 0;
    setTimeout(() => response.end(scheme + ' ' + host), seconds * 1000);
  };
  const { key, cert } = ${JSON.stringify(ca.issue({ names: sites, commonName: 'sites' }))};
  const plain = createServer(answer('http'));
  await new Promise((resolve) => plain.listen(80, '${host}', resolve));
  const secure = createSecure({ key, cert }, answer('https'));
  await new Promise((resolve) => secure.listen(443, '${host}', resolve));
  console.log('ready');`;

/** One step on the way of a request: its status and body, or 0 for a connection that failed. */
interface Step {
  status: number;
  body: string;
}

/** As `curl -sL URL` from the workload, all at the same time: the steps of each. */
async function curl(pod: CapturedPod, ...urls: string[]): Promise<Step[][]> {
  const script = `
    import { get } from 'node:http';
    import { get as getSecure } from 'node:https';
    const ca = ${JSON.stringify(ca.cert)};
    const visit = (url) => new Promise((resolve) => {
      const sent = (url.startsWith('https') ? getSecure : get)(url, { ca, agent: false }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', async () => {
          const { statusCode: status, headers } = response;
          const next = headers.location === undefined ? [] : await visit(headers.location);
          resolve([{ status, body }, ...next]);
        });
      });
      sent.setTimeout(8000, () => sent.destroy());
      sent.on('error', (error) => resolve([{ status: 0, body: String(error.code) }]));
    });
    console.log(JSON.stringify(await Promise.all(${JSON.stringify(urls)}.map(visit))));`;
  return (await pod.run('pod', script)) as Step[][];
}

const statuses = (steps: Step[][]) => steps.map((each) => each.map(({ status }) => status));

const mode = (name: string) =>
  documents({
    apiVersion: 'mesh.istio.io/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { outboundTrafficPolicy: { mode: name } },
  });

const external = (name: string, hosts: string[], ...ports: object[]) =>
  resource('ServiceEntry', name, { hosts, ports, resolution: 'DNS', location: 'MESH_EXTERNAL' });

const simple = { mode: 'SIMPLE', caCertificates };

const google = external('google', ['www.google.com'], {
  number: 443,
  name: 'https',
  protocol: 'HTTPS',
});
const httpbin = external('httpbin-ext', ['httpbin.org'], {
  number: 80,
  name: 'http',
  protocol: 'HTTP',
});
const httpbinTimeout = resource('VirtualService', 'httpbin-ext', {
  hosts: ['httpbin.org'],
  http: [{ timeout: '3s', route: [{ destination: { host: 'httpbin.org' }, weight: 100 }] }],
});

/** The task first goes out as it is, then at the port of TLS. */
const cnn = (more: object) =>
  resource('ServiceEntry', 'edition-cnn-com', {
    hosts: ['edition.cnn.com'],
    ports: [
      { number: 80, name: 'http-port', protocol: 'HTTP', ...more },
      { number: 443, name: 'https-port', protocol: 'HTTPS' },
    ],
    resolution: 'DNS',
  });
const cnnRule = resource('DestinationRule', 'edition-cnn-com', {
  host: 'edition.cnn.com',
  trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: simple }] },
});

const googleapis = [
  resource('ServiceEntry', 'googleapis', {
    hosts: ['www.googleapis.com'],
    ports: [
      { number: 80, name: 'http', protocol: 'HTTP' },
      { number: 443, name: 'https', protocol: 'HTTPS' },
    ],
    resolution: 'DNS',
  }),
  resource('VirtualService', 'rewrite-port-for-googleapis', {
    hosts: ['www.googleapis.com'],
    http: [
      {
        match: [{ port: 80 }],
        route: [{ destination: { host: 'www.googleapis.com', port: { number: 443 } } }],
      },
    ],
  }),
  resource('DestinationRule', 'originate-tls-for-googleapis', {
    host: 'www.googleapis.com',
    trafficPolicy: {
      loadBalancer: { simple: 'ROUND_ROBIN' },
      portLevelSettings: [{ port: { number: 443 }, tls: simple }],
    },
  }),
];

t.test('egress', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod();
  const mesh = new LiveMesh({ 'mesh.yaml': mode('ALLOW_ANY') });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp();
  pod.knowHosts(...sites);
  await mesh.startServer();
  await Promise.all([
    pod.serve('world', world(pod.outsideIp)),
    pod.startSidecar(mesh.server.xds[0] ?? '', { app: 'curl' }),
  ]);
  await mesh.synced();
  const apply = (...resources: object[]) =>
    mesh.applied(() => mesh.write('applied.yaml', documents(...resources)));

  await t.test('accessing external services', async (t) => {
    const secure = ['https://www.google.com/', 'https://edition.cnn.com/'];
    t.strictSame(statuses(await curl(pod, ...secure)), [[200], [200]], 'ALLOW_ANY');
    await mesh.applied(() => mesh.write('mesh.yaml', mode('REGISTRY_ONLY')));
    t.strictSame(statuses(await curl(pod, ...secure)), [[0], [0]], 'REGISTRY_ONLY');

    await apply(httpbin, google);
    const known = await curl(pod, 'http://httpbin.org/headers', ...secure);
    t.strictSame(statuses(known), [[200], [200], [0]], 'ServiceEntries for HTTP and for HTTPS');
    t.equal(known[0]?.[0]?.body, 'http httpbin.org');

    const started = performance.now();
    await apply(httpbin, google, httpbinTimeout);
    const slow = await curl(pod, 'http://httpbin.org/delay/5');
    const tookMs = performance.now() - started;
    t.strictSame(statuses(slow), [[504]], 'a time-out of 3 s for an answer after 5 s');
    t.ok(tookMs > 2_900, `${tookMs.toFixed(0)} ms`);
  });

  await t.test('TLS origination', async (t) => {
    const page = 'edition.cnn.com/politics';
    await apply(cnn({}));
    const plain = await curl(pod, `http://${page}`, `https://${page}`);
    t.strictSame(statuses(plain), [[301, 200], [200]], 'without it: sent to HTTPS');
    await apply(cnn({ targetPort: 443 }), cnnRule);
    const originated = await curl(pod, `http://${page}`, `https://${page}`);
    t.strictSame(statuses(originated), [[200], [200]], 'with it: at once');
    t.equal(originated[0]?.[0]?.body, 'https edition.cnn.com', 'by TLS');
    await apply(...googleapis);
    const rewritten = await curl(pod, 'http://www.googleapis.com/books', 'https://www.google.com/');
    t.strictSame(statuses(rewritten), [[200], [0]]);
    t.equal(rewritten[0]?.[0]?.body, 'https www.googleapis.com', 'by a rule from port 80 to 443');
  });

  await t.test('a Sidecar for unknown destinations', async (t) => {
    const urls = ['http://www.google.com/', 'https://www.google.com/', 'http://httpbin.org/'];
    const policy = (name: string) =>
      resource('Sidecar', 'default', {
        workloadSelector: { labels: { app: 'curl' } },
        egress: [{ hosts: ['./*'] }],
        outboundTrafficPolicy: { mode: name },
      });
    await apply(httpbin);
    t.strictSame(
      statuses(await curl(pod, ...urls)),
      [[502], [0], [200]],
      'the mesh: REGISTRY_ONLY',
    );
    await apply(httpbin, policy('ALLOW_ANY'));
    t.strictSame(statuses(await curl(pod, ...urls)), [[200], [200], [200]], 'ALLOW_ANY');
    await mesh.applied(() => mesh.write('mesh.yaml', mode('ALLOW_ANY')));
    await apply(httpbin, policy('REGISTRY_ONLY'));
    t.strictSame(statuses(await curl(pod, ...urls)), [[502], [0], [200]], 'REGISTRY_ONLY');
  });
});
