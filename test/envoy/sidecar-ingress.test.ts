// Ports that a Sidecar has its workload serve: TLS that the sidecar terminates (Istio's task "Ingress Sidecar TLS
// Termination", by files), and listeners at places of their own. What clients and applications saw, without
// interception first, then with it (root and network namespaces).
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { LiveMesh, until } from './live-mesh.js';
import { exchange, tcpBackend } from './tcp-client.js';

t.setTimeout(180_000);
const [ca, clients] = [new TestCa('servers'), new TestCa('clients')];
const folder = mkdtempSync(join(tmpdir(), 'fairlead-ingress-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const fileOf = (name: string, content: string) => {
  writeFileSync(`${join(folder, name)}.new`, content);
  renameSync(`${join(folder, name)}.new`, join(folder, name));
  return join(folder, name);
};
const server = ca.issue({ names: ['app.test'], commonName: 'first' });
const files = {
  serverCertificate: fileOf('server.pem', server.cert),
  privateKey: fileOf('server.key', server.key),
};
const caCertificates = fileOf('clients.pem', clients.cert);
const client = clients.issue({ commonName: 'client' });
const stranger = new TestCa('stranger').issue({ commonName: 'stranger' });

const trusting = { ca: ca.cert, servername: 'app.test' };

/** The whole answer of one HTTPS request, or why there was none. */
function ask(host: string, port: number, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      { host, port, path: '/', agent: false, headers: { host: 'app' }, ...trusting, ...options },
      (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve(JSON.parse(body || '{}').name ?? ''));
      },
    );
    sent.on('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(`error ${code}`));
    sent.end();
  });
}

/** The name on the certificate that is shown. */
function shown(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host, port, ...trusting }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

t.test('without interception', { timeout: 90_000 }, async (t) => {
  const { fleet, mesh, write } = await startFleetMesh(['v1']);
  const [app, elsewhere] = [fleet.at(4), fleet.at(5)];
  const local = await fleet.add('local', '127.0.0.1', 0);
  const tcp = await tcpBackend('127.0.0.1', 'tcp');
  t.teardown(() => tcp.close());
  await mesh.sidecar(app, { name: 'app', labels: { app: 'app' } });
  await mesh.synced(3);
  const ports = [];
  for (let i = 0; i < 6; i++) ports.push(await fleet.freePort());
  const [simple, mutual, optional, opaque, modern, bound] = ports as [
    ...[number, number, number, number, number, number],
  ];
  const defaultEndpoint = `127.0.0.1:${local}`;
  const entry = (number: number, protocol: string, tls?: object, more = {}) => ({
    port: { number, protocol, name: `p${number}` },
    defaultEndpoint,
    ...(tls && { tls: { ...files, ...tls } }),
    ...more,
  });
  const spec = {
    workloadSelector: { labels: { app: 'app' } },
    ingress: [
      entry(simple, 'HTTPS', { mode: 'SIMPLE' }),
      entry(mutual, 'HTTPS', { mode: 'MUTUAL', caCertificates }),
      entry(optional, 'HTTPS', { mode: 'OPTIONAL_MUTUAL', caCertificates }),
      entry(opaque, 'TLS', { mode: 'SIMPLE' }, { defaultEndpoint: `127.0.0.1:${tcp.port}` }),
      entry(modern, 'HTTPS', { mode: 'SIMPLE', minProtocolVersion: 'TLSV1_3' }),
      entry(bound, 'HTTP', undefined, { bind: elsewhere }),
    ],
  };
  await write('sidecar', [resource('Sidecar', 'app', spec)]);
  await until(10_000, async () => (await ask(app, modern)) === 'local');

  await t.test('TLS of mode SIMPLE', async (t) => {
    t.equal(await ask(app, simple), 'local', 'HTTP behind it');
    t.match(await ask(app, simple, { ca: clients.cert }), /^error/, 'its certificate is checked');
    const { text, end } = await exchange({ host: app, port: simple }, 'GET / HTTP/1.1\r\n\r\n');
    t.ok(text === '' && (end === 'closed' || end === 'reset'), 'plain text is turned away');
    const session = connectHttp2(`https://${app}:${simple}`, trusting);
    const stream = session.request({ ':path': '/', ':authority': 'app' });
    const status = await new Promise((resolve, reject) => {
      stream.on('response', (headers) => resolve(headers[':status']));
      stream.on('error', reject);
    });
    session.destroy();
    t.equal(status, 200, 'HTTP/2 by ALPN');
  });

  await t.test("clients' certificates", async (t) => {
    t.match(await ask(app, mutual), /^error/, 'MUTUAL: none');
    t.match(await ask(app, mutual, stranger), /^error/, 'MUTUAL: of a stranger');
    t.equal(await ask(app, mutual, client), 'local', 'MUTUAL: good');
    t.equal(await ask(app, optional), 'local', 'OPTIONAL_MUTUAL: none');
    t.equal(await ask(app, optional, client), 'local', 'OPTIONAL_MUTUAL: good');
    t.match(await ask(app, optional, stranger), /^error/, 'OPTIONAL_MUTUAL: of a stranger');
  });

  await t.test('TLS in front of TCP', async (t) => {
    const text = await new Promise((resolve, reject) => {
      const socket = connect({ host: app, port: opaque, ...trusting }, () => socket.write('hello'));
      socket.on('data', (data) => {
        resolve(String(data));
        socket.destroy();
      });
      socket.on('error', reject);
    });
    t.equal(text, 'tcp:hello');
  });

  await t.test('the lowest version', async (t) => {
    t.match(await ask(app, modern, { maxVersion: 'TLSv1.2' }), /^error/);
    t.equal(await ask(app, simple, { maxVersion: 'TLSv1.2' }), 'local', 'where none is said');
  });

  await t.test('bind', async (t) => {
    t.equal((await fleet.ask('app', { via: elsewhere, port: bound })).name, 'local');
    t.equal(
      (await exchange({ host: app, port: bound }, 'x')).end,
      'refused',
      'not where the others are',
    );
  });

  await t.test('certificates that are replaced', async (t) => {
    t.equal(await shown(app, simple), 'first');
    const next = ca.issue({ names: ['app.test'], commonName: 'second' });
    fileOf('server.key', next.key);
    fileOf('server.pem', next.cert);
    await until(10_000, async () => (await shown(app, simple)) === 'second');
    t.equal(await ask(app, simple), 'local');
  });

  t.strictSame(
    mesh.log.filter(({ level }) => level === 'error'),
    [],
    'Envoy took everything',
  );
});

