// Istio's tasks on ingress, through a real Envoy as ingress gateway: Ingress Gateways, Secure Gateways, Ingress Gateway
// without TLS Termination, and TCP traffic shifting by way of the gateway. Names, ports and API objects are those of the
// tasks; the gateway runs in istio-system, with the Secrets, and its Service leads to ports that need no privileges.
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { type KeyPair, TestCa } from '../xds/certificates.js';
import { documents, Fleet, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';
import { get } from './load.js';
import { tally, tcpBackend } from './tcp-client.js';

t.setTimeout(120_000);
const fleet = await Fleet.start([]);
const mesh = new LiveMesh({});
t.teardown(async () => {
  await mesh.stop();
  await fleet.stop();
});
const at = fleet.at(1);
const ports = [];
for (let i = 0; i < 4; i++) ports.push(await fleet.freePort());
const [http, https, tcp, echo] = ports as [number, number, number, number];

/** httpbin and helloworld, as far as the tasks call them. */
const httpbin = createServer(({ url = '' }, response) => {
  response.writeHead(Number(/^.status.(\d+)/.exec(url)?.[1] ?? 200));
  response.end('httpbin');
});
const helloworld = createServer((_incoming, response) => response.end('Hello version: v1'));
const nginx = createTlsServer(
  new TestCa('nginx').issue({ names: ['nginx.example.com'], commonName: 'nginx.example.com' }),
  (socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nnginx'),
);
for (const [i, server] of [httpbin, helloworld, nginx].entries()) {
  await new Promise<void>((resolve) => server.listen(0, fleet.at(60 + i), resolve));
  t.teardown(() => server.close());
}
const echoes = await Promise.all(
  ['one', 'two'].map((name, i) => tcpBackend(fleet.at(70 + i), name, { port: echo })),
);
t.teardown(() => Promise.all(echoes.map((echo) => echo.close())));

const service = (name: string, port: object, namespace = 'default') => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } },
  spec: { selector: { app: name }, ports: [{ name: 'http', ...port }] },
});
const workload = (app: string, address: string, version = 'v1') =>
  resource('WorkloadEntry', `${app}-${version}`, { address, labels: { app, version } });
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

mesh.write(
  'services.yaml',
  documents(
    {
      ...{ apiVersion: 'v1', kind: 'Service' },
      metadata: { name: 'istio-ingressgateway', namespace: 'istio-system' },
      spec: {
        selector: { istio: 'ingressgateway' },
        ports: [
          { name: 'http2', port: 80, targetPort: http },
          { name: 'https', port: 443, targetPort: https },
          { name: 'tcp', port: 31400, targetPort: tcp },
        ],
      },
    },
    service('httpbin', { port: 8000, targetPort: portOf(httpbin) }),
    workload('httpbin', fleet.at(60)),
    service('helloworld', { port: 5000, targetPort: portOf(helloworld) }),
    workload('helloworld', fleet.at(61)),
    service('my-nginx', { name: 'https', port: 443, targetPort: portOf(nginx) }),
    workload('my-nginx', fleet.at(62)),
    service('tcp-echo', { name: 'tcp', port: 9000, targetPort: echo }),
    workload('tcp-echo', fleet.at(70)),
    workload('tcp-echo', fleet.at(71), 'v2'),
  ),
);
await mesh.startServer();
await mesh.sidecar(at, {
  ...{ type: 'router', name: 'istio-ingressgateway', namespace: 'istio-system' },
  labels: { istio: 'ingressgateway', app: 'istio-ingressgateway' },
});
await mesh.synced();

async function apply(...resources: object[]): Promise<void> {
  await mesh.applied(() => mesh.write('applied.yaml', documents(...resources)));
  const problems = mesh.server.controlPlane.state.problems();
  const error = problems.find(({ severity }) => severity === 'error');
  if (error !== undefined) throw new Error(JSON.stringify(error));
}

const gateway = (name: string, ...servers: object[]) =>
  resource('Gateway', name, { selector: { istio: 'ingressgateway' }, servers });
