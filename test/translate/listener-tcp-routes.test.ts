// TCP and TLS rules of VirtualServices in filter chains, and what DestinationRules say about connections, by table.
// The rules are Istio's (VirtualService reference, L4MatchAttributes and TLSMatchAttributes).
import t from 'tap';
import type { TcpRule } from '../../src/mesh/rules.js';
import { buildListeners } from '../../src/translate/listener.js';
import { ports, service, type ViewParts, view, virtualService } from './listener-inputs.js';
import { summaries } from './listener-summary.js';
import { objections } from './validate-listeners.js';

const host = (name: string) => `${name}.default.svc.cluster.local`;
const to = (name: string, weight?: number, subset?: string, port?: number) => ({
  destination: {
    host: host(name),
    ...(subset === undefined ? {} : { subset }),
    ...(port === undefined ? {} : { port: { number: port } }),
  },
  ...(weight === undefined ? {} : { weight }),
});
const db = service('db', { addresses: ['10.0.0.1'], ports: ports('tcp:5432') });
const two = service('two', { ports: ports('tcp:1', 'tcp:2'), addresses: ['10.0.0.2'] });
const secure = service('secure', { addresses: ['10.0.0.3'], ports: ports('tls:443') });
const rule = (...tcp: TcpRule[]) => [virtualService('rule', ['db'], { tcp })];
const toDb = '  -> outbound|5432||db';
const name = '10.0.0.1_5432 []';

interface Case {
  name: string;
  parts: ViewParts;
  want: string[];
}

const cases: Case[] = [
  {
    name: 'weights',
    parts: { virtualServices: rule({ route: [to('db', 75, 'v1'), to('db', 25, 'v2')] }) },
    want: [name, '  -> 75 outbound|5432|v1|db + 25 outbound|5432|v2|db'],
  },
  {
    name: 'a destination of weight 0 gets nothing; one left is no choice',
    parts: { virtualServices: rule({ route: [to('db', 0, 'v1'), to('db', 100, 'v2')] }) },
    want: [name, '  -> outbound|5432|v2|db'],
  },
  {
    name: 'a single destination needs no weight; port: given, the only one, or that of the listener',
    parts: { virtualServices: rule({ route: [to('two', undefined, undefined, 2)] }) },
    want: [name, '  -> outbound|2||two'],
  },
  {
    name: 'no port given and several there: the port that was called',
    parts: { virtualServices: rule({ route: [to('two')] }) },
    want: [name, '  -> outbound|5432||two'],
  },
  {
    name: 'the oldest rule of a host counts; a rule with only HTTP says nothing here',
    parts: {
      virtualServices: [
        virtualService('http-only', ['db'], { http: [{ route: [] }] }),
        virtualService('first', ['*.default.svc.cluster.local'], { tcp: [{ route: [to('two')] }] }),
        virtualService('second', ['db'], { tcp: [{ route: [to('db')] }] }),
      ],
    },
    want: [name, '  -> outbound|5432||two'],
  },
  {
    name: 'a match on another port, label, namespace or gateway does not apply',
    parts: {
      proxy: { labels: { app: 'client' } },
      virtualServices: rule(
        { match: [{ port: 1 }], route: [to('two')] },
        { match: [{ sourceLabels: { app: 'other' } }], route: [to('two')] },
        { match: [{ sourceNamespace: 'other' }], route: [to('two')] },
        { match: [{ gateways: ['default/gateway'] }], route: [to('two')] },
      ),
    },
    want: [name, toDb],
  },
  {
    name: 'a match that applies counts, and ends the list',
    parts: {
      proxy: { labels: { app: 'client', version: 'v1' } },
      virtualServices: rule(
        {
          match: [
            { port: 1 },
            {
              port: 5432,
              sourceLabels: { app: 'client' },
              sourceNamespace: 'default',
              gateways: ['mesh'],
            },
          ],
          route: [to('two')],
        },
        { route: [to('db', undefined, 'v9')] },
      ),
    },
    want: [name, '  -> outbound|5432||two'],
  },
  {
    name: 'destinationSubnets are prefix ranges; what is left goes to the service',
    parts: {
      virtualServices: rule({
        match: [
          { destinationSubnets: ['10.2.0.0/16'] },
          { destinationSubnets: ['10.1.0.0/16'], port: 5432 },
        ],
        route: [to('two')],
      }),
    },
    want: [
      name,
      '  10.1.0.0/16,10.2.0.0/16 -> outbound|5432||two',
      '  default -> outbound|5432||db',
    ],
  },
  {
    name: 'TLS by server name; the service itself is then not asked',
    parts: {
      services: [secure, db],
      virtualServices: [
        virtualService('tls', ['secure'], {
          tls: [
            { match: [{ sniHosts: ['b.example.com', 'a.example.com'] }], route: [to('db')] },
            { match: [{ sniHosts: ['b.example.com', 'a.example.com'] }], route: [to('two')] },
            {
              match: [{ sniHosts: ['D.example.com', 'a.example.com', 'd.example.com'] }],
              route: [to('two')],
            },
            { match: [{ sniHosts: ['c.example.com'], port: 9 }], route: [to('two')] },
          ],
        }),
      ],
    },
    want: [
      '10.0.0.3_443 [tls_inspector]',
      '  sni a.example.com,b.example.com -> outbound|5432||db',
      '  sni d.example.com -> outbound|443||two',
      '  default PassthroughFilterChain -> PassthroughCluster',
      name,
      toDb,
    ],
  },
];

