// Under which names clients reach a service: Istio's forms (docs, "Protocol selection" and DNS of services), and the
// rule that Envoy enforces: no domain twice in one route configuration.
import fc from 'fast-check';
import t from 'tap';
import type { RouteConfiguration } from '../../src/envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import {
  domainsOf,
  external,
  port,
  proxy,
  routes,
  rule,
  service,
  settings,
  suffix,
  to,
} from './route-inputs.js';

const backend = `backend.default.${suffix}`;

t.test('domains of a service', async (t) => {
  const table: {
    title: string;
    of?: Parameters<typeof service>[2];
    name?: string;
    host?: string;
    client?: Parameters<typeof proxy>[0];
    domains: string[];
  }[] = [
    {
      title: 'same namespace: the bare name too; the hostname also with a final dot',
      domains: [backend, `${backend}.`, 'backend', 'backend.default', 'backend.default.svc'],
    },
    {
      title: 'another namespace: not the bare name',
      client: { namespace: 'other' },
      domains: [backend, `${backend}.`, 'backend.default', 'backend.default.svc'],
    },
    {
      title: 'an alias (an ExternalName service that points here) with its short forms',
      of: { aliases: [`other.shop.${suffix}`] },
      domains: [
        backend,
        `other.shop.${suffix}`,
        `${backend}.`,
        'backend',
        'backend.default',
        'backend.default.svc',
        `other.shop.${suffix}.`,
        'other.shop',
        'other.shop.svc',
      ],
    },
    {
      title: 'virtual IP of a family the proxy has',
      of: { addresses: ['10.0.0.7', 'fd00::7'] },
      domains: [
        backend,
        `${backend}.`,
        'backend',
        'backend.default',
        'backend.default.svc',
        '10.0.0.7',
      ],
    },
    {
      title: 'IPv6 in brackets, as in a Host header',
      of: { addresses: ['10.0.0.7', 'fd00::7'] },
      client: { ipv6: true, namespace: 'other' },
      domains: [
        backend,
        `${backend}.`,
        'backend.default',
        'backend.default.svc',
        '10.0.0.7',
        '[fd00::7]',
      ],
    },
    {
      title: 'headless: the names of its endpoints',
      of: { headless: true },
      client: { namespace: 'other' },
      domains: [
        backend,
        `${backend}.`,
        'backend.default',
        'backend.default.svc',
        `*.${backend}`,
        `*.${backend}.`,
        '*.backend.default',
        '*.backend.default.svc',
      ],
    },
    {
      title: 'ServiceEntry: the host and its addresses, no short forms, no CIDR',
      host: 'api.example.com',
      of: { addresses: ['203.0.113.5', '198.51.100.0/24'] },
      domains: ['api.example.com', 'api.example.com.', '203.0.113.5'],
    },
    {
      title: 'ServiceEntry host that is an IP',
      host: '203.0.113.9',
      domains: ['203.0.113.9'],
    },
    {
      title: 'wildcard ServiceEntry',
      host: '*.wikipedia.org',
      domains: ['*.wikipedia.org', '*.wikipedia.org.'],
    },
    {
      title: 'a proxy with a domain of its own, sharing a suffix',
      host: 'foo.local.campus.net',
      client: { dnsDomain: 'local.campus.net' },
      domains: ['foo.local.campus.net', 'foo.local.campus.net.', 'foo'],
    },
    {
      title: 'a proxy in a sibling domain',
      host: 'foo.local.campus.net',
      client: { dnsDomain: 'remote.campus.net' },
      domains: ['foo.local.campus.net', 'foo.local.campus.net.', 'foo.local', 'foo.local.campus'],
    },
    {
      title: 'a proxy in a foreign domain',
      host: 'foo.local.campus.net',
      client: { dnsDomain: 'example.com' },
      domains: ['foo.local.campus.net', 'foo.local.campus.net.'],
    },
  ];
  for (const { title, of, host, client, domains } of table) {
    const made = host === undefined ? service('backend', [80], of) : external(host, [80], of);
    const found = domainsOf(routes(80, [made], { proxy: proxy(client) }));
    t.same(found[`${host ?? backend}:80`], domains, title);
  }
});

t.test('unknown hosts', async (t) => {
  const allowed = routes(80, [service('a', [80])]).virtual_hosts?.at(-1);
  t.match(allowed, { name: 'allow_any', domains: ['*'], include_request_attempt_count: true });
  t.match(allowed?.routes, [
    {
      name: 'allow_any',
      match: { prefix: '/' },
      route: { cluster: 'PassthroughCluster', timeout: { seconds: 0, nanos: 0 } },
    },
  ]);
  t.equal(allowed?.routes?.[0]?.route?.retry_policy, undefined, 'never retried');
  const refused = routes(80, [], {
    settings: settings({ outboundTrafficPolicy: 'REGISTRY_ONLY' }),
  });
  t.same(refused.virtual_hosts, [
    {
      name: 'block_all',
      domains: ['*'],
      routes: [{ name: 'block_all', match: { prefix: '/' }, direct_response: { status: 502 } }],
      include_request_attempt_count: true,
    },
  ]);
});

