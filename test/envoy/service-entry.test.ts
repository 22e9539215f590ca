// What ServiceEntries and WorkloadEntries do to real requests, as destination-rule.test.ts does for its kind: a file for
// each test in one watched directory, the same two Envoys for all, without interception. What only interception can
// show (resolution NONE, PASSTHROUGH, unknown destinations) is in service-entry-capture.test.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { countByName, names, resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';
import { startLoad } from './load.js';

const { fleet, client, write } = await startFleetMesh();
const { port } = fleet;
const http = { number: port, name: 'http', protocol: 'HTTP' };
const [v1, v2, v3] = ['v1', 'v2', 'v3'].map((name) => fleet.address(name)) as [
  string,
  string,
  string,
];

/** A ServiceEntry for NAME.test with HTTP on the port of the fleet. */
const entry = (name: string, spec: object, namespace?: string) =>
  resource(
    'ServiceEntry',
    name,
    { hosts: [`${name}.test`], resolution: 'STATIC', ports: [http], ...spec },
    namespace,
  );

const workload = (name: string, spec: object, namespace?: string) =>
  resource('WorkloadEntry', name, spec, namespace);

const takeTurns = (name: string) =>
  resource('DestinationRule', name, {
    host: `${name}.test`,
    trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } },
  });

/** Answers of `count` requests by member, or by status. */
const ask = (host: string, count = 12, options = {}) =>
  fleet.askInTurn(count, host, options).then(countByName);

t.test('STATIC: hosts, addresses, ports', { timeout: 60_000 }, async (t) => {
  const [second, third, nowhere] = [
    await fleet.freePort(),
    await fleet.freePort(),
    await fleet.freePort(),
  ];
  await write('static', [
    entry('hosts', { hosts: ['one.test', 'two.test'], endpoints: [{ address: v1 }] }),
    entry('wildcard', { hosts: ['*.wild.test'], endpoints: [{ address: v2 }] }),
    entry('longer', { hosts: ['*.more.wild.test'], endpoints: [{ address: v3 }] }),
    entry('exact', { hosts: ['exact.wild.test'], endpoints: [{ address: v1 }] }),
    entry('address', { addresses: ['240.7.7.7'], endpoints: [{ address: v1 }] }),
    entry('inside', { location: 'MESH_INTERNAL', endpoints: [{ address: v1 }] }),
    entry('outside', { location: 'MESH_EXTERNAL', endpoints: [{ address: v1 }] }),
    entry('ports', {
      ports: [
        // The endpoint's own port for this name, then targetPort, then the number.
        { ...http, targetPort: nowhere },
        { number: second, name: 'second', protocol: 'HTTP', targetPort: port },
        { number: third, name: 'third', protocol: 'HTTP' },
      ],
      endpoints: [{ address: v1, ports: { http: port, third: port } }],
    }),
  ]);
  const table: [string, string][] = [
    ['one.test', 'v1'],
    ['two.test', 'v1'],
    ['a.wild.test', 'v2'],
    ['a.b.wild.test', 'v2'],
    ['a.more.wild.test', 'v3'],
    ['exact.wild.test', 'v1'],
    ['address.test', 'v1'],
    ['240.7.7.7', 'v1'],
    [`address.test:${port}`, 'v1'],
    ['inside.test', 'v1'],
    ['outside.test', 'v1'],
    ['ports.test', 'v1'],
  ];
  for (const [host, member] of table) t.equal((await fleet.ask(host)).name, member, host);
  t.equal((await fleet.ask('ports.test', { port: second })).name, 'v1', 'targetPort');
  t.equal((await fleet.ask('ports.test', { port: third })).name, 'v1', 'port of the endpoint');
  t.equal((await fleet.ask('wild.test')).status, 502, '* stands for at least one label');
  t.equal((await fleet.ask('nobody.test')).status, 502, 'REGISTRY_ONLY: an unknown host');
});

