// TLS that sidecars pass on unopened: by the name that the client asks for (SNI), as ServiceEntries and `tls` routes of
// VirtualServices say (Istio API, TLSRoute). Every server has a certificate of its own, which is what the client sees.
// And TCP routes by the client's labels and namespace.
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { tally, tcpBackend } from './tcp-client.js';

const { fleet, mesh, write } = await startFleetMesh(['v1']);
await mesh.sidecar(fleet.at(3), { name: 'web', labels: { app: 'web' } });
await mesh.synced(3);
const [client, other, web] = [fleet.at(1), fleet.at(2), fleet.at(3)] as const;
const ca = new TestCa('sites');
const port = await fleet.freePort();

/** Servers a, b and c, at addresses of their own. */
const sites = ['a', 'b', 'c'] as const;
for (const [i, name] of sites.entries()) {
  const server = createServer(ca.issue({ commonName: name }), (socket) => {
    socket.on('error', () => {});
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(port, fleet.at(60 + i), resolve));
  t.teardown(() => server.close());
}

/** The common name of the certificate that a client sees who asks for `servername`; empty when it sees none. */
function ask(servername: string, via: string = client, to = port): Promise<string> {
  return new Promise((resolve) => {
    const options = { host: via, port: to, servername, rejectUnauthorized: false };
    const socket: TLSSocket = connectTls(options, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(''));
  });
}

async function askOften(count: number, servername: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const name = await ask(servername);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const entry = (name: string, hosts: string[], site: (typeof sites)[number], number = port) =>
  resource('ServiceEntry', name, {
    hosts,
    resolution: 'STATIC',
    ports: [{ number, name: 'tls', protocol: 'TLS', targetPort: port }],
    endpoints: [{ address: fleet.at(60 + sites.indexOf(site)) }],
  });

const rule = (name: string, hosts: string[], tls: object[], namespace?: string) =>
  resource('VirtualService', name, { hosts, tls }, namespace);

const to = (host: string, weight?: number) => ({
  destination: { host },
  ...(weight !== undefined && { weight }),
});

t.test('ServiceEntries', { timeout: 60_000 }, async (t) => {
  await write('sites', [
    entry('a', ['a.test', 'also-a.test'], 'a'),
    entry('b', ['*.b.test'], 'b'),
    entry('c', ['exact.b.test'], 'c'),
  ]);
  const table: [string, string][] = [
    ['a.test', 'a'],
    ['also-a.test', 'a'],
    ['x.b.test', 'b'],
    ['y.x.b.test', 'b'],
    ['exact.b.test', 'c'],
    ['b.test', ''],
    ['nobody.test', ''],
  ];
  for (const [name, site] of table) t.equal(await ask(name), site, name);
});

t.test('tls routes', { timeout: 60_000 }, async (t) => {
  const second = await fleet.freePort();
  await write('sites', [
    entry('a', ['a.test'], 'a'),
    entry('b', ['b.test'], 'b'),
    entry('c', ['c.test'], 'c'),
    entry('moved', ['moved.test'], 'c'),
    entry('split', ['split.test'], 'c'),
    entry('wild', ['*.wild.test'], 'c'),
    entry('labels', ['labels.test'], 'c'),
    entry('second', ['second.test'], 'c', second),
    rule(
      'moved',
      ['moved.test'],
      [{ match: [{ sniHosts: ['moved.test'] }], route: [to('a.test')] }],
    ),
    rule(
      'split',
      ['split.test'],
      [{ match: [{ sniHosts: ['split.test'] }], route: [to('a.test', 75), to('b.test', 25)] }],
    ),
    rule(
      'wild',
      ['*.wild.test'],
      [
        { match: [{ sniHosts: ['one.wild.test'] }], route: [to('a.test')] },
        { match: [{ sniHosts: ['*.wild.test'] }], route: [to('b.test')] },
      ],
    ),
    rule(
      'labels',
      ['labels.test'],
      [
        {
          match: [{ sniHosts: ['labels.test'], sourceLabels: { app: 'web' } }],
          route: [to('a.test')],
        },
        { match: [{ sniHosts: ['labels.test'] }], route: [to('b.test')] },
      ],
    ),
    rule(
      'second',
      ['second.test'],
      [
        { match: [{ port, sniHosts: ['second.test'] }], route: [to('a.test')] },
        {
          match: [{ port: second, sniHosts: ['second.test'] }],
          route: [{ destination: { host: 'b.test', port: { number: port } } }],
        },
      ],
    ),
  ]);
  t.equal(await ask('moved.test'), 'a', 'sniHosts');
  t.equal(await ask('one.wild.test'), 'a', 'an exact name');
  t.equal(await ask('two.wild.test'), 'b', 'a wildcard');
  t.equal(await ask('labels.test', web), 'a', 'sourceLabels');
  t.equal(await ask('labels.test'), 'b', 'sourceLabels of others');
  t.equal(await ask('second.test', client, second), 'b', 'port, and port of the destination');
  t.equal(await ask('c.test'), 'c', 'others as before');
  const split = await askOften(120, 'split.test');
  // 90 of 120 expected, standard deviation 4.7.
  t.strictSame(Object.keys(split).sort(), ['a', 'b']);
  t.ok(Math.abs((split['a'] ?? 0) - 90) < 25, `75/25 gave ${JSON.stringify(split)}`);
});

t.test('tcp routes by the client', { timeout: 60_000 }, async (t) => {
  const tcp = await fleet.freePort();
  const targets = await Promise.all(
    ['one', 'two', 'three'].map((name, i) => tcpBackend(fleet.at(70 + i), name, { port: tcp })),
  );
  t.teardown(() => Promise.all(targets.map((each) => each.close())));
  const service = (name: string, i: number) =>
    resource('ServiceEntry', name, {
      hosts: [`${name}.test`],
      addresses: [`240.9.9.${i}`],
      resolution: 'STATIC',
      ports: [{ number: tcp, name: 'tcp', protocol: 'TCP' }],
      endpoints: [{ address: fleet.at(70 + i) }],
    });
  const route = (match: object, host: string) => ({
    match: [{ port: tcp, ...match }],
    route: [to(host)],
  });
  await write('tcp', [
    ...['one', 'two', 'three'].map(service),
    resource('VirtualService', 'one', {
      hosts: ['one.test'],
      tcp: [
        route({ sourceLabels: { app: 'web' } }, 'two.test'),
        route({ sourceNamespace: 'other' }, 'three.test'),
        route({}, 'one.test'),
      ],
    }),
  ]);
  const say = (host: string) => tally({ host, port: tcp }, 'x', 3);
  t.strictSame(await say(client), { 'one:x': 3 });
  t.strictSame(await say(web), { 'two:x': 3 }, 'sourceLabels');
  t.strictSame(await say(other), { 'three:x': 3 }, 'sourceNamespace');
});
