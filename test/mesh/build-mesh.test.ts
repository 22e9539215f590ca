import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { viewOf } from '../../src/mesh/view.js';
import {
  input,
  make,
  routeTo,
  rule,
  service,
  sidecar,
  slice,
  virtualService,
  workload,
} from './resources.js';

const everything: readonly Resource[] = [
  service('a'),
  service('b', { clusterIP: '10.1.0.1' }, { namespace: 'prod', timestampMs: 5 }),
  service('c', {}, { annotations: { 'networking.istio.io/exportTo': '.' } }),
  workload('a1', { address: '10.0.0.1', labels: { app: 'a', version: 'v1' } }),
  workload('a2', { address: '10.0.0.2', labels: { app: 'a', version: 'v2' } }),
  workload('twin', { address: '10.0.0.2', labels: { app: 'a', version: 'v3' } }),
  slice('b1', 'b', { endpoints: [{ addresses: ['10.0.1.1'] }] }, { namespace: 'prod' }),
  slice('b2', 'b', { endpoints: [{ addresses: ['10.0.1.1', '10.0.1.2'] }] }, { namespace: 'prod' }),
  make('ServiceEntry', 'x', { hosts: ['x.com'], ports: [{ number: 80, name: 'p' }] }),
  make('ServiceEntry', 'y', { hosts: ['x.com'], ports: [{ number: 81, name: 'q' }] }),
  make('ServiceEntry', 'z', { hosts: ['x.com'] }, { namespace: 'prod' }),
  service('alias', { type: 'ExternalName', externalName: 'a.default.svc.cluster.local' }),
  routeTo('a', 'a'),
  routeTo('also-a', 'a', {}, { exportTo: ['.'] }),
  routeTo('prod-a', 'a.default.svc.cluster.local', { namespace: 'prod' }),
  rule('a', 'a', { subsets: [{ name: 'v1', labels: { version: 'v1' } }] }),
  rule('a-too', 'a', { subsets: [{ name: 'v2', labels: { version: 'v2' } }] }),
  rule('all', '*.local', {}, { namespace: 'istio-system' }),
  make('MeshConfig', 'one', { rootNamespace: 'other' }),
  make('MeshConfig', 'two', { trustDomain: 'example.org' }),
];

const clients = [sidecar('default', '10.0.0.1', { app: 'a' }), sidecar('prod'), sidecar('far')];

function seen(mesh: Mesh) {
  return {
    services: mesh.services,
    virtualServices: mesh.virtualServices,
    settings: mesh.settings,
    problems: mesh.problems,
    views: clients.map((client) => {
      const view = viewOf(mesh, client);
      return { ...view, endpoints: [...view.outbound.endpoints].map(([, found]) => found) };
    }),
  };
}

/** Plain data; the order of maps counts, since others may go through them. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part: unknown) =>
      isMap(part) ? [...part] : part instanceof Set ? [...part].sort() : part,
    ),
  );
}

/** Map, or one of lib/ that is read like it (patched-map.ts). */
function isMap(part: unknown): part is ReadonlyMap<unknown, unknown> {
  return part instanceof Map || (part instanceof Object && 'get' in part && 'entries' in part);
}

t.test('the order of resources does not matter', async (t) => {
  const expected = plain(seen(buildMesh(input(...everything))));
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...everything], { minLength: everything.length }),
      (shuffled) => {
        t.same(plain(seen(buildMesh(input(...shuffled)))), expected);
      },
    ),
    { numRuns: 20 },
  );
});

t.test('a mesh built on another is what it would be alone', async () => {
  const subset = fc.shuffledSubarray([...everything]);
  fc.assert(
    fc.property(fc.array(subset, { minLength: 2, maxLength: 4 }), (generations) => {
      let mesh: Mesh | undefined;
      for (const generation of generations) {
        mesh = buildMesh(input(...generation), mesh);
        seen(mesh);
      }
      const alone = buildMesh(input(...(generations.at(-1) ?? [])));
      const [a, b] = [plain(mesh && seen(mesh)), plain(seen(alone))];
      if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error('they differ');
    }),
    { numRuns: 200 },
  );
});