const prefixes = (...paths: string[]) => paths.map((prefix) => ({ uri: { prefix } }));
const httpbinRule = (hosts: string[], gateways: string[], ...paths: string[]) =>
  resource('VirtualService', 'httpbin', {
    ...{ hosts, gateways },
    http: [
      {
        match: prefixes(...paths),
        route: [{ destination: { port: { number: 8000 }, host: 'httpbin' } }],
      },
    ],
  });

/** As `curl -s -I -HHost:HOST http://…`. */
const curl = (path: string, host?: string) =>
  get(`http://${at}:${http}${path}`, { headers: { ...(host && { host }) } });

/** As `curl --resolve HOST --cacert`: status and body, or the error. */
function curlSecure(host: string, path: string, ca: string, client?: KeyPair): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      {
        ...{ host: at, port: https, servername: host, path, ca, agent: false },
        ...{ headers: { host }, timeout: 5_000, ...client },
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve(`${response.statusCode} ${body}`));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer in 5 s')));
    sent.on('error', ({ code = 'error' }: NodeJS.ErrnoException) => resolve(code));
    sent.end();
  });
}

t.test('Ingress Gateways', { timeout: 60_000 }, async (t) => {
  const server = (host: string) => ({
    ...{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [host] },
  });
  await apply(
    gateway('httpbin-gateway', server('httpbin.example.com')),
    httpbinRule(['httpbin.example.com'], ['httpbin-gateway'], '/status', '/delay'),
  );
  const ok = await curl('/status/200', 'httpbin.example.com');
  t.strictSame([ok.status, ok.headers['server']], [200, 'istio-envoy']);
  t.equal((await curl('/headers', 'httpbin.example.com')).status, 404, 'not exposed');
  t.equal((await curl('/status/200')).status, 404, 'another host');

  await apply(
    gateway('httpbin-gateway', server('*')),
    httpbinRule(['*'], ['httpbin-gateway'], '/headers'),
  );
  t.equal((await curl('/headers')).status, 200, 'a browser, by address');
});

t.test('Secure Gateways', { timeout: 60_000 }, async (t) => {
  const [example, clients] = [new TestCa('example.com'), new TestCa('clients')];
  const issue = (ca: TestCa, host: string) => ca.issue({ names: [host], commonName: host });
  const credential = (name: string, { cert, key }: KeyPair, ca?: string) => ({
    ...{ apiVersion: 'v1', kind: 'Secret', type: ca ? 'Opaque' : 'kubernetes.io/tls' },
    metadata: { name, namespace: 'istio-system' },
    // As kubectl writes them.
    data: Object.fromEntries(
      Object.entries({ 'tls.crt': cert, 'tls.key': key, ...(ca && { 'ca.crt': ca }) }).map(
        ([name, text]) => [name, Buffer.from(text).toString('base64')],
      ),
    ),
  });
  const server = (name: string, credentialName: string, host: string, mode = 'SIMPLE') => ({
    port: { number: 443, name, protocol: 'HTTPS' },
    ...{ tls: { mode, credentialName }, hosts: [host] },
  });
  const rule = httpbinRule(['httpbin.example.com'], ['mygateway'], '/status', '/delay');
  const teapot = (ca: TestCa, client?: KeyPair) =>
    curlSecure('httpbin.example.com', '/status/418', ca.cert, client);

  const one = gateway('mygateway', server('https', 'httpbin-credential', 'httpbin.example.com'));
  const first = credential('httpbin-credential', issue(example, 'httpbin.example.com'));
  await apply(one, rule, first);
  t.equal(await teapot(example), '418 httpbin');
  const other = new TestCa('new example.com');
  await apply(one, rule, credential('httpbin-credential', issue(other, 'httpbin.example.com')));
  t.equal(await teapot(other), '418 httpbin', 'a credential that is replaced');
  t.match(await teapot(example), /CERT|UNABLE|SELF/, 'and the one before it is gone');

  const hosts = gateway(
    'mygateway',
    server('https-httpbin', 'httpbin-credential', 'httpbin.example.com'),
    server('https-helloworld', 'helloworld-credential', 'helloworld.example.com'),
  );
  await apply(
    ...[hosts, rule, first],
    credential('helloworld-credential', issue(example, 'helloworld.example.com')),
    resource('VirtualService', 'helloworld', {
      ...{ hosts: ['helloworld.example.com'], gateways: ['mygateway'] },
      http: [
        {
          match: [{ uri: { exact: '/hello' } }],
          route: [{ destination: { host: 'helloworld', port: { number: 5000 } } }],
        },
      ],
    }),
  );
  const hello = await curlSecure('helloworld.example.com', '/hello', example.cert);
  t.equal(hello, '200 Hello version: v1', 'several hosts');
  t.equal(await teapot(example), '418 httpbin');

  await apply(
    gateway('mygateway', server('https', 'httpbin-credential', 'httpbin.example.com', 'MUTUAL')),
    ...[
      rule,
      credential('httpbin-credential', issue(example, 'httpbin.example.com'), clients.cert),
    ],
  );
  t.notMatch(await teapot(example), /^\d/, 'mutual TLS without a certificate');
  const client = clients.issue({ commonName: 'client.example.com' });
  t.equal(await teapot(example, client), '418 httpbin', 'and with one');
});