t.test('STATIC: weights, localities, unix sockets', { timeout: 60_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-fleet-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const socket = join(directory, 'app.sock');
  await fleet.add('unix', socket);
  const weighted = [
    { address: v1, weight: 3 },
    { address: v2, weight: 1 },
  ];
  await write('weights', [
    entry('weights', { endpoints: weighted }),
    entry('weights-turns', { endpoints: weighted }),
    takeTurns('weights-turns'),
    entry('localities', {
      endpoints: [
        { address: v1, locality: 'r1/z1/s1' },
        { address: v2, locality: 'r2/z2' },
        { address: v3, locality: 'r2/z2', weight: 2 },
      ],
    }),
    takeTurns('localities'),
    entry('unix', { endpoints: [{ address: `unix://${socket}` }] }),
    entry('shared-a', { hosts: ['shared.test'], endpoints: [{ address: v1 }] }),
    entry('shared-b', { hosts: ['shared.test'], endpoints: [{ address: v2 }] }),
    takeTurns('shared'),
    entry('empty', { endpoints: [] }),
  ]);
  for (const host of ['weights.test', 'weights-turns.test']) {
    const { v1: heavy = 0, v2: light = 0 } = await ask(host, 80);
    // Envoy's weighted schedule is no lottery: only its start is random.
    t.ok(Math.abs(heavy - 60) <= 6 && heavy + light === 80, `${host}: 3 to 1 gave ${heavy}`);
  }
  const spread = await ask('localities.test', 80);
  t.ok(
    Math.abs((spread['v1'] ?? 0) - 20) <= 6 && Math.abs((spread['v3'] ?? 0) - 40) <= 6,
    `localities share by the weights of endpoints: ${JSON.stringify(spread)}`,
  );
  const clusters = await client.admin('/clusters');
  const line = (address: string, what: string) => clusters.includes(`${address}:${port}::${what}`);
  t.ok(
    line(v1, 'region::r1') && line(v1, 'zone::z1') && line(v1, 'sub_zone::s1'),
    'named in Envoy',
  );
  t.ok(line(v2, 'region::r2') && line(v2, 'zone::z2'));
  t.strictSame(await ask('unix.test', 5), { unix: 5 }, 'an application at a unix socket');
  t.strictSame(await ask('shared.test'), { v1: 6, v2: 6 }, 'entries of one host come together');
  t.strictSame(await ask('empty.test', 3), { 503: 3 }, 'no endpoints');
});

t.test('DNS and DNS_ROUND_ROBIN', { timeout: 60_000 }, async (t) => {
  const local = await fleet.add('local', '127.0.0.1', 0);
  const localhost = { address: 'localhost', ports: { http: local } };
  await write('dns', [
    entry('dns', { resolution: 'DNS', endpoints: [localhost] }),
    entry('dns-several', { resolution: 'DNS', endpoints: [localhost, { address: v1 }] }),
    takeTurns('dns-several'),
    entry('dns-logical', { resolution: 'DNS_ROUND_ROBIN', endpoints: [localhost] }),
    entry('dns-itself', {
      hosts: ['localhost'],
      resolution: 'DNS',
      ports: [{ ...http, targetPort: local }],
    }),
    entry('dns-selected', {
      resolution: 'DNS',
      workloadSelector: { labels: { app: 'by-name' } },
    }),
    workload('by-name', { ...localhost, labels: { app: 'by-name' } }),
    resource('DestinationRule', 'dns', {
      host: 'dns.test',
      subsets: [{ name: 'none', labels: { version: 'v9' } }],
    }),
  ]);
  t.strictSame(await ask('dns.test', 6), { local: 6 }, 'the name of an endpoint');
  t.strictSame(await ask('dns-several.test'), { local: 6, v1: 6 }, 'names and addresses');
  t.strictSame(await ask('dns-logical.test', 6), { local: 6 }, 'DNS_ROUND_ROBIN');
  t.strictSame(await ask('localhost', 6), { local: 6 }, 'the host itself, without endpoints');
  t.strictSame(await ask('dns-selected.test', 6), { local: 6 }, 'the name of a WorkloadEntry');
  const clusters = await client.admin('/clusters');
  t.match(clusters, `outbound|${port}||dns.test::127.0.0.1:${local}::`, 'resolved by Envoy');
});

t.test('WorkloadEntries by selector', { timeout: 60_000 }, async (t) => {
  const second = await fleet.freePort();
  const labels = (version: string) => ({ app: 'shop', version });
  const selecting = entry('shop', {
    location: 'MESH_INTERNAL',
    workloadSelector: { labels: { app: 'shop' } },
  });
  const renamed = entry('renamed', {
    ports: [{ number: port, name: 'web', protocol: 'HTTP', targetPort: second }],
    workloadSelector: { labels: { app: 'shop' } },
  });
  const rules = [
    takeTurns('shop'),
    resource('DestinationRule', 'renamed', {
      host: 'renamed.test',
      subsets: [{ name: 'two', labels: { version: 'v2' } }],
    }),
    resource('VirtualService', 'renamed', {
      hosts: ['renamed.test'],
      http: [{ route: [{ destination: { host: 'renamed.test', subset: 'two' } }] }],
    }),
  ];
  const one = workload('one', { address: v1, labels: labels('v1'), weight: 2 });
  const two = workload('two', { address: v2, labels: labels('v2'), ports: { web: port } });
  const stranger = workload('three', { address: v3, labels: labels('v3') }, 'other');
  const unselected = workload('four', { address: v3, labels: { app: 'bar' } });
  await write('shop', [selecting, renamed, ...rules, one, two, stranger, unselected]);
  const { v1: heavy = 0, v2: light = 0, ...rest } = await ask('shop.test', 60);
  t.strictSame(rest, {}, 'those of the namespace that have the labels');
  t.ok(Math.abs(heavy - 40) <= 6 && heavy + light === 60, `by weight: ${heavy} to ${light}`);
  t.strictSame(await ask('renamed.test', 6), { v2: 6 }, 'subsets by their labels, their ports');

  const three = workload('three', { address: v3, labels: labels('v3') });
  await write('shop', [selecting, renamed, ...rules, two, three]);
  await until(5_000, async () => !('v1' in (await ask('shop.test', 6))));
  t.strictSame(await ask('shop.test'), { v2: 6, v3: 6 }, 'one less, one more');
});

