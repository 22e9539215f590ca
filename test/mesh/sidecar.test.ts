// Sidecars: which one counts, and what its egress hosts let clients see. Expectations are those of the Istio API
// (Sidecar) and of Istio's sidecar scope.
import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { viewOf } from '../../src/mesh/view.js';
import { input, type Meta, make, routeTo, service, sidecar, slice } from './resources.js';

const scope = (name: string, spec: object, meta?: Meta) => make('Sidecar', name, spec, meta);
const egress = (...hosts: string[]) => ({ egress: [{ hosts }] });
const services = [
  service('a'),
  service('b'),
  service('a', {}, { namespace: 'shop' }),
  service('c', {}, { namespace: 'shop' }),
];

function view(client: ReturnType<typeof sidecar>, ...resources: readonly Resource[]) {
  return viewOf(buildMesh(input(...services, ...resources)), client);
}

/** `name.namespace` of what is seen. */
function seen(client: ReturnType<typeof sidecar>, ...resources: readonly Resource[]): string {
  const { outbound } = view(client, ...resources);
  return outbound.services
    .map(({ service: { hostname } }) => hostname.split('.').slice(0, 2).join('.'))
    .join(' ');
}

const all = 'a.default a.shop b.default c.shop';
const fqdn = (name: string, namespace = 'default') => `${name}.${namespace}.svc.cluster.local`;

const hosts: [string, string[], string][] = [
  ['everything', ['*/*'], all],
  ['the own namespace', ['./*'], 'a.default b.default'],
  ['another namespace', ['shop/*'], 'a.shop c.shop'],
  ['one host', [`default/${fqdn('b')}`], 'b.default'],
  ['a host of any namespace', [`*/${fqdn('c', 'shop')}`], 'c.shop'],
  ['a host that is elsewhere', [`default/${fqdn('c', 'shop')}`], ''],
  ['hosts by wildcard', ['*/*.shop.svc.cluster.local'], 'a.shop c.shop'],
  ['excluded by namespace', ['*/*', '~shop/*'], 'a.default b.default'],
  ['excluded by host', ['*/*', `~*/${fqdn('a')}`], 'a.shop b.default c.shop'],
  ['nothing', ['~/*'], ''],
];
for (const [name, entries, expected] of hosts) {
  t.test(`egress hosts: ${name}`, async (t) => {
    t.equal(seen(sidecar('default'), scope('s', egress(...entries))), expected);
  });
}

t.test('which Sidecar counts', async (t) => {
  const own = scope('own', egress('./*'));
  const some = scope('some', {
    workloadSelector: { labels: { app: 'web' } },
    ...egress('shop/*'),
  });
  const root = scope('root', egress(`default/${fqdn('a')}`), { namespace: 'istio-system' });
  const rootSome = scope(
    'root-some',
    { workloadSelector: { labels: { app: 'web' } }, ...egress('~/*') },
    { namespace: 'istio-system' },
  );
  const web = sidecar('default', '10.9.9.9', { app: 'web' });
  t.equal(seen(web, own, some, root, rootSome), 'a.shop c.shop', 'one that selects the workload');
  t.equal(seen(sidecar('default'), own, some, root), 'a.default b.default', 'of the namespace');
  t.equal(seen(sidecar('far'), own, some, root), 'a.default', 'of the root namespace');
  t.equal(seen(sidecar('far'), own, some), all, 'none');
  t.equal(seen(web, root, rootSome), 'a.default', "the root's selectors are for its own workloads");
  const younger = scope('younger', egress('shop/*'));
  t.equal(seen(sidecar('default'), own, younger), 'a.default b.default', 'the oldest');
});

t.test('rules are seen by their hosts, and what they lead to with them', async (t) => {
  const rule = routeTo(
    'to-c',
    'a',
    {},
    {
      http: [{ route: [{ destination: { host: fqdn('c', 'shop'), port: { number: 8080 } } }] }],
    },
  );
  const other = routeTo('of-b', 'b');
  const client = sidecar('default');
  const limited = scope('s', egress(`./${fqdn('a')}`));
  t.equal(seen(client, limited, rule, other), 'a.default c.shop');
  const { virtualServices, listeners = [] } = view(client, limited, rule, other).outbound;
  t.strictSame(
    listeners.map(({ services }) => services.map((each) => each.service.hostname)),
    [[fqdn('a')]],
    'without hosts of their own',
  );
  t.strictSame(
    virtualServices.map(({ source }) => source.name),
    ['to-c'],
  );
});

