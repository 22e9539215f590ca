// What Sidecar resources do to real requests: which hosts and rules a workload sees, on which port, what it serves, and
// where unknown hosts go; and DestinationRules for some workloads. Expectations are Istio's documented behaviour (API
// Sidecar). No interception: what only that can show is in istio-egress.test.ts.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type AskOptions, connections, type FleetAnswer, resource } from './fleet.js';
import { perConnection, startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';
import { exchange, tcpBackend } from './tcp-client.js';

const { fleet, mesh, write } = await startFleetMesh();
const { port } = fleet;
// Beside the two of every scene: one in namespace default with labels.
await mesh.sidecar(fleet.at(3), { name: 'web', labels: { app: 'web' } });
await mesh.synced(3);
const [client, other, web] = [fleet.at(1), fleet.at(2), fleet.at(3)] as const;

const http = (number: number, more: object = {}) => ({
  number,
  name: `http-${number}`,
  protocol: 'HTTP',
  ...more,
});

/** A service of one member in a namespace. */
const service = (host: string, namespace: string, member: string, ports: object[] = [http(port)]) =>
  resource(
    'ServiceEntry',
    host.replaceAll('.', '-'),
    {
      hosts: [host],
      resolution: 'STATIC',
      ports,
      endpoints: [{ address: fleet.address(member) }],
    },
    namespace,
  );

const sidecar = (name: string, spec: object, namespace = 'default') =>
  resource('Sidecar', name, spec, namespace);

/** Writes the file of Sidecars and waits until the third Envoy has taken it too. */
async function apply(...resources: object[]): Promise<void> {
  await write('sidecars', resources);
  await fleet.ask('barrier.test', { via: web, fresh: true }).catch(() => {});
}

const hosts = ['a.test', 'b.test', 'x.wild.test', 'o.test', 'y.wild.test', 't.test'];

/** Those of the hosts that answer, first letters only; all others must be unknown. */
async function seen(via: string): Promise<string> {
  const statusOf = (host: string) =>
    fleet.ask(host, { via, fresh: true }).then(
      ({ status }) => status,
      // Nothing is seen at the port: there is no listener.
      ({ code }: NodeJS.ErrnoException) => (code === 'ECONNREFUSED' ? 502 : code),
    );
  const statuses = await Promise.all(hosts.map(statusOf));
  const odd = statuses.filter((status) => status !== 200 && status !== 502);
  if (odd.length > 0) throw new Error(JSON.stringify(statuses));
  return hosts
    .filter((_, i) => statuses[i] === 200)
    .map((host) => host[0])
    .join('');
}

await write('services', [
  service('a.test', 'default', 'v1'),
  service('b.test', 'default', 'v1'),
  service('x.wild.test', 'default', 'v1'),
  service('o.test', 'other', 'v2'),
  service('y.wild.test', 'other', 'v2'),
  service('t.test', 'third', 'v3'),
]);

t.test('egress hosts', { timeout: 60_000 }, async (t) => {
  t.equal(await seen(client), 'abxoyt', 'without a Sidecar everything');
  const table: [string[], string][] = [
    [['./*'], 'abx'],
    [['other/*'], 'oy'],
    [['./a.test', 'third/t.test'], 'at'],
    [['third/a.test', 'other/t.test'], ''],
    [['*/*.wild.test'], 'xy'],
    [['*/*.wild.test', './b.test'], 'bxy'],
    [['*/*'], 'abxoyt'],
    [['*/*', '~other/*'], 'abxt'],
    [['~/*'], ''],
  ];
  for (const [egress, expected] of table) {
    await apply(sidecar('default', { egress: [{ hosts: egress }] }));
    t.equal(await seen(client), expected, egress.join(' '));
  }
  t.equal(await seen(other), 'abxoyt', 'another namespace sees what it saw');
  await apply();
  t.equal(await seen(client), 'abxoyt', 'without it again everything');
});

t.test('which Sidecar counts', { timeout: 60_000 }, async (t) => {
  const own = sidecar('default', { egress: [{ hosts: ['./*'] }] });
  const root = sidecar('default', { egress: [{ hosts: ['third/*'] }] }, 'istio-system');
  const selecting = sidecar('web', {
    workloadSelector: { labels: { app: 'web' } },
    egress: [{ hosts: ['other/*'] }],
  });
  const all = async () => [await seen(client), await seen(web), await seen(other)];
  await apply(root);
  t.strictSame(await all(), ['t', 't', 't'], 'one of the root namespace is for all');
  await apply(root, own);
  t.strictSame(await all(), ['abx', 'abx', 't'], 'one of the namespace comes before it');
  await apply(root, own, selecting);
  t.strictSame(await all(), ['abx', 'oy', 't'], 'and one that selects the workload before both');
  await apply(selecting);
  t.strictSame(await all(), ['abxoyt', 'oy', 'abxoyt'], 'for others it does not count');
});

t.test('VirtualServices in scope', { timeout: 60_000 }, async (t) => {
  const rule = resource(
    'VirtualService',
    'a',
    { hosts: ['a.test'], http: [{ route: [{ destination: { host: 't.test' } }] }] },
    'third',
  );
  const egress = (...named: string[]) => sidecar('default', { egress: [{ hosts: named }] });
  await apply(rule);
  t.equal((await fleet.ask('a.test')).name, 'v3', 'a rule of another namespace');
  await apply(rule, egress('./*'));
  t.equal((await fleet.ask('a.test')).name, 'v1', 'is not seen unless its namespace is');
  await apply(rule, egress('./*', 'third/a.test'));
  t.equal((await fleet.ask('a.test')).name, 'v3', 'named by its host, with its destination');
  t.equal((await fleet.ask('t.test')).status, 502, 'which is no host of its own for all that');
});

t.test('egress with a port', { timeout: 60_000 }, async (t) => {
  const [second, third] = [await fleet.freePort(), await fleet.freePort()];
  const both = [http(port), http(second, { targetPort: port }), http(third, { targetPort: port })];
  await apply(
    service('here.test', 'default', 'v1', both),
    service('there.test', 'other', 'v2', both),
    sidecar('default', {
      egress: [
        { port: { number: second, protocol: 'HTTP', name: 'http' }, hosts: ['other/*'] },
        {
          port: { number: third, protocol: 'HTTP', name: 'third' },
          bind: fleet.at(5),
          captureMode: 'NONE',
          hosts: ['*/there.test'],
        },
        { hosts: ['./*'] },
      ],
    }),
  );
  const status = async (host: string, options: AskOptions) => (await fleet.ask(host, options)).name;
  t.equal(await status('there.test', { port: second }), 'v2', 'the hosts listed');
  t.equal(await status('here.test', { port: second }), '', 'no others');
  t.equal(await status('here.test', {}), 'v1', 'other ports by the entry without one');
  t.equal(await status('there.test', {}), '', 'which lists others');
  t.equal(await status('there.test', { via: fleet.at(5), port: third }), 'v2', 'bind');
  const { end } = await exchange({ host: client, port: third }, 'x');
  t.equal(end, 'refused', 'bind: not where others are');
});

t.test('egress on Unix sockets', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-egress-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [http, tcp] = [join(folder, 'http.sock'), join(folder, 'tcp.sock')];
  const [raw, second] = [await tcpBackend(fleet.at(61), 'raw'), await fleet.freePort()];
  t.teardown(() => raw.close());
  const db = resource('ServiceEntry', 'db', {
    hosts: ['db.test'],
    resolution: 'STATIC',
    ports: [{ number: second, name: 'tcp', protocol: 'TCP', targetPort: raw.port }],
    endpoints: [{ address: fleet.at(61) }],
  });
  const ports = [
    { number: port, name: 'http', protocol: 'HTTP' },
    { number: second, name: 'http-2', protocol: 'HTTP', targetPort: port },
  ];
  const all = [
    db,
    service('here.test', 'default', 'v1', ports),
    service('there.test', 'other', 'v2', ports),
    resource('VirtualService', 'here', {
      hosts: ['here.test'],
      http: [
        {
          match: [{ uri: { prefix: '/v2' } }],
          route: [{ destination: { host: 'there.test', port: { number: second } } }],
        },
        { route: [{ destination: { host: 'here.test', port: { number: port } } }] },
      ],
    }),
    sidecar('default', {
      egress: [
        {
          port: { protocol: 'HTTP', name: 'http' },
          bind: `unix://${http}`,
          hosts: ['./here.test'],
        },
        {
          port: { number: 0, protocol: 'TCP', name: 'tcp' },
          bind: `unix://${tcp}`,
          hosts: ['./db.test'],
        },
        { hosts: ['other/*'] },
      ],
    }),
  ];
  await apply(...all);
  await until(5_000, () => existsSync(http) && existsSync(tcp));
  const ask = async (host: string, path = '/') => {
    const { name, status } = await fleet.ask(host, { via: http, path, fresh: true });
    return name || status;
  };
  t.equal(await ask('here.test'), 'v1', 'a host without a port');
  t.equal(await ask(`here.test:${second}`), 'v1', 'and with one');
  t.equal(await ask('here.test', '/v2'), 'v2', 'by a rule');
  t.equal(await ask('there.test'), 502, 'hosts of the entry only');
  t.equal((await fleet.ask('there.test')).name, 'v2', 'other ports by the last entry');
  t.equal((await fleet.ask('here.test')).status, 502, 'which lists others');
  t.equal((await exchange({ path: tcp }, 'x')).text, 'raw:x', 'TCP');
  await apply();
  await until(5_000, async () => (await exchange({ path: tcp }, 'x')).end === 'refused');
  t.pass('nobody is there when the entry is gone; the file stays');
  await apply(...all);
  await until(5_000, async () => (await exchange({ path: tcp }, 'x')).text === 'raw:x');
  t.equal(await ask('here.test'), 'v1', 'the file does not stand in the way of the next one');
  await apply();
});