t.test('the route configuration', async (t) => {
  const found = routes(8080, [service('b', [8080]), service('a', [8080]), service('c', [80])]);
  t.match(found, {
    name: '8080',
    validate_clusters: { value: false },
    max_direct_response_body_size_bytes: { value: 1048576 },
    ignore_port_in_host_matching: true,
  });
  t.same(
    found.virtual_hosts?.map((host) => host.name),
    [`a.default.${suffix}:8080`, `b.default.${suffix}:8080`, 'allow_any'],
    'sorted, only services of the port, the catch-all last',
  );
});

t.test('a sniffed service at its own address', async (t) => {
  const view = service('a', [], { ports: [port(9000, 'Auto')] });
  const host = `a.default.${suffix}`;
  const name = `${host}:9000`;
  const plain = routes(9000, [view], { name });
  t.same(domainsOf(plain), { [name]: ['*'] }, 'whatever the Host header says');
  t.match(plain.virtual_hosts?.[0]?.routes, [{ name: 'default' }]);
  const virtualServices = [rule([host], [{ name: 'ruled', ...to(host) }])];
  t.match(routes(9000, [view], { name, virtualServices }).virtual_hosts?.[0]?.routes, [
    { name: 'ruled' },
  ]);
});

t.test('a short name gives way to the full name of another service', async (t) => {
  const found = domainsOf(routes(80, [service('api.prod', [80]), external('api.prod', [80])]));
  t.same(found['api.prod:80'], ['api.prod', 'api.prod.']);
  t.same(found[`api.prod.${suffix}:80`], [
    `api.prod.${suffix}`,
    `api.prod.${suffix}.`,
    'api.prod.svc',
  ]);
});

t.test('one address, two services: the first by name keeps it', async (t) => {
  const addresses = ['10.0.0.1'];
  const found = domainsOf(
    routes(80, [service('a', [80], { addresses }), service('b', [80], { addresses })]),
  );
  t.ok(found[`a.default.${suffix}:80`]?.includes('10.0.0.1'));
  t.notOk(found[`b.default.${suffix}:80`]?.includes('10.0.0.1'));
});

t.test('no domain twice, whatever users name', async () => {
  const label = fc.constantFrom('a', 'b', 'svc', 'com', 'default', 'cluster', 'local', 'A');
  const exact = fc.array(label, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.'));
  const host = fc.oneof(
    exact,
    exact.map((name) => `*.${name}`),
    fc.constantFrom('*', '10.0.0.1', 'fd00::1', `a.default.${suffix}`, `b.a.${suffix}`),
  );
  const ports = fc.constantFrom([80], [8080], [80, 8080]);
  const addresses = fc.subarray(['10.0.0.1', '10.0.0.2', 'fd00::1', '0.0.0.0']);
  const services = fc.array(
    fc.oneof(
      fc
        .record({ of: exact, ports, addresses, headless: fc.boolean() })
        .map(({ of, ports, ...some }) => service(`${of}.x`, ports, some)),
      fc
        .record({ host, ports, addresses })
        .map(({ host, ports, addresses }) => external(host, ports, { addresses })),
    ),
    { maxLength: 8 },
  );
  const rules = fc.array(
    fc
      .array(host, { minLength: 1, maxLength: 4 })
      .map((hosts) => rule(hosts, [to('a.default.svc.cluster.local')])),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(services, rules, fc.constantFrom(80, 8080), (views, virtualServices, at) => {
      // The mesh gives one service for a hostname.
      const byHost = new Map(views.map((view) => [view.service.hostname, view]));
      const outbound = [...byHost.values()];
      const some = { virtualServices, proxy: proxy({ ipv6: true }) };
      const all = { ...some, name: 'http_proxy', port: 0, services: outbound };
      return unique(routes(at, outbound, some)) && unique(routes(0, outbound, all));
    }),
    { numRuns: 500 },
  );
});

function unique(configuration: RouteConfiguration): boolean {
  const hosts = configuration.virtual_hosts ?? [];
  const domains = hosts.flatMap((host) => host.domains ?? []).map((name) => name.toLowerCase());
  return (
    new Set(domains).size === domains.length &&
    new Set(hosts.map((host) => host.name)).size === hosts.length &&
    domains.includes('*')
  );
}