t.test('WorkloadEntries behind a v1 Service', { timeout: 60_000 }, async (t) => {
  const service = (name: string, targetPort: number | string | undefined) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      clusterIP: '10.96.0.40',
      selector: { app: 'vm' },
      ports: [{ name: 'http', port, ...(targetPort === undefined ? {} : { targetPort }) }],
    },
  });
  const nowhere = await fleet.freePort();
  const vm = (name: string, address: string, ports: object) =>
    workload(name, { address, ports, labels: { app: 'vm' } });
  await write('vms', [
    service('same-port', undefined),
    service('numbered', port),
    service('overridden', nowhere),
    service('named', 'web'),
    vm('vm-1', v1, { http: port, web: port }),
    vm('vm-2', v2, { http: port }),
  ]);
  const askAll = async (name: string) => names(await fleet.askInTurn(40, name));
  t.strictSame(await askAll('same-port'), ['v1', 'v2']);
  t.strictSame(await askAll('numbered'), ['v1', 'v2']);
  t.strictSame(await askAll('overridden'), ['v1', 'v2'], "the entry's port of that name wins");
  t.strictSame(await askAll('named'), ['v1'], 'only entries that have the named port');
});

t.test('exportTo, and one host in two namespaces', { timeout: 60_000 }, async (t) => {
  const at = (address: string, exportTo?: string[]) => ({ exportTo, endpoints: [{ address }] });
  await write('visibility', [
    entry('private', at(v1, ['.']), 'other'),
    entry('for-default', at(v1, ['default']), 'other'),
    entry('public', at(v1, ['*']), 'other'),
    entry('nobody', at(v1, ['~']), 'other'),
    entry('both', at(v1), 'default'),
    entry('both', at(v2), 'other'),
  ]);
  const fromOther = { via: fleet.at(2) };
  const table: [string, string | number, string | number][] = [
    ['private', 502, 'v1'],
    ['for-default', 'v1', 502],
    ['public', 'v1', 'v1'],
    ['nobody', 502, 502],
    ['both', 'v1', 'v2'],
  ];
  for (const [name, own, other] of table) {
    t.strictSame(await ask(`${name}.test`, 3), { [own]: 3 }, `${name}, from default`);
    t.strictSame(await ask(`${name}.test`, 3, fromOther), { [other]: 3 }, `${name}, from other`);
  }
});

t.test('edits of a service under load cost no request', { timeout: 60_000 }, async (t) => {
  const second = { number: await fleet.freePort(), name: 'more', protocol: 'HTTP' };
  const endpoints = [{ address: v1 }, { address: v2 }];
  const plain = { endpoints };
  const edits: object[] = [
    { endpoints, resolution: 'DNS' },
    plain,
    { endpoints: [{ address: v1, ports: { http: port }, weight: 5 }, { address: v3 }] },
    { endpoints: [{ address: v3, locality: 'r/z', labels: { version: 'v3' } }] },
    { endpoints: [{ address: v1 }], resolution: 'DNS_ROUND_ROBIN' },
    { endpoints, location: 'MESH_INTERNAL' },
    { endpoints, ports: [second, { ...http, targetPort: port }] },
    { endpoints, hosts: ['edited.test', 'also-edited.test'], addresses: ['240.7.7.8'] },
    { endpoints, exportTo: ['default', 'other'] },
    { workloadSelector: { labels: { app: 'edited' } } },
  ];
  const selected = workload('edited', { address: v2, labels: { app: 'edited' } });
  await write('edited', [entry('edited', plain), selected]);
  const loads = [1, 2].map((n) =>
    startLoad(`http://${fleet.at(n)}:${port}/`, {
      headers: { host: 'edited.test' },
      connections: 2,
      secondsMax: 40,
    }),
  );
  for (const spec of [...edits, plain]) {
    const before = loads.map((load) => load.requests());
    await write('edited', [entry('edited', spec), selected]);
    await until(10_000, () => loads.every((load, i) => load.requests() > (before[i] ?? 0) + 50));
  }
  for (const [i, load] of loads.entries()) {
    const { requests, failures } = await load.stop();
    t.strictSame(failures.slice(0, 5), [], `client ${i + 1}`);
    t.ok(requests > 500, `${requests} requests`);
  }
});