const backend = JSON.stringify(fileURLToPath(new URL('./tcp-client.ts', import.meta.url)));

t.test('with interception', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod();
  const spec = {
    ingress: [
      {
        port: { number: 8443, protocol: 'TLS', name: 'tls' },
        defaultEndpoint: '127.0.0.1:9000',
        tls: { mode: 'SIMPLE', ...files },
      },
      {
        port: { number: 8081, protocol: 'TCP', name: 'own' },
        captureMode: 'NONE',
        bind: '127.0.0.9',
        defaultEndpoint: '127.0.0.1:9000',
      },
      {
        port: { number: 8082, protocol: 'TCP', name: 'usual' },
        captureMode: 'NONE',
        defaultEndpoint: '127.0.0.1:9000',
      },
    ],
  };
  const mesh = new LiveMesh({ 'sidecar.yaml': documents(resource('Sidecar', 'default', spec)) });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp();
  await mesh.startServer();
  await pod.serve(
    'pod',
    `
    import { tcpBackend } from ${backend};
    await tcpBackend('127.0.0.1', 'app', { port: 9000 });
    console.log('ready');`,
  );
  await pod.startSidecar(mesh.server.xds[0] ?? '', {});
  // A whole line: at a port that is not declared Envoy waits for one to tell HTTP from other traffic.
  const plain = (host: string, port: number) => `
    import { exchange } from ${backend};
    console.log(JSON.stringify(await exchange({ host: '${host}', port: ${port} }, 'hello\\n')));`;
  t.match(await pod.run('pod', plain('127.0.0.9', 8081)), { text: 'app:hello' }, 'bind');
  t.match(await pod.run('world', plain(pod.ip, 8082)), { text: 'app:hello' }, 'captureMode NONE');
  t.equal(await pod.stat('^listener.10.77.1.2_8082.downstream_cx_total'), 1, 'by its own listener');
  const secure = await pod.run(
    'world',
    `
    import { connect } from 'node:tls';
    const options = ${JSON.stringify({ host: pod.ip, port: 8443, ...trusting })};
    const socket = connect(options, () => socket.write('hello'));
    socket.on('data', (data) => {
      console.log(JSON.stringify(String(data)));
      process.exit();
    });
    socket.on('error', ({ message }) => console.log(JSON.stringify(message)));`,
  );
  t.equal(secure, 'app:hello', 'TLS at a captured port');
});
