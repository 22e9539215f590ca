// Which VirtualService is in force for which host and client, where unknown hosts are served, and what keeps its
// identity when something is edited.
import t from 'tap';
import type { RouteConfiguration } from '../../src/envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import { buildRouteConfiguration } from '../../src/translate/route.js';
import {
  defaults,
  domainsOf,
  external,
  port,
  proxy,
  routes,
  routesOf,
  rule,
  service,
  suffix,
  to,
  withRule,
} from './route-inputs.js';

const a = `a.default.${suffix}`;
const b = `b.default.${suffix}`;

/** Names of the routes by virtual host, without the catch-all. */
function names(configuration: RouteConfiguration) {
  const hosts = configuration.virtual_hosts ?? [];
  return Object.fromEntries(
    hosts
      .filter((host) => host.name !== 'allow_any')
      .map((host) => [host.name, (host.routes ?? []).map((route) => route.name).join(' ')]),
  );
}

function named(name: string, hosts: readonly string[]) {
  return rule(hosts, [to(a, { name })]);
}

t.test('which rule is in force', async (t) => {
  const services = [service('a', [80]), service('b', [80])];
  const table = [
    { title: 'no rule', rules: [], a: 'default', b: 'default' },
    { title: 'of its host', rules: [named('one', [a])], a: 'one', b: 'default' },
    {
      title: 'the oldest of a host; they are not merged',
      rules: [named('old', [a]), named('young', [a, b])],
      a: 'old',
      b: 'young',
    },
    {
      title: 'hosts in any case',
      rules: [named('one', [a.toUpperCase()])],
      a: 'one',
      b: 'default',
    },
    {
      title: 'the host itself before an older wildcard',
      rules: [named('wild', [`*.default.${suffix}`]), named('exact', [a])],
      a: 'exact',
      b: 'wild',
    },
    {
      title: 'the longer wildcard before an older, shorter one',
      rules: [named('short', ['*.local']), named('long', [`*.default.${suffix}`])],
      a: 'long',
      b: 'long',
    },
    {
      title: 'a rule without a route for this client leaves the host to the next one',
      rules: [
        rule([a, b], [to(b, { name: 'x', match: [{ sourceLabels: { app: 'other' } }] })]),
        named('next', [a]),
      ],
      a: 'next',
      b: 'default',
    },
    {
      title: 'but not to a wildcard',
      rules: [
        rule([a], [to(b, { name: 'x', match: [{ port: 81 }] })]),
        named('wild', [`*.default.${suffix}`]),
      ],
      a: 'default',
      b: 'wild',
    },
    { title: 'a rule with nothing for HTTP', rules: [rule([a], [])], a: 'default', b: 'default' },
  ];
  for (const { title, rules, ...expected } of table) {
    const found = names(routes(80, services, { virtualServices: rules }));
    t.same(found, { [`${a}:80`]: expected.a, [`${b}:80`]: expected.b }, title);
  }
});

t.test('hosts that are no service', async (t) => {
  const services = [service('a', [80, 8080]), service('tcp', [], { ports: [port(80, 'TCP')] })];
  const unknown = [named('x', ['legacy.example.com', '*.example.org'])];
  t.same(
    domainsOf(routes(80, services, { virtualServices: unknown })),
    {
      '*.example.org:80': ['*.example.org'],
      [`${a}:80`]: [a, `${a}.`, 'a', 'a.default', 'a.default.svc'],
      'legacy.example.com:80': ['legacy.example.com'],
      allow_any: ['*'],
    },
    'are served on port 80',
  );
  t.same(
    Object.keys(domainsOf(routes(8080, services, { virtualServices: unknown }))),
    [`${a}:8080`, 'allow_any'],
    'and on no other port',
  );
  t.ok(
    'legacy.example.com:8080' in
      domainsOf(
        routes(8080, services, { virtualServices: [named('x', [a, 'legacy.example.com'])] }),
      ),
    'unless the rule covers a service there',
  );
  t.notOk(
    `tcp.default.${suffix}:80` in
      domainsOf(routes(80, services, { virtualServices: [named('x', [`tcp.default.${suffix}`])] })),
    'a TCP service of the port is known, so it gets no virtual host',
  );
  t.same(
    domainsOf(routes(80, [], { virtualServices: [named('all', ['*'])] })),
    { '*:80': ['*'] },
    'a rule for * stands in for the catch-all',
  );
  t.same(
    names(
      routes(80, [external('*.wikipedia.org', [80])], {
        virtualServices: [named('en', ['en.wikipedia.org'])],
      }),
    ),
    { '*.wikipedia.org:80': 'default', 'en.wikipedia.org:80': 'en' },
    'one host of a wildcard service',
  );
});

t.test('the route of a service without a rule', async (t) => {
  const views = [
    withRule(service('a', [80]), {
      trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } },
    }),
  ];
  t.same(routesOf(routes(80, views), `${a}:80`), [
    {
      name: 'default',
      match: { prefix: '/' },
      route: {
        cluster: `outbound|80||${a}`,
        timeout: { seconds: 0, nanos: 0 },
        max_grpc_timeout: { seconds: 0, nanos: 0 },
        retry_policy: {
          retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
          num_retries: { value: 2 },
          retry_host_predicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
              },
            },
          ],
          host_selection_retry_max_attempts: 5,
        },
        hash_policy: [{ connection_properties: { source_ip: true } }],
      },
      decorator: { operation: `${a}:80/*` },
    },
  ]);
});

t.test('what keeps its identity', async (t) => {
  const services = [service('a', [80]), service('b', [80]), service('c', [8080])];
  const request = {
    name: '80',
    port: 80,
    services: services.slice(0, 2),
    outbound: services,
    virtualServices: [named('a', [a]), named('b', [b])],
    proxy: proxy(),
    settings: defaults,
  };
  const first = buildRouteConfiguration(request);
  t.equal(buildRouteConfiguration({ ...request }), first, 'nothing changed');

  const [ruleA] = request.virtualServices;
  const edited = buildRouteConfiguration({
    ...request,
    virtualServices: [ruleA!, named('b2', [b])],
  });
  t.not(edited, first);
  t.equal(hostOf(edited, a), hostOf(first, a), 'the other virtual host');
  t.not(hostOf(edited, b), hostOf(first, b), 'the virtual host of the rule');

  const unrelated = {
    ...request,
    virtualServices: [...request.virtualServices, named('z', ['z.y'])],
  };
  t.equal(hostOf(buildRouteConfiguration(unrelated), a), hostOf(first, a), 'a new rule elsewhere');

  // b is a destination of no rule of a, so a's routes do not depend on it.
  const views = [services[0]!, withRule(services[1]!, {}), services[2]!];
  const changed = buildRouteConfiguration({
    ...request,
    services: views.slice(0, 2),
    outbound: views,
  });
  t.equal(hostOf(changed, a), hostOf(first, a), 'a change of a service that is no destination');

  const other = buildRouteConfiguration({ ...request, proxy: proxy({ labels: { app: 'x' } }) });
  t.equal(hostOf(other, a), hostOf(first, a), 'shared by clients of one namespace');
});

function hostOf(configuration: RouteConfiguration, host: string) {
  return configuration.virtual_hosts?.find((each) => each.name === `${host}:80`);
}