/** Other versions of some resources, to be edited to and back. */
const versions: readonly Resource[] = [
  ...['10.4.0.1', '10.4.0.2'].map((address) => ({
    ...named('ServiceEntry', 'x'),
    spec: {
      hosts: ['x.com', 'x.local'],
      ports: [{ number: 80, name: 'p' }],
      endpoints: [{ address }],
    },
  })),
  { ...named('ServiceEntry', 'y'), spec: { hosts: ['x.com'], resolution: 'STATIC' } },
  { ...named('ServiceEntry', 'z'), spec: { hosts: ['z.com'], resolution: 'DNS' } },
  { ...named('ServiceEntry', 'z'), spec: { hosts: ['a.default.svc.cluster.local'] } },
  { ...named('WorkloadEntry', 'a1'), spec: { address: '10.0.0.1', labels: { app: 'b' } } },
  { ...named('WorkloadEntry', 'twin'), spec: { address: '10.0.0.3', labels: { app: 'a' } } },
  service('alias', { type: 'ExternalName', externalName: 'x.com' }),
  slice('b1', 'b', { endpoints: [{ addresses: ['10.0.1.7'] }] }, { namespace: 'prod' }),
];

t.test('a mesh edited in place is what it would be alone', async () => {
  const steps = fc.array(fc.tuple(fc.nat(versions.length - 1), fc.boolean()), { minLength: 1 });
  fc.assert(
    fc.property(steps, (edits) => {
      let now = [...everything];
      let mesh = buildMesh(input(...now));
      seen(mesh);
      for (const [at, back] of edits) {
        const { kind, name } = versions[at]!;
        const next = back ? named(kind, name) : versions[at]!;
        now = now.map((it) => (it.kind === kind && it.name === name ? next : it));
        mesh = buildMesh(input(...now), mesh);
        if (
          JSON.stringify(plain(seen(mesh))) !==
          JSON.stringify(plain(seen(buildMesh(input(...now)))))
        ) {
          throw new Error('they differ');
        }
      }
    }),
    { numRuns: 200 },
  );
});

t.test('other endpoints of a ServiceEntry leave all services as they are', async (t) => {
  const [one, two] = versions.map((version) => ({ ...version }));
  const others = everything.filter(({ name }) => name !== 'x' && name !== 'y');
  const before = buildMesh(input(...others, one!));
  const after = buildMesh(input(...others, two!), before);
  t.equal(after.services, before.services);
  t.equal(after.servicesByHostname, before.servicesByHostname);
  const [service] = after.servicesByHostname.get('x.com') ?? [];
  t.match(after.endpoints.get(service!)?.byPort.get(80), [{ address: '10.4.0.2' }]);
});

t.test('one of a namespace goes and a younger one comes: the rest stays in order', async (t) => {
  const [a1, a2, twin] = ['a1', 'a2', 'twin'].map((name) => named('WorkloadEntry', name));
  const before = buildMesh(input(named('Service', 'a'), a1!, a2!));
  const now = [named('Service', 'a'), a2!, twin!];
  const after = buildMesh(input(...now), before);
  const labels = ({ endpoints }: Mesh) =>
    [...endpoints.values()].flatMap(({ byPort }) => byPort.get(8080)?.map(({ labels }) => labels));
  t.strictSame(labels(after), [{ app: 'a', version: 'v2' }], 'of two of one address the older');
  t.strictSame(labels(after), labels(buildMesh(input(...now))));
});

t.test('the same with DestinationRules of one host', async (t) => {
  const [first, second, third] = ['1', '2', '3'].map((name) =>
    rule(name, 'a', { trafficPolicy: { loadBalancer: { simple: name } } }),
  );
  const before = buildMesh(input(named('Service', 'a'), first!, second!));
  const after = buildMesh(input(named('Service', 'a'), second!, third!), before);
  const { services } = viewOf(after, sidecar('default')).outbound;
  t.match(services[0]?.destinationRule?.trafficPolicy, { loadBalancer: { simple: '2' } });
});

function named(kind: string, name: string): Resource {
  return everything.find((it) => it.kind === kind && it.name === name)!;
}

function edited(kind: string, name: string, spec: object): readonly Resource[] {
  return everything.map((it) =>
    it.kind === kind && it.name === name
      ? { ...it, spec: { ...(it.spec as object), ...spec } }
      : it,
  );
}

function parts(mesh: Mesh) {
  const { outbound } = viewOf(mesh, sidecar('default'));
  const { services, virtualServices, endpoints } = outbound;
  return { services, virtualServices, endpoints, outbound, settings: mesh.settings };
}