for (const { name, parts, want } of cases) {
  t.test(name, async (t) => {
    const input = view({ services: [db, two], ...parts });
    const listeners = buildListeners(input);
    const lines = summaries(listeners.filter((each) => /_5432$|_443$/.test(each.name ?? '')));
    t.strictSame(lines, want);
    t.strictSame(objections(listeners), []);
  });
}

t.test('settings of connections come from the rule of the first destination', async (t) => {
  const rules = {
    db: {
      trafficPolicy: {
        connectionPool: { tcp: { idleTimeout: 90_500, maxConnectionDuration: 3_600_000 } },
        loadBalancer: { consistentHash: { useSourceIp: true } },
        portLevelSettings: [
          { port: { number: 5432 }, connectionPool: { tcp: { idleTimeout: 1 } } },
        ],
      },
      subsets: [
        { name: 'v1', trafficPolicy: { loadBalancer: { simple: 'RANDOM' as const } } },
        { name: 'v2' },
      ],
    },
  };
  const times = {
    idle_timeout: { seconds: 90, nanos: 500_000_000 },
    max_downstream_connection_duration: { seconds: 3600, nanos: 0 },
  };
  const hashed = { ...times, hash_policy: [{ source_ip: {} }] };
  const table = [
    ['the service itself', [], 'outbound|5432||db', hashed],
    ['a subset with another balancer', [to('db', 1, 'v1')], 'outbound|5432|v1|db', times],
    ['a subset without one', [to('db', 1, 'v2')], 'outbound|5432|v2|db', hashed],
    ['several', [to('db', 1, 'v1'), to('two', 1)], 'rule.default', hashed],
    ['a destination without a rule', [to('two')], 'outbound|5432||two', {}],
  ] as const;
  for (const [label, route, statPrefix, want] of table) {
    const virtualServices = route.length === 0 ? [] : rule({ route: [...route] });
    const listeners = buildListeners(view({ services: [db, two], rules, virtualServices }));
    const config = listeners.find((each) => each.name === '10.0.0.1_5432')?.filter_chains?.[0]
      ?.filters?.[0]?.typed_config as Record<string, unknown>;
    const prefix = String(config['stat_prefix']).replace('.default.svc.cluster.local', '');
    t.equal(prefix, statPrefix, label);
    const { idle_timeout, max_downstream_connection_duration, hash_policy } = config;
    const found = { idle_timeout, max_downstream_connection_duration, hash_policy };
    t.strictSame(JSON.parse(JSON.stringify(found)), want, label);
    t.strictSame(objections(listeners), [], label);
  }
});