t.test('ingress', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-ingress-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const app = fleet.at(4);
  const socket = join(folder, 'app.sock');
  const [local, own] = [
    await fleet.add('local', '127.0.0.1', 0),
    await fleet.add('own', app, 0),
    await fleet.add('socket', socket),
  ];
  const [byService, ...ingress] = [
    await fleet.freePort(),
    await fleet.freePort(),
    await fleet.freePort(),
    await fleet.freePort(),
  ] as [number, number, number, number];
  await mesh.sidecar(app, { name: 'app', labels: { app: 'app' } });
  await mesh.synced(4);
  const ask = (to: number, headers = {}) => fleet.ask('app', { via: app, port: to, headers });
  const knows = async (known: number) =>
    (await exchange({ host: app, port: known }, '', { timeoutMs: 200 })).end !== 'refused';

  const called = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'app', namespace: 'default' },
    spec: { selector: { app: 'app' }, ports: [{ name: 'http', port, targetPort: byService }] },
  };
  await apply(called);
  await until(5_000, () => knows(byService));
  t.pass('without ingress: what services select');

  const [one, two, three] = ingress;
  const limited = (requests: number) => ({ http: { http2MaxRequests: requests } });
  await apply(
    called,
    service('app.test', 'default', 'v1', [http(port)]),
    sidecar('app', {
      workloadSelector: { labels: { app: 'app' } },
      inboundConnectionPool: limited(2),
      ingress: [
        { port: http(one), defaultEndpoint: `127.0.0.1:${local}`, connectionPool: limited(1) },
        { port: http(two), defaultEndpoint: `unix://${socket}` },
        { port: http(three), defaultEndpoint: `0.0.0.0:${own}` },
      ],
    }),
  );
  await until(5_000, () => knows(three));
  t.equal((await ask(one)).name, 'local', 'defaultEndpoint 127.0.0.1');
  t.equal((await ask(two)).name, 'socket', 'defaultEndpoint unix');
  t.equal((await ask(three)).name, 'own', 'defaultEndpoint 0.0.0.0 is the address of the workload');
  await until(5_000, async () => !(await knows(byService)));
  t.pass('ingress takes the place of what services select');

  /** Statuses of one request more while `held` are under way. */
  const beside = async (to: number, held: number): Promise<number> => {
    const busy = Array.from({ length: held }, () => ask(to, { 'x-hold': '1' }));
    await until(5_000, () => fleet.held === held);
    const { status } = await ask(to);
    await fleet.releaseAll(busy);
    return status;
  };
  t.equal(await beside(one, 1), 503, 'connectionPool of the port: one request at a time');
  t.equal(await beside(two, 1), 200, 'inboundConnectionPool for the others: two');
  t.equal(await beside(two, 2), 503, 'and no third');
});