t.test('what did not change is the same object', async (t) => {
  const before = buildMesh(input(...everything));
  const old = parts(before);
  const changed = (resources: readonly Resource[]) => {
    const now = parts(buildMesh(input(...resources), before));
    return Object.keys(old).filter(
      (key) => now[key as keyof typeof now] !== old[key as 'services'],
    );
  };
  t.strictSame(changed(everything), []);
  t.strictSame(changed(edited('WorkloadEntry', 'a1', { weight: 7 })), ['endpoints', 'outbound']);
  t.strictSame(
    changed(edited('EndpointSlice', 'b1', { endpoints: [] })),
    [],
    'the other slice has the same address',
  );
  t.strictSame(changed(edited('EndpointSlice', 'b2', { endpoints: [] })), [
    'endpoints',
    'outbound',
  ]);
  t.strictSame(changed(edited('VirtualService', 'a', { http: [] })), [
    'virtualServices',
    'outbound',
  ]);
  t.strictSame(changed(edited('VirtualService', 'prod-a', { exportTo: ['.'] })), [
    'virtualServices',
    'outbound',
  ]);
  t.strictSame(changed(edited('DestinationRule', 'a', { subsets: [] })), ['services', 'outbound']);
  t.strictSame(changed(edited('Service', 'b', { ports: [] })), [
    'services',
    'endpoints',
    'outbound',
  ]);
  const unrelated = [...everything, rule('new', 'a', {}, { namespace: 'elsewhere' })];
  t.strictSame(changed(unrelated), []);
});

t.test('single services and endpoints keep identity too', async (t) => {
  const before = buildMesh(input(...everything));
  const after = buildMesh(input(...edited('WorkloadEntry', 'a1', { weight: 7 })), before);
  const [a, b] = before.services;
  t.equal(after.services, before.services);
  t.ok(a && b);
  if (a === undefined || b === undefined) return;
  const host = (mesh: Mesh, name: string) =>
    mesh.endpoints.get(mesh.servicesByHostname.get(name)?.[0] ?? a)?.byPort.get(8080);
  const [oldA, newA] = [before, after].map((mesh) => host(mesh, 'a.default.svc.cluster.local'));
  t.equal(newA?.[0]?.weight, 7);
  t.equal(newA?.[1], oldA?.[1], 'the endpoint that did not change');
  const [oldB, newB] = [before, after].map((mesh) => host(mesh, 'b.prod.svc.cluster.local'));
  t.equal(newB, oldB, 'the list of another service');
  const moved = buildMesh(input(...edited('Service', 'a', { clusterIP: '10.3.0.1' })), before);
  t.equal(host(moved, 'a.default.svc.cluster.local'), oldA, 'the list of a service that changed');
});

t.test('VirtualServices are resolved', async (t) => {
  const { virtualServices } = buildMesh(
    input(
      virtualService('v', {
        hosts: ['a', 'x.com'],
        gateways: ['mesh', 'gw'],
        exportTo: ['.'],
        http: [
          {
            match: [{ gateways: ['gw'] }],
            route: [{ destination: { host: 'a', subset: 's' }, weight: 3 }],
            mirror: { host: 'b' },
            mirrors: [{ destination: { host: 'c' } }],
            timeout: 5,
          },
        ],
        tcp: [{ route: [{ destination: { host: 'd.prod' } }] }],
        tls: [{ match: [{ sniHosts: ['x'] }], route: [{ destination: { host: 'e' } }] }],
      }),
    ),
  );
  const fqdn = (name: string) => `${name}.default.svc.cluster.local`;
  t.match(virtualServices, [
    {
      hosts: [fqdn('a'), 'x.com'],
      gateways: ['mesh', 'default/gw'],
      visibility: new Set(['default']),
      http: [
        {
          match: [{ gateways: ['default/gw'] }],
          route: [{ destination: { host: fqdn('a'), subset: 's' }, weight: 3 }],
          mirror: { host: fqdn('b') },
          mirrors: [{ destination: { host: fqdn('c') } }],
          timeout: 5,
        },
      ],
      tcp: [{ route: [{ destination: { host: 'd.prod' } }] }],
      tls: [{ route: [{ destination: { host: fqdn('e') } }] }],
    },
  ]);
});

t.test('MeshConfig', async (t) => {
  const { settings } = buildMesh(input());
  t.match(settings, {
    outboundTrafficPolicy: 'ALLOW_ANY',
    inboundTrafficPolicy: 'PASSTHROUGH',
    proxyListenPort: 15001,
    proxyInboundListenPort: 15006,
    connectTimeoutMs: 10_000,
    protocolDetectionTimeoutMs: 0,
    dnsRefreshRateMs: 60_000,
    trustDomain: 'cluster.local',
    rootNamespace: 'istio-system',
    defaultServiceExportTo: ['*'],
  });
  const mesh = buildMesh(input(...everything));
  t.match(mesh.settings, { trustDomain: 'example.org', rootNamespace: 'istio-system' });
  t.match(mesh.problems, [{ code: 'duplicate-resource', resource: { name: 'one' } }]);
  const registryOnly = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, connectTimeout: 5 };
  const { settings: strict } = buildMesh(input(make('MeshConfig', 'm', registryOnly)));
  t.match(strict, { outboundTrafficPolicy: 'REGISTRY_ONLY', connectTimeoutMs: 5 });
});
