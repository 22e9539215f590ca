// Addresses of the mesh's own: who gets one, that none is given twice, and that they do not depend on what else is there.
import t from 'tap';
import { withAutoAddresses } from '../../src/mesh/auto-addresses.js';
import type { RegistryEntry } from '../../src/mesh/registry-entry.js';
import type { Service } from '../../src/mesh/service.js';

function entry(hostname: string, fields: Partial<Service> = {}): RegistryEntry {
  const service: Service = {
    hostname,
    namespace: 'default',
    name: hostname,
    registry: 'external',
    addresses: [],
    headless: false,
    ports: [],
    resolution: 'static',
    meshExternal: true,
    visibility: '*',
    labels: {},
    age: { firstSeen: 0 },
    source: { kind: 'ServiceEntry', namespace: 'default', name: 'x' },
    ...fields,
  };
  return { service, definitions: [] };
}

const given = (entries: readonly RegistryEntry[]) =>
  new Map(withAutoAddresses(entries).map(({ service: s }) => [s.hostname, s.autoAddresses?.[0]]));

t.test('who gets one', async (t) => {
  const label = 'networking.istio.io/enable-autoallocate-ip';
  const all = given([
    entry('static.test'),
    entry('dns.test', { resolution: 'dns' }),
    entry('clusterless.default.svc.cluster.local', { registry: 'kubernetes' }),
    entry('none.test', { resolution: 'none' }),
    entry('own.test', { addresses: ['10.0.0.1'] }),
    entry('*.wild.test'),
    entry('headless.test', { headless: true }),
    entry('out.test', { labels: { [label]: 'False' } }),
  ]);
  const got = [...all].filter(([, address]) => address !== undefined).map(([host]) => host);
  t.same(got, ['static.test', 'dns.test', 'clusterless.default.svc.cluster.local']);
});

t.test('many: each its own, in the range, in any order, the same objects again', async (t) => {
  // A user's own address of the range is nobody else's.
  const own = entry('own.test', { addresses: ['240.240.0.10'] });
  const many = [own, ...Array.from({ length: 20_000 }, (_, i) => entry(`host-${i}.example.com`))];
  const first = given(many);
  const addresses = [...first.values()].filter((address) => address !== undefined);
  t.equal(addresses.length, 20_000);
  t.equal(new Set(addresses).size, 20_000);
  t.notOk(addresses.includes('240.240.0.10'));
  t.ok(addresses.every((ip) => /^240\.240\.\d+\.(?!0$|255$)\d+$/.test(ip)));
  t.same(given([...many].reverse()), first);
  const again = withAutoAddresses(many);
  t.ok(withAutoAddresses(many).every((each, i) => each === again[i]));
});

t.test('one more moves hardly anybody', async (t) => {
  const many = Array.from({ length: 2000 }, (_, i) => entry(`host-${i}.example.com`));
  const before = given(many);
  let moved = 0;
  for (let i = 0; i < 20; i++) {
    const after = given([...many, entry(`new-${i}.example.com`)]);
    for (const [host, address] of before) if (after.get(host) !== address) moved++;
  }
  t.ok(moved <= 2, `${moved} of 40,000`);
});

t.test('more than there are addresses', async (t) => {
  const many = Array.from({ length: 65_100 }, (_, i) => entry(`host-${i}`));
  const addresses = [...given(many).values()].filter((address) => address !== undefined);
  t.equal(new Set(addresses).size, 65_024);
});