t.test('Ingress Gateway without TLS Termination', { timeout: 60_000 }, async (t) => {
  await apply(
    gateway('mygateway', {
      port: { number: 443, name: 'https', protocol: 'HTTPS' },
      ...{ tls: { mode: 'PASSTHROUGH' }, hosts: ['nginx.example.com'] },
    }),
    resource('VirtualService', 'nginx', {
      ...{ hosts: ['nginx.example.com'], gateways: ['mygateway'] },
      tls: [
        {
          match: [{ port: 443, sniHosts: ['nginx.example.com'] }],
          route: [{ destination: { host: 'my-nginx', port: { number: 443 } } }],
        },
      ],
    }),
  );
  const shown = await new Promise((resolve) => {
    const options = { rejectUnauthorized: false, servername: 'nginx.example.com' };
    const sent = request({ host: at, port: https, agent: false, ...options }, (response) => {
      resolve([
        response.statusCode,
        (response.socket as TLSSocket).getPeerCertificate().subject.CN,
      ]);
      response.destroy();
    });
    sent.on('error', resolve);
    sent.end();
  });
  t.strictSame(shown, [200, 'nginx.example.com'], 'the certificate is that of the server');
});

t.test('TCP Traffic Shifting', { timeout: 60_000 }, async (t) => {
  const tcpGateway = gateway('tcp-echo-gateway', {
    ...{ port: { number: 31400, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] },
  });
  const rule = resource('DestinationRule', 'tcp-echo-destination', {
    host: 'tcp-echo',
    subsets: ['v1', 'v2'].map((version) => ({ name: version, labels: { version } })),
  });
  const route = (...weights: [string, number][]) =>
    resource('VirtualService', 'tcp-echo', {
      ...{ hosts: ['*'], gateways: ['tcp-echo-gateway'] },
      tcp: [
        {
          match: [{ port: 31400 }],
          route: weights.map(([subset, weight]) => ({
            destination: { host: 'tcp-echo', port: { number: 9000 }, subset },
            weight,
          })),
        },
      ],
    });
  await apply(tcpGateway, rule, route(['v1', 100]));
  t.strictSame(await tally({ host: at, port: tcp }, 'x', 10), { 'one:x': 10 });
  await apply(tcpGateway, rule, route(['v1', 80], ['v2', 20]));
  const { 'one:x': one = 0, 'two:x': two = 0 } = await tally({ host: at, port: tcp }, 'x', 150);
  // 120 of 150 expected, standard deviation 4.9.
  t.equal(one + two, 150);
  t.ok(Math.abs(one - 120) < 26, `80/20 gave ${one} and ${two}`);
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
