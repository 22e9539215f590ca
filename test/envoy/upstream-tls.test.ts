// TLS from a sidecar to a service (DestinationRule tls), the PROXY header, and tunnels: what a real server saw. As
// Istio documents ClientTLSSettings: SIMPLE checks the server, MUTUAL shows a certificate, names come from the rule,
// the ServiceEntry or the request.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';
import { exchange } from './tcp-client.js';

const ca = new TestCa('servers');
const clients = new TestCa('clients');
const folder = mkdtempSync(join(tmpdir(), 'fairlead-tls-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const fileOf = (name: string, content: string) => {
  writeFileSync(`${join(folder, name)}.new`, content);
  renameSync(`${join(folder, name)}.new`, join(folder, name));
  return join(folder, name);
};
const server = ca.issue({ names: ['good.test', 'alias.test'], commonName: 'server' });
const client = clients.issue({ commonName: 'client-1' });
const trusted = fileOf('ca.pem', ca.cert);
const stranger = fileOf('stranger.pem', new TestCa('stranger').cert);
const clientCertificate = fileOf('client.pem', client.cert);
const privateKey = fileOf('client.key', client.key);

const { fleet, mesh, write } = await startFleetMesh(['v1']);

/** What the servers said of the last request. */
interface Seen {
  sni: string | false | null;
  peer: string;
}
let seen: Seen | undefined;
const secure = createServer(
  { ...server, ca: clients.cert, requestCert: true, rejectUnauthorized: false },
  (request: IncomingMessage, response) => {
    const socket = request.socket as TLSSocket;
    const peer = socket.authorized ? `${socket.getPeerCertificate().subject.CN}` : 'nobody';
    seen = { sni: socket.servername, peer };
    response.setHeader('connection', 'close');
    response.end('{"name":"secure"}');
  },
);
await new Promise<void>((resolve) => secure.listen(0, fleet.at(60), resolve));
t.teardown(() => secure.close());
const securePort = (secure.address() as AddressInfo).port;

/** Plain HTTP for the application at `host`, and what the rule says towards the TLS server. */
function originated(host: string, policy: object, extra: object = {}): object[] {
  const name = host.replace('.', '-');
  const entry = resource('ServiceEntry', name, {
    hosts: [host],
    resolution: 'STATIC',
    ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP', targetPort: securePort }],
    endpoints: [{ address: fleet.at(60) }],
    ...extra,
  });
  return [entry, resource('DestinationRule', name, { host, trafficPolicy: policy })];
}

async function ask(host: string): Promise<number> {
  seen = undefined;
  return (await fleet.ask(host, { fresh: true })).status;
}

t.test('SIMPLE', { timeout: 60_000 }, async (t) => {
  const simple = (more: object) => ({ tls: { mode: 'SIMPLE', ...more } });
  await write('simple', [
    ...originated('good.test', simple({ caCertificates: trusted })),
    ...originated('bad.test', simple({ caCertificates: trusted })),
    ...originated('sni.test', simple({ caCertificates: trusted, sni: 'good.test' })),
    ...originated(
      'sans.test',
      simple({ caCertificates: trusted, sni: 'x.test', subjectAltNames: ['alias.test'] }),
    ),
    ...originated(
      'wrong-sans.test',
      simple({ caCertificates: trusted, sni: 'x.test', subjectAltNames: ['other.test'] }),
    ),
    ...originated('entry-sans.test', simple({ caCertificates: trusted, sni: 'x.test' }), {
      subjectAltNames: ['other.test'],
    }),
    ...originated('stranger.test', simple({ caCertificates: stranger, sni: 'good.test' })),
    ...originated('blind.test', simple({ insecureSkipVerify: true })),
    ...originated('plain.test', { tls: { mode: 'DISABLE' } }),
  ]);
  t.equal(await ask('good.test'), 200);
  t.strictSame(seen, { sni: 'good.test', peer: 'nobody' }, 'the host asked for is name and SNI');
  t.equal(await ask('bad.test'), 503, 'the certificate is for another host');
  t.equal(await ask('sni.test'), 200, 'with a fixed SNI the name is not checked');
  t.equal(seen?.sni, 'good.test');
  t.equal(await ask('sans.test'), 200);
  t.equal(seen?.sni, 'x.test');
  t.equal(await ask('wrong-sans.test'), 503, 'none of subjectAltNames');
  t.equal(await ask('entry-sans.test'), 503, 'none of the ServiceEntry');
  t.equal(await ask('stranger.test'), 503, 'signed by another CA');
  t.equal(await ask('blind.test'), 200, 'insecureSkipVerify');
  t.equal(seen?.sni, 'blind.test');
  t.equal(await ask('plain.test'), 503, 'DISABLE is no TLS');
});

t.test('MUTUAL, and rotation of its files', { timeout: 60_000 }, async (t) => {
  await write(
    'mutual',
    [
      ...originated('good.test', {
        tls: { mode: 'MUTUAL', caCertificates: trusted, clientCertificate, privateKey },
      }),
    ].map((each) => renamed(each, 'mutual.test', { sni: 'good.test' })),
  );
  t.equal(await ask('mutual.test'), 200);
  t.strictSame(seen, { sni: 'good.test', peer: 'client-1' });
  const next = clients.issue({ commonName: 'client-2' });
  fileOf('client.key', next.key);
  fileOf('client.pem', next.cert);
  await until(10_000, async () => {
    await ask('mutual.test');
    return seen?.peer === 'client-2';
  });
  t.pass('files that are replaced count for new connections');
});

/** The same for another host. */
function renamed(each: object, host: string, tls: object): object {
  const { metadata, spec, ...rest } = each as { metadata: object; spec: Record<string, unknown> };
  const policy = spec['trafficPolicy'] as { tls: object } | undefined;
  return {
    ...rest,
    metadata: { ...metadata, name: host.replace('.', '-') },
    spec: {
      ...spec,
      ...(spec['hosts'] ? { hosts: [host] } : { host }),
      ...(policy && { trafficPolicy: { tls: { ...policy.tls, ...tls } } }),
    },
  };
}

t.test('the PROXY header', { timeout: 60_000 }, async (t) => {
  let first = '';
  const tcp = createTcpServer((socket: Socket) => {
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.endsWith('\r\n\r\n') || !text.includes('GET')) return;
      first = text;
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => tcp.listen(0, fleet.at(61), resolve));
  t.teardown(() => tcp.close());
  const { port } = tcp.address() as AddressInfo;
  const target = (host: string, version: string) =>
    originated(
      host,
      { proxyProtocol: { version } },
      {
        ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP', targetPort: port }],
        endpoints: [{ address: fleet.at(61) }],
      },
    );
  await write('proxied', [...target('v1.test', 'V1'), ...target('v2.test', 'V2')]);
  await ask('v1.test');
  t.match(first, /^PROXY TCP4 127\.[\d.]+ 127\.[\d.]+ \d+ \d+\r\nGET \/ HTTP/);
  await ask('v2.test');
  t.ok(first.startsWith('\r\n\r\n\0\r\nQUIT\n\x21\x11'), 'version 2, PROXY, TCP over IPv4');
});

t.test('a tunnel through a proxy', { timeout: 60_000 }, async (t) => {
  const asked: string[] = [];
  const proxy = createHttpServer();
  proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`${request.method} ${request.url}`);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.on('data', (data) => socket.write(`tunnelled:${data}`));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => proxy.listen(0, fleet.at(62), resolve));
  t.teardown(() => proxy.close());
  const port = await fleet.freePort();
  await write('tunnel', [
    resource('ServiceEntry', 'tunnel', {
      hosts: ['tunnel.test'],
      resolution: 'STATIC',
      ports: [
        {
          number: port,
          name: 'tcp',
          protocol: 'TCP',
          targetPort: (proxy.address() as AddressInfo).port,
        },
      ],
      endpoints: [{ address: fleet.at(62) }],
    }),
    resource('DestinationRule', 'tunnel', {
      host: 'tunnel.test',
      trafficPolicy: { tunnel: { targetHost: 'inner.example.com', targetPort: 443 } },
    }),
  ]);
  const { text } = await exchange({ host: fleet.at(1), port }, 'hello', {
    enough: (all) => all.endsWith('hello'),
  });
  t.equal(text, 'tunnelled:hello');
  t.strictSame(asked, ['CONNECT inner.example.com:443']);
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