t.test('listeners of single ports', async (t) => {
  const two = service('two', {
    ports: [
      { name: 'http', port: 80 },
      { name: 'tcp', port: 90 },
    ],
  });
  const spec = {
    egress: [
      { port: { number: 90, protocol: 'TCP' }, hosts: ['./*'] },
      { hosts: [`./${fqdn('a')}`] },
    ],
  };
  const { outbound } = view(sidecar('default'), two, scope('s', spec));
  const at = (outbound.listeners ?? []).map(({ port, services }) => [
    port,
    services.map(({ service }) => `${service.name}:${service.ports.map((p) => p.number)}`),
  ]);
  t.strictSame(at, [
    [90, ['two:90']],
    [undefined, ['a:8080']],
  ]);
  t.strictSame(
    outbound.services.map(({ service }) => service.name),
    ['a', 'two'],
  );
});

t.test('endpoints of services with some of their ports', async (t) => {
  const two = service('two', {
    ports: [
      { name: 'http', port: 80 },
      { name: 'tcp', port: 90 },
    ],
  });
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'tcp', port: 9090 },
  ];
  const of = slice('two-1', 'two', { ports, endpoints: [{ addresses: ['10.0.0.1'] }] });
  const spec = { egress: [{ port: { number: 90, protocol: 'TCP' }, hosts: ['./*'] }] };
  const { outbound } = view(sidecar('default'), two, of, scope('s', spec));
  const [{ service: trimmed } = { service: undefined }] = outbound.services;
  t.equal(trimmed?.ports.length, 1);
  t.equal([...outbound.endpoints.values()][0]?.byPort.get(90)?.[0]?.port, 9090);
});

t.test('parts keep their identity', async (t) => {
  const limited = scope('s', egress('./*'));
  const client = sidecar('default');
  const first = buildMesh(input(...services, limited));
  const before = viewOf(first, client);
  const elsewhere = buildMesh(
    input(...services, limited, service('d', {}, { namespace: 'far' })),
    first,
  );
  t.equal(viewOf(elsewhere, client), before, 'what is not seen changes nothing');
  const mate = viewOf(elsewhere, sidecar('default', '10.9.9.8'));
  t.equal(mate.outbound, before.outbound, 'shared by the proxies that it is for');
});

t.test('ingress and policies', async (t) => {
  const spec = {
    ingress: [
      { port: { number: 9080, protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:8080' },
      { port: { number: 90, protocol: 'TCP' }, connectionPool: { tcp: { maxConnections: 3 } } },
    ],
    inboundConnectionPool: { tcp: { maxConnections: 7 } },
    outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
  };
  const { inbound, settings, outbound } = view(sidecar('default'), scope('s', spec));
  t.match(inbound.ports, [
    { targetPort: 90, connectionPool: { tcp: { maxConnections: 3 } } },
    {
      targetPort: 9080,
      port: { protocol: 'HTTP' },
      endpoint: { address: '127.0.0.1', port: 8080 },
      connectionPool: { tcp: { maxConnections: 7 } },
    },
  ]);
  t.equal(settings.outboundTrafficPolicy, 'REGISTRY_ONLY');
  t.equal(outbound.services.length, 4, 'without egress everything is seen');
});

t.test('an entry on a Unix socket: all ports of its hosts, which others do not see', async (t) => {
  const bind = 'unix:///run/mesh.sock';
  const sidecarOn = (...egress: object[]) => scope('s', { egress });
  const socket = { port: { number: 0, protocol: 'GRPC' }, bind, hosts: ['shop/*'] };
  const client = sidecar('default');
  const { outbound } = view(client, sidecarOn(socket, { hosts: ['./*'] }));
  t.match(outbound.listeners, [
    { socket: { path: '/run/mesh.sock', protocol: 'GRPC' }, services: { length: 2 } },
    { socket: undefined, port: undefined, services: { length: 2 } },
  ]);
  t.equal(outbound.services.length, 4, 'both have clusters');
  const only = view(client, sidecarOn(socket)).outbound;
  t.match(only.listeners, [{ socket: { path: '/run/mesh.sock' } }], 'not taken for all ports');
});
