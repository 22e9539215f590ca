// Traffic that leaves by an egress gateway, through two real Envoys: a sidecar that may only call what is in the registry,
// and a router that goes on to the site. After Istio's tasks on egress gateways, TLS origination there, and wildcard
// hosts. Which way a request went is told by the gateway's counters; what left it by the site.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { GatewayMesh, secret } from './gateway-mesh.js';
import { until } from './live-mesh.js';
import { exchange } from './tcp-client.js';

const scene = await GatewayMesh.start(['v1'], {
  meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
});
const { fleet, mesh } = scene;
const [application, egressAt, siteAt] = [fleet.at(10), fleet.at(2), fleet.at(60)];
const [http, tls] = [await fleet.freePort(), await fleet.freePort()];
const egress = await scene.addRouter(egressAt, {}, 'egressgateway');
await mesh.sidecar(application, { name: 'application' });
await mesh.synced(3);

const [ca, clients] = [new TestCa('sites'), new TestCa('clients')];
const folder = mkdtempSync(join(tmpdir(), 'fairlead-egress-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const fileOf = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const caCertificates = fileOf('ca.pem', ca.cert);

/** What the site was asked last. */
let seen: { host?: string; sni?: string; peer?: string } = {};
function answer(request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket as Partial<TLSSocket>;
  const subject = socket.authorized ? socket.getPeerCertificate?.().subject.CN : undefined;
  const sni = socket.servername;
  seen = {
    host: `${request.headers.host}`,
    ...(typeof sni === 'string' && { sni }),
    ...(subject && { peer: String(subject) }),
  };
  // Certificates are shown once for each connection.
  response.setHeader('connection', 'close');
  response.end(JSON.stringify({ name: sni ? 'secure' : 'plain', path: request.url }));
}
const plainSite = createServer(answer);
const secureSite = createSecureServer(
  {
    ...ca.issue({ names: ['site.test', '*.wild.test'], commonName: 'site' }),
    ...{ ca: clients.cert, requestCert: true, rejectUnauthorized: false },
  },
  answer,
);
for (const site of [plainSite, secureSite]) {
  await new Promise<void>((resolve) => site.listen(0, siteAt, resolve));
  t.teardown(() => {
    site.closeAllConnections();
    site.close();
  });
}
const portOf = (server: typeof plainSite | typeof secureSite) =>
  (server.address() as AddressInfo).port;

const EGRESS = 'istio-egressgateway.default.svc.cluster.local';
const base = [
  {
    ...{ apiVersion: 'v1', kind: 'Service' },
    metadata: { name: 'istio-egressgateway', namespace: 'default' },
    spec: {
      clusterIP: '240.240.1.1',
      selector: { istio: 'egressgateway' },
      // 80 and 443 are privileged ports of the test's machine.
      ports: [
        { name: 'http2', port: 80, targetPort: http },
        { name: 'https', port: 443, targetPort: tls },
      ],
    },
  },
  resource('WorkloadEntry', 'istio-egressgateway', {
    ...{ address: egressAt, labels: { istio: 'egressgateway' } },
  }),
];
const ports = [
  { number: http, name: 'http', protocol: 'HTTP', targetPort: portOf(plainSite) },
  { number: tls, name: 'tls', protocol: 'TLS', targetPort: portOf(secureSite) },
];
const entry = (host: string, name = host.replaceAll(/[*.]/g, '-').replace(/^-+/, '')) =>
  resource('ServiceEntry', name, {
    ...{ hosts: [host], ports, resolution: 'STATIC', location: 'MESH_EXTERNAL' },
    endpoints: [{ address: siteAt }],
  });
const gateway = (...servers: Parameters<typeof scene.gateway>[1]) =>
  scene.gateway(
    'istio-egressgateway',
    servers.map((server) => ({ bind: egressAt, ...server })),
    { istio: 'egressgateway' },
  );
const to = (host: string, number: number, subset?: string) => [
  { destination: { host, port: { number }, ...(subset && { subset }) } },
];

/** HTTP from the application to the gateway, and from there to this port of the site. */
const viaGateway = (host: string, port: number) =>
  resource('VirtualService', 'direct-through-egress-gateway', {
    ...{ hosts: [host], gateways: ['istio-egressgateway', 'mesh'] },
    http: [
      { match: [{ gateways: ['mesh'], port: http }], route: to(EGRESS, 80, 'site') },
      { match: [{ gateways: ['istio-egressgateway'], port: 80 }], route: to(host, port) },
    ],
  });
const egressRule = resource('DestinationRule', 'egressgateway-for-site', {
  ...{ host: EGRESS, subsets: [{ name: 'site' }] },
});

const ask = (host: string, path = '/') =>
  fleet.ask(host, { via: application, port: http, path, fresh: true });
const passed = (host: string, port: number, what = 'upstream_rq_total') =>
  egress.stat(`cluster.outbound|${port}||${host};.${what}`);

t.test('HTTP by way of the gateway', { timeout: 60_000 }, async (t) => {
  const server = { port: 80, hosts: ['site.test'] };
  await scene.write('egress', [...base, entry('other.test')]);
  t.equal((await ask('site.test')).status, 502, 'REGISTRY_ONLY: not known');
  await scene.write('egress', [...base, entry('site.test')]);
  t.equal((await ask('site.test')).name, 'plain', 'known: at once');
  t.equal(await passed('site.test', http), 0, 'and not by the gateway');

  await scene.write('egress', [
    ...[...base, entry('site.test'), entry('other.test'), egressRule],
    ...[gateway(server), viaGateway('site.test', http)],
  ]);
  const { status, name, path } = await ask('site.test', '/a?b');
  t.strictSame([status, name, path], [200, 'plain', '/a?b']);
  t.strictSame(seen, { host: 'site.test' });
  t.equal(await passed('site.test', http), 1, 'by the gateway');
  t.equal((await ask('other.test')).name, 'plain');
  t.equal(await passed('other.test', http), 0, 'another host is called as before');
  t.equal((await ask('unknown.test')).status, 502, 'one that is in no registry');
  const direct = await fleet.ask('other.test', { via: egressAt, port: http });
  t.equal(direct.status, 404, 'the gateway itself passes on only what it has a rule for');

  await scene.write('egress', [...base, entry('other.test'), egressRule, gateway(server)]);
  t.equal((await ask('site.test')).status, 502, 'when the ServiceEntry goes');
});

t.test('TLS origination at the gateway', { timeout: 60_000 }, async (t) => {
  const originate = (tlsSettings: object) =>
    resource('DestinationRule', 'originate-tls-for-site', {
      host: 'site.test',
      trafficPolicy: {
        portLevelSettings: [{ port: { number: tls }, tls: { sni: 'site.test', ...tlsSettings } }],
      },
    });
  const resources = (tlsSettings: object) => [
    ...[...base, entry('site.test'), egressRule, viaGateway('site.test', tls)],
    ...[gateway({ port: 80, hosts: ['site.test'] }), originate(tlsSettings)],
  ];
  await scene.write('egress', resources({ mode: 'SIMPLE', caCertificates }));
  const answers = await ask('site.test');
  t.equal(answers.name, 'secure', 'plain HTTP of the application is TLS at the site');
  t.strictSame(seen, { host: 'site.test', sni: 'site.test' });
  t.equal(await passed('site.test', tls, 'ssl.handshake'), 1, 'of the gateway');

  const client = clients.issue({ commonName: 'egress' });
  await scene.write(
    'egress',
    resources({
      ...{ mode: 'MUTUAL', caCertificates },
      clientCertificate: fileOf('client.pem', client.cert),
      privateKey: fileOf('client.key', client.key),
    }),
  );
  t.equal((await ask('site.test')).name, 'secure');
  t.equal(seen.peer, 'egress', 'MUTUAL by files');

  const byCredential = (commonName: string, trusted = ca) => [
    ...resources({ mode: 'MUTUAL', credentialName: 'client' }),
    secret('client', { ...clients.issue({ commonName }), ca: trusted.cert }),
  ];
  await scene.write('egress', byCredential('one'));
  t.equal((await ask('site.test')).name, 'secure');
  t.equal(seen.peer, 'one', 'MUTUAL by a Secret');
  await scene.write('egress', byCredential('two'));
  await until(10_000, async () => {
    await ask('site.test');
    return seen.peer === 'two';
  });
  t.pass('which is replaced');
  await scene.write('egress', byCredential('two', new TestCa('stranger')));
  t.equal((await ask('site.test')).status, 503, 'and checks the site by its ca.crt');

  const stranger = fileOf('stranger.pem', new TestCa('stranger').cert);
  await scene.write('egress', resources({ mode: 'SIMPLE', caCertificates: stranger }));
  t.equal((await ask('site.test')).status, 503, 'a site that is not trusted');
});

t.test('TLS of the application, passed through', { timeout: 60_000 }, async (t) => {
  const hosts = ['site.test', '*.wild.test'];
  const rule = (host: string, target: string) =>
    resource('VirtualService', `through-${target.replace('.', '-')}`, {
      ...{ hosts: [host], gateways: ['istio-egressgateway', 'mesh'] },
      tls: [
        { match: [{ gateways: ['mesh'], port: tls, sniHosts: [host] }], route: to(EGRESS, 443) },
        {
          match: [{ gateways: ['istio-egressgateway'], port: 443, sniHosts: [host] }],
          route: to(target, tls),
        },
      ],
    });
  const server = { port: 443, protocol: 'TLS', hosts, tls: { mode: 'PASSTHROUGH' } };
  await scene.write('egress', [
    ...[...base, entry('site.test'), gateway(server), rule('site.test', 'site.test')],
    // All of the sites of a domain are reached by one of them.
    ...[entry('*.wild.test'), entry('www.wild.test'), rule('*.wild.test', 'www.wild.test')],
  ]);
  const open = (servername: string) =>
    scene.askSecure(tls, servername, { host: application, ca: ca.cert, rejectUnauthorized: true });
  const before = await passed('site.test', tls, 'upstream_cx_total');
  t.match(await open('site.test'), { status: 200, shown: 'site' });
  t.strictSame(seen, { host: 'site.test', sni: 'site.test' });
  t.equal(await passed('site.test', tls, 'upstream_cx_total'), before + 1, 'by the gateway');
  t.match(await open('de.wild.test'), { status: 200, shown: 'site' }, 'a wildcard');
  t.equal(seen.sni, 'de.wild.test');
  t.equal(await passed('www.wild.test', tls, 'upstream_cx_total'), 1);
  t.equal((await open('unknown.test')).status, 0, 'a name in no registry');
  const direct = await exchange({ host: egressAt, port: tls }, 'GET / HTTP/1.1\r\n\r\n');
  t.equal(direct.text, '', 'nor what is no TLS');
});

t.test('Envoys took everything', async (t) => {
  t.strictSame(
    mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