t.test('outboundTrafficPolicy with an egressProxy', { timeout: 60_000 }, async (t) => {
  const rule = resource('DestinationRule', 'proxy', {
    host: 'proxy.test',
    subsets: [{ name: 'v3', labels: { version: 'v3' } }],
  });
  const proxy = resource('ServiceEntry', 'proxy', {
    hosts: ['proxy.test'],
    resolution: 'STATIC',
    ports: [http(port)],
    endpoints: ['v1', 'v3'].map((name) => ({
      address: fleet.address(name),
      labels: { version: name },
    })),
  });
  const policy = (outboundTrafficPolicy: object) =>
    sidecar('default', { egress: [{ hosts: ['./*'] }], outboundTrafficPolicy });
  const via = { host: 'proxy.test', subset: 'v3', port: { number: port } };
  await apply(proxy, rule, policy({ mode: 'ALLOW_ANY', egressProxy: via }));
  const unknown: FleetAnswer[] = await fleet.askInTurn(6, 'unknown.test');
  t.strictSame(new Set(unknown.map(({ name }) => name)), new Set(['v3']), 'unknown hosts');
  t.equal((await fleet.ask('o.test')).name, 'v3', 'hosts out of scope are unknown');
  t.equal((await fleet.ask('a.test')).name, 'v1', 'known hosts go where they belong');
  t.equal((await fleet.ask('unknown.test', { via: other })).status, 502, 'for this one only');
  await apply(proxy, rule, policy({ mode: 'REGISTRY_ONLY' }));
  t.equal((await fleet.ask('unknown.test')).status, 502, 'REGISTRY_ONLY');
});

t.test('DestinationRule workloadSelector', { timeout: 60_000 }, async (t) => {
  const rule = (name: string, more: object, requests: number) =>
    resource('DestinationRule', name, {
      host: 'a.test',
      trafficPolicy: perConnection(requests),
      ...more,
    });
  const selecting = rule('web', { workloadSelector: { matchLabels: { app: 'web' } } }, 1);
  const used = async (via: string) => connections(await fleet.askInTurn(6, 'a.test', { via }));
  await apply(selecting);
  t.equal(await used(web), 6, 'the workload selected');
  t.equal(await used(client), 1, 'no other of the namespace');
  t.equal(await used(other), 1, 'nor of another one');
  await apply(selecting, rule('all', {}, 3));
  t.equal(await used(web), 6, 'before one without a selector');
  // The connection that was open counts the requests that it had.
  t.ok((await used(client)) >= 2, 'which is for the others');
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
