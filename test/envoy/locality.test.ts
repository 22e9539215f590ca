// Locality load balancing by real requests: Istio's task of that name (failover from locality to locality, weighted
// distribution), priorities by labels, and what two clients of different regions see of one service.
import t from 'tap';
import { countByName, documents, type FleetAnswer, names, resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';

const members = ['west1', 'west2', 'east1', 'south1'] as const;
const places: Record<string, string> = {
  west1: 'west/z1/a',
  west2: 'west/z2',
  east1: 'east/z1',
  south1: 'south/z1',
};
const { fleet, mesh, stat, ...scene } = await startFleetMesh(['v1', ...members]);
const east = fleet.at(3);
await mesh.sidecar(fleet.at(4), {
  name: 'west',
  labels: { 'istio-locality': 'west.z1.a', site: 'one', version: 'v1' },
});
await mesh.sidecar(east, { name: 'east', labels: { 'istio-locality': 'east.z1' } });
await mesh.synced(4);
const west = fleet.at(4);

async function write(file: string, resources: readonly object[]): Promise<void> {
  await scene.write(file, resources);
  await Promise.all([west, east].map((via) => fleet.ask('barrier.test', { via })));
}

const ask = (count: number, host: string, via: string, headers: Record<string, string> = {}) =>
  fleet.askInTurn(count, `${host}.test`, { via, headers });

const everybody = [...members].sort();

/** A service of all members, or of some, at their places. */
function service(name: string, trafficPolicy: object, some: readonly string[] = members): object[] {
  const host = `${name}.test`;
  return [
    resource('ServiceEntry', name, {
      hosts: [host],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP' }],
      endpoints: some.map((member) => ({
        address: fleet.address(member),
        locality: places[member],
        labels: { site: member.endsWith('1') ? 'one' : 'two', version: member },
      })),
    }),
    resource('DestinationRule', name, { host, trafficPolicy }),
  ];
}

/** Ejects at the first error, for longer than the test. */
const ejecting = {
  outlierDetection: {
    consecutive5xxErrors: 1,
    interval: '1s',
    baseEjectionTime: '60s',
    maxEjectionPercent: 100,
  },
};
const locality = (localityLbSetting: object) => ({
  ...ejecting,
  loadBalancer: { simple: 'ROUND_ROBIN', localityLbSetting },
});

/** Every member that fails on `x-fail` once is gone after this; gives those that answer then. */
async function without(down: string, host: string, via: string): Promise<string[]> {
  const failing = { 'x-fail': down };
  const fine = (answers: FleetAnswer[]) => answers.every(({ status }) => status === 200);
  await until(10_000, async () => fine(await ask(6, host, via, failing)));
  return names(await ask(8, host, via, failing));
}

t.test('failover: the nearest locality that is there', { timeout: 60_000 }, async (t) => {
  await write('failover', [
    ...service('near', ejecting),
    ...service('near-east', ejecting),
    ...service('next', locality({ failover: [{ from: 'west', to: 'south' }] })),
    ...service('blind', { connectionPool: { tcp: { maxConnections: 1000 } } }),
    ...service('off', locality({ enabled: false })),
    ...service('gone', ejecting, ['west2', 'east1']),
  ]);
  t.strictSame(names(await ask(12, 'near', west)), ['west1'], 'the same subzone');
  t.strictSame(await without('west1', 'near', west), ['west2'], 'then the same region');
  t.strictSame(
    await without('west1,west2', 'near', west),
    ['east1', 'south1'],
    'then all others alike',
  );
  t.strictSame(names(await ask(12, 'near-east', east)), ['east1'], 'another client, another first');
  t.strictSame(names(await ask(40, 'near-east', fleet.at(1))), everybody, 'no locality');

  t.strictSame(names(await ask(12, 'next', west)), ['west1']);
  t.strictSame(await without('west1,west2', 'next', west), ['south1'], 'the region of failover');
  t.strictSame(await without('west1,west2,south1', 'next', west), ['east1'], 'then the rest');

  t.strictSame(names(await ask(60, 'blind', west)), everybody, 'no outlier detection');
  t.strictSame(names(await ask(60, 'off', west)), everybody, 'enabled: false');
  t.strictSame(names(await ask(12, 'gone', west)), ['west2'], 'nobody in the own subzone');
});

t.test('failover follows the endpoints', { timeout: 60_000 }, async (t) => {
  await write('leaving', service('leaving', ejecting, ['west1', 'east1']));
  t.strictSame(names(await ask(8, 'leaving', west)), ['west1']);
  await write('leaving', service('leaving', ejecting, ['east1']));
  t.strictSame(names(await ask(8, 'leaving', west)), ['east1'], 'the region has nobody left');
  await write('leaving', service('leaving', ejecting, ['west2', 'east1']));
  t.strictSame(names(await ask(8, 'leaving', west)), ['west2'], 'and is back');
});

t.test('distribute: percentages by the place of the client', { timeout: 60_000 }, async (t) => {
  await write('distribute', [
    ...service('weights', {
      loadBalancer: {
        localityLbSetting: {
          distribute: [
            { from: 'west/z1/*', to: { 'west/*': 70, 'east/*': 20, 'south/*': 10 } },
            { from: 'east/*', to: { 'east/z1': 100 } },
          ],
        },
      },
    }),
  ]);
  const count = countByName(await ask(600, 'weights', west));
  const near = (name: string, expected: number) => {
    const got = count[name] ?? 0;
    // More than four standard deviations of the binomial on either side.
    const room = 4.5 * Math.sqrt((expected * (600 - expected)) / 600);
    t.ok(Math.abs(got - expected) < room, `${name}: ${got} of about ${expected}`);
  };
  near('west1', 210);
  near('west2', 210);
  near('east1', 120);
  near('south1', 60);
  t.strictSame(names(await ask(20, 'weights', east)), ['east1'], 'other clients, other weights');
  t.strictSame(names(await ask(60, 'weights', fleet.at(1))), everybody, 'no entry');
});

t.test('failoverPriority: by labels', { timeout: 60_000 }, async (t) => {
  await write('labels', [
    ...service('site', locality({ failoverPriority: ['site'] })),
    ...service('version', locality({ failoverPriority: ['version=south1'] })),
    ...service('region', locality({ failoverPriority: ['topology.kubernetes.io/region'] })),
  ]);
  const one = ['east1', 'south1', 'west1'];
  t.strictSame(names(await ask(24, 'site', west)), one, "the client's own value");
  t.strictSame(await without(one.join(), 'site', west), ['west2'], 'the others when they fail');
  t.strictSame(names(await ask(12, 'version', west)), ['south1'], 'a value that is written');
  t.strictSame(names(await ask(24, 'region', west)), ['west1', 'west2'], 'the region as a label');
  t.strictSame(names(await ask(12, 'region', east)), ['east1']);
});

t.test('retries in other localities', { timeout: 60_000 }, async (t) => {
  const patient = { outlierDetection: { consecutive5xxErrors: 1000 } };
  const retried = (name: string, more: object) => [
    ...service(name, patient, ['west1', 'west2', 'east1']),
    resource('VirtualService', name, {
      hosts: [`${name}.test`],
      http: [
        {
          route: [{ destination: { host: `${name}.test` } }],
          retries: { attempts: 6, retryOn: '503', backoff: '1ms', ...more },
        },
      ],
    }),
  ];
  await write('retries', [
    ...retried('stays', {}),
    ...retried('leaves', { retryRemoteLocalities: true }),
  ]);
  const failing = { 'x-fail': 'west1', 'x-status': '503' };
  t.strictSame(countByName(await ask(4, 'stays', west, failing)), { 503: 4 }, 'the first priority');
  const left = countByName(await ask(4, 'leaves', west, failing));
  t.strictSame(left, { west2: 4 }, 'the next one');
  const both = { ...failing, 'x-fail': 'west1,west2' };
  t.strictSame(countByName(await ask(4, 'leaves', west, both)), { east1: 4 }, 'and the one after');
});

t.test('zones: a proxy that knows its peers', { timeout: 90_000 }, async (t) => {
  const [first, second, lost] = [fleet.at(5), fleet.at(6), fleet.at(7)];
  const peersAt = (...places: [address: string, locality: string][]) =>
    resource('ServiceEntry', 'peers', {
      hosts: ['peers.test'],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 9999, name: 'http', protocol: 'HTTP' }],
      endpoints: places.map(([address, locality]) => ({ address, locality })),
    });
  const even = peersAt([first, 'west/z1/a'], [second, 'west/z2']);
  const policy = { loadBalancer: { zoneAwareLbSetting: { minClusterSize: 1 } } };
  const both = ['west1', 'west2'];
  await write('peers', [even, ...service('zoned', policy, both)]);
  const asking = { peers: true };
  await mesh.sidecar(first, { name: 'first', locality: 'west/z1/a', ...asking });
  await mesh.sidecar(second, { name: 'second', locality: 'west/z2', protocol: 'sotw', ...asking });
  await mesh.synced(6);
  const seen = async (via: string) => names(await ask(24, 'zoned', via));
  await until(5_000, async () => (await seen(first)).join() === 'west1');
  t.strictSame(await seen(first), ['west1'], 'its own zone');
  t.strictSame(await seen(second), ['west2'], 'and another one its own');
  t.strictSame(await seen(west), both, 'who knows of no peers calls all');

  // Three of four peers are in the first zone, and half of the capacity: a third of their calls must leave it.
  const uneven = peersAt(
    [first, 'west/z1/a'],
    [fleet.at(81), 'west/z1/a'],
    [fleet.at(82), 'west/z1/a'],
    [second, 'west/z2'],
    [fleet.at(83), 'east/z1'],
  );
  await write('peers', [uneven, ...service('zoned', policy, both)]);
  await until(5_000, async () => (await seen(first)).length === 2);
  const share = countByName(await ask(90, 'zoned', first));
  t.ok((share['west1'] ?? 0) > 40 && (share['west2'] ?? 0) > 15, JSON.stringify(share));
  t.strictSame(await seen(second), ['west2'], 'none of those of the other zone');

  await write('peers', [even, ...service('zoned', policy, ['west2'])]);
  await until(5_000, async () => (await seen(first)).join() === 'west2');
  t.pass('another zone when its own has none');

  await mesh.sidecar(lost, { name: 'lost', locality: 'west/z1/a', ...asking });
  await until(10_000, async () => (await seen(lost).catch(() => [])).join() === 'west2');
  t.pass('a workload of no service has no peers and works');
});

t.test('the mesh: defaults for hosts without a rule', { timeout: 60_000 }, async (t) => {
  const meshConfig = (spec: object) =>
    documents({
      apiVersion: 'mesh.istio.io/v1alpha1',
      kind: 'MeshConfig',
      metadata: { name: 'mesh' },
      spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, ...spec },
    });
  await write('plain', service('plain', {}).slice(0, 1));
  t.strictSame(names(await ask(40, 'plain', west)), everybody);
  await mesh.applied(() =>
    mesh.write('mesh.yaml', meshConfig({ defaultTrafficPolicy: { ...ejecting } })),
  );
  await until(5_000, async () => names(await ask(8, 'plain', west)).join() === 'west1');
  t.strictSame(await without('west1', 'plain', west), ['west2'], 'defaultTrafficPolicy');
  const distribute = [{ from: '*', to: { south: 100 } }];
  await mesh.applied(() =>
    mesh.write('mesh.yaml', meshConfig({ localityLbSetting: { distribute } })),
  );
  await until(5_000, async () => names(await ask(8, 'plain', west)).join() === 'south1');
  t.ok((await stat('plain', 'membership_total')) === 1, 'localities without a share are left out');
});
