// What DestinationRules do to real requests: load balancers, subsets, whose rule and which section counts, and endpoints
// that are not ready. Expectations are Istio's documented behaviour, and Envoy's where Istio passes a field on. Limits
// of connections and ejection are in connection-pool.test.ts, TCP by source address is in listener.test.ts.
import t from 'tap';
import {
  type AskOptions,
  connections,
  countByName,
  type FleetAnswer,
  names,
  resource,
} from './fleet.js';
import { all, perConnection, startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';

const { fleet, mesh, write, service, stat } = await startFleetMesh(['v1', 'v2', 'v3', 'v4']);
const { port } = fleet;

const users = (count: number) => Array.from({ length: count }, (_, user) => `u${user}`);

/** Who answers each user. */
async function homes(of: readonly string[], ask: (user: string) => Promise<FleetAnswer>) {
  const found = new Map<string, string>();
  for (const user of of) found.set(user, (await ask(user)).name);
  return found;
}

const byHeader = (host: string) => (user: string) =>
  fleet.ask(host, { headers: { 'x-user': user } });

t.test('simple load balancers', { timeout: 60_000 }, async (t) => {
  await write('simple', [
    ...service('round-robin', { policy: { loadBalancer: { simple: 'ROUND_ROBIN' } } }),
    ...service('random', { policy: { loadBalancer: { simple: 'RANDOM' } } }),
    ...service('least-request', { policy: { loadBalancer: { simple: 'LEAST_REQUEST' } } }),
    ...service('no-rule', {}),
  ]);
  const inTurn = await fleet.askInTurn(30, 'round-robin.test');
  t.strictSame(countByName(inTurn), { v1: 10, v2: 10, v3: 10 }, 'ROUND_ROBIN takes turns');
  const triples = (answers: FleetAnswer[]) =>
    answers.slice(2).filter((_, i) => names(answers.slice(i, i + 3)).length === 3).length;
  t.equal(triples(inTurn), 28, 'always in the same order');

  const random = await fleet.askInTurn(450, 'random.test');
  // 150 expected of each, standard deviation 10; five of them are missed once in a million runs.
  for (const [name, count] of Object.entries(countByName(random))) {
    t.ok(count > 100 && count < 200, `RANDOM: ${name} got ${count} of 450`);
  }
  t.ok(triples(random) < 400, 'RANDOM does not take turns');

  for (const host of ['least-request.test', 'no-rule.test']) {
    const busy = fleet.ask(host, { headers: { 'x-hold': '1' } });
    await until(5_000, () => fleet.held === 1);
    const answers = await fleet.askInTurn(450, host);
    const [{ name }] = (await fleet.releaseAll([busy])) as [FleetAnswer];
    const counts = countByName(answers);
    // Of two hosts chosen at random the one with fewer requests is taken: the busy one only when both choices fall on
    // it, 50 times of 450 (standard deviation 6.7). Any balancer that does not look would take it 150 times.
    t.ok((counts[name] ?? 0) < 95, `${host}: the busy one got ${counts[name] ?? 0} of 450`);
    t.strictSame(Object.keys(counts).sort(), all, `${host}: all are used`);
  }
});

t.test('consistent hash: header, query, source address', { timeout: 60_000 }, async (t) => {
  const hash = (by: object) => ({ policy: { loadBalancer: { consistentHash: by } } });
  await write('hash', [
    ...service('ring-header', hash({ httpHeaderName: 'x-user' })),
    ...service('maglev-header', hash({ httpHeaderName: 'x-user', maglev: { tableSize: 65_537 } })),
    ...service('query', hash({ httpQueryParameterName: 'user' })),
    ...service('source', hash({ useSourceIp: true })),
    ...service('ring-size', hash({ httpHeaderName: 'x', ringHash: { minimumRingSize: 5000 } })),
    ...service('table-size', hash({ httpHeaderName: 'x', maglev: { tableSize: 1009 } })),
  ]);
  const byQuery = (user: string) => fleet.ask('query.test', { path: `/?user=${user}` });
  const bySource = (user: string) =>
    fleet.ask('source.test', { from: fleet.at(100 + Number(user.slice(1))) });
  for (const [what, ask] of [
    ['header, ring', byHeader('ring-header.test')],
    ['header, maglev', byHeader('maglev-header.test')],
    ['query', byQuery],
    ['source address', bySource],
  ] as const) {
    const first = await homes(users(30), ask);
    t.strictSame(await homes(users(30), ask), first, `${what}: a user stays`);
    t.ok(new Set(first.values()).size >= 2, `${what}: users are spread`);
  }
  const ring = await stat('ring-size', 'ring_hash_lb.size');
  t.ok(ring >= 5000, `minimumRingSize 5000 gave ${ring}`);
  const standard = await stat('ring-header', 'ring_hash_lb.size');
  t.ok(standard >= 1024 && standard < 1100, `1024 by default (${standard})`);
  const perHost = await stat('table-size', 'maglev_lb.max_entries_per_host');
  t.equal(perHost, 337, 'tableSize 1009 over three hosts');
});

t.test('consistent hash: cookies', { timeout: 60_000 }, async (t) => {
  const cookie = (httpCookie: object) => ({
    policy: { loadBalancer: { consistentHash: { httpCookie } } },
  });
  await write('cookies', [
    ...service('lasting', cookie({ name: 'stick', ttl: '60s', path: '/shop' })),
    ...service('session', cookie({ name: 'stick', ttl: '0s' })),
    ...service('unissued', cookie({ name: 'stick' })),
  ]);
  const issued = async (host: string) => {
    const answer = await fleet.ask(host, { fresh: true });
    return { answer, cookie: `${answer.headers['set-cookie'] ?? ''}` };
  };
  const homesOfNew = new Set<string>();
  for (let visitor = 0; visitor < 15; visitor++) {
    const { answer, cookie } = await issued('lasting.test');
    homesOfNew.add(answer.name);
    t.match(cookie, /^stick="?[^;]+; ?Max-Age=60; ?Path=\/shop/i, 'ttl and path');
    const headers = { cookie: cookie.split(';')[0] ?? '' };
    const again = await fleet.askInTurn(4, 'lasting.test', { headers });
    t.strictSame(names(again), [answer.name], 'the same cookie, the same host');
    t.ok(
      again.every((each) => each.headers['set-cookie'] === undefined),
      'issued once',
    );
  }
  t.ok(homesOfNew.size >= 2, 'visitors are spread');
  const session = await issued('session.test');
  t.match(session.cookie, /^stick=/);
  t.notMatch(session.cookie, /max-age/i, 'a ttl of 0 is a session cookie');
  t.equal((await issued('unissued.test')).cookie, '', 'no ttl, no cookie issued');
  const ownCookie = { headers: { cookie: 'stick=mine' } };
  const sticky = await fleet.askInTurn(10, 'unissued.test', ownCookie);
  t.equal(names(sticky).length, 1, 'but a cookie that the client has counts');
});

t.test('consistent hash: an endpoint more moves few users', { timeout: 60_000 }, async (t) => {
  const hash = (by: object, members: readonly string[]) => ({
    policy: { loadBalancer: { consistentHash: { httpHeaderName: 'x-user', ...by } } },
    members,
  });
  const growing = (members: readonly string[]) => [
    ...service('ring', hash({}, members)),
    ...service('maglev', hash({ maglev: { tableSize: 65_537 } }, members)),
  ];
  await write('growing', growing(all));
  const before = new Map<string, Map<string, string>>();
  for (const host of ['ring', 'maglev']) {
    before.set(host, await homes(users(150), byHeader(`${host}.test`)));
  }
  await write('growing', growing([...all, 'v4']));
  await until(5_000, async () => (await stat('ring', 'membership_total')) === 4);
  await until(5_000, async () => (await stat('maglev', 'membership_total')) === 4);
  for (const [host, old] of before) {
    const now = await homes(users(150), byHeader(`${host}.test`));
    const stayed = [...now].filter(([user, name]) => old.get(user) === name).length;
    // Three quarters should stay with Maglev, about two thirds with a ring of fixed size; a plain remainder keeps a
    // quarter. The standard deviation is 6 of 150.
    t.ok(stayed > 68, `${host}: ${stayed} of 150 stayed`);
    t.ok([...now.values()].includes('v4'), `${host}: the new one has users`);
  }
});

t.test('subsets, and whose policy counts', { timeout: 60_000 }, async (t) => {
  const subset = (name: string, labels: object, trafficPolicy?: object) => ({
    name,
    labels,
    trafficPolicy,
  });
  const route = (name: string) => ({
    match: [{ uri: { prefix: `/${name}` } }],
    route: [{ destination: { host: 'subsets.test', subset: name } }],
  });
  const subsets = [
    subset('v1', { version: 'v1' }),
    subset('new', { generation: 'new' }),
    subset('both', { generation: 'new', version: 'v2' }),
    subset('nobody', { version: 'v9' }),
    subset('own', {}, { loadBalancer: { simple: 'ROUND_ROBIN' } }),
    subset(
      'own-port',
      {},
      {
        connectionPool: { http: { maxRequestsPerConnection: 2 } },
        portLevelSettings: [
          { port: { number: port }, connectionPool: { http: { maxRequestsPerConnection: 3 } } },
        ],
      },
    ),
  ];
  await write('subsets', [
    ...service('subsets', {
      policy: {
        loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } },
        connectionPool: { http: { maxRequestsPerConnection: 1 } },
      },
      subsets,
    }),
    resource('VirtualService', 'subsets', {
      hosts: ['subsets.test'],
      http: subsets.map(({ name }) => route(name)).reverse(),
    }),
  ]);
  const ask = (subset: string, headers: Record<string, string> = {}) =>
    fleet.askInTurn(12, 'subsets.test', { path: `/${subset}/`, headers });
  t.strictSame(names(await ask('v1')), ['v1'], 'by label');
  t.strictSame(names(await fleet.askInTurn(40, 'subsets.test', { path: '/new/' })), ['v2', 'v3']);
  t.strictSame(names(await ask('both')), ['v2'], 'by all labels');
  t.strictSame(countByName(await ask('nobody')), { 503: 12 }, 'a subset without endpoints');
  const user = { 'x-user': 'me' };
  const plain = await ask('new', user);
  t.equal(names(plain).length, 1, "the rule's load balancer holds in its subsets");
  t.equal(connections(plain), 12, 'and its connection pool');
  const own = await ask('own', user);
  t.strictSame(countByName(own), { v1: 4, v2: 4, v3: 4 }, "a subset's own load balancer wins");
  t.equal(connections(own), 12, 'section by section: the pool is still that of the rule');
  const ownPort = await ask('own-port', user);
  t.ok(connections(ownPort) >= 4 && connections(ownPort) <= 6, 'a port of a subset wins');
  t.ok(names(ownPort).length > 1, 'and what it leaves out is the default');
});

/** How many connections 6 requests in turn need. */
const connectionsOf = async (host: string, options: AskOptions = {}) => {
  const answers = await fleet.askInTurn(6, host, options);
  const wrong = answers.filter(({ status }) => status !== 200);
  return wrong.length > 0 ? wrong[0]?.status : connections(answers);
};

t.test('port level settings replace those of the destination', { timeout: 60_000 }, async (t) => {
  const second = await fleet.freePort();
  await write('ports', [
    ...service('ports', {
      members: ['v1'],
      ports: [
        { number: port, name: 'http', protocol: 'HTTP' },
        { number: second, name: 'http-two', protocol: 'HTTP', targetPort: port },
      ],
      policy: {
        ...perConnection(1),
        portLevelSettings: [{ port: { number: second }, loadBalancer: { simple: 'RANDOM' } }],
      },
    }),
  ]);
  t.equal(await connectionsOf('ports.test'), 6, 'the destination has its own settings');
  t.equal(
    await connectionsOf('ports.test', { port: second }),
    1,
    'sections that the port leaves out are the defaults, not those of the destination',
  );
});

t.test('look-up of rules, wildcard hosts, exportTo', { timeout: 60_000 }, async (t) => {
  const web = (name: string) => [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'shop' },
      spec: { clusterIP: '10.96.0.20', ports: [{ name: 'http', port }] },
    },
    slice(name, 'shop', [['v1', {}]]),
  ];
  const host = (name: string) => `${name}.shop.svc.cluster.local`;
  const rule = (namespace: string, forHost: string, requests: number, exportTo?: string[]) =>
    resource(
      'DestinationRule',
      `${namespace}-${requests}-${forHost.replace('*', 'any')}`,
      { host: forHost, exportTo, trafficPolicy: perConnection(requests) },
      namespace,
    );
  const services = ['all', 'owner', 'root', 'hidden', 'given', 'client-any', 'exact', 'mine'];
  await write('look-up', [
    ...services.flatMap(web),
    rule('default', host('all'), 1),
    rule('shop', 'all', 2),
    rule('shop', 'owner', 2),
    rule('shop', 'hidden', 2, ['.']),
    rule('shop', 'given', 2, ['other', '.']),
    rule('default', '*-any.shop.svc.cluster.local', 1),
    rule('default', '*.nowhere.test', 1),
    rule('shop', 'client-any', 2),
    rule('shop', '*.shop.svc.cluster.local', 6, ['default']),
    rule('shop', 'exact', 2, ['default']),
    rule('default', host('mine'), 1, ['.']),
    rule('istio-system', '*.svc.cluster.local', 3),
  ]);
  const fromOther = { via: fleet.at(2) };
  const table: [string, number, number, string][] = [
    ['all', 6, 3, "the client's namespace, then the service's"],
    ['owner', 3, 3, "the service's namespace before the root namespace"],
    ['root', 1, 2, "a wildcard of the service's namespace, for those it is exported to"],
    ['hidden', 1, 2, 'a rule that is not exported does not count for others'],
    ['given', 2, 3, 'exported by name; others do not fall back to the wildcard beside it'],
    ['exact', 3, 2, 'the exact host before the wildcard of one namespace'],
    ['mine', 6, 2, "a client's private rule is for that namespace"],
  ];
  for (const [name, own, other, what] of table) {
    t.equal(await connectionsOf(host(name)), own, `${name}, from default: ${what}`);
    t.equal(await connectionsOf(host(name), fromOther), other, `${name}, from other: ${what}`);
  }
  t.equal(await connectionsOf('owner.shop'), 3, 'whatever the name that is called');
  await mesh.applied(() => mesh.remove('look-up.yaml'));
});

t.test('two rules for one host', { timeout: 60_000 }, async (t) => {
  const rule = (name: string, year: number, requests: number, subsets: object[]) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: {
      name,
      namespace: 'default',
      creationTimestamp: `${year}-01-01T00:00:00Z`,
    },
    spec: { host: 'two-rules.test', trafficPolicy: perConnection(requests), subsets },
  });
  const version = (name: string, labelled: string) => ({ name, labels: { version: labelled } });
  await write('two-rules', [
    ...service('two-rules', {}),
    rule('younger', 2026, 1, [version('same', 'v2'), version('added', 'v3')]),
    rule('older', 2025, 3, [version('same', 'v1')]),
    resource('VirtualService', 'two-rules', {
      hosts: ['two-rules.test'],
      http: ['same', 'added'].map((subset) => ({
        match: [{ uri: { prefix: `/${subset}` } }],
        route: [{ destination: { host: 'two-rules.test', subset } }],
      })),
    }),
  ]);
  const ask = (path: string) => fleet.askInTurn(6, 'two-rules.test', { path });
  const same = await ask('/same');
  t.strictSame(names(same), ['v1'], 'a subset of the older one stays');
  t.equal(connections(same), 2, 'and so does its policy');
  const added = await ask('/added');
  t.strictSame(names(added), ['v3'], 'subsets of the younger one are added');
  t.equal(connections(added), 2, 'without the policy of that rule');
});

t.test('wildcard hosts of other names', { timeout: 60_000 }, async (t) => {
  const one = { members: ['v1'] };
  await write('wildcards', [
    ...service('a.wild', one),
    ...service('b.wild', { ...one, policy: perConnection(3) }),
    ...service('c.deep.wild', one),
    resource('DestinationRule', 'wild', { host: '*.wild.test', trafficPolicy: perConnection(1) }),
    resource('DestinationRule', 'deep', {
      host: '*.deep.wild.test',
      trafficPolicy: perConnection(2),
    }),
  ]);
  t.equal(await connectionsOf('a.wild.test'), 6);
  t.equal(await connectionsOf('b.wild.test'), 2, 'the exact host wins');
  t.equal(await connectionsOf('c.deep.wild.test'), 3, 'the longer wildcard wins');
});

t.test('unready endpoints', { timeout: 60_000 }, async (t) => {
  const unready = { ready: false, serving: false, terminating: false };
  const web = (name: string, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP: '10.96.0.30', ports: [{ name: 'http', port }], ...more },
  });
  const state = (second: object, last: object) => [
    web('some'),
    slice('some', 'default', [
      ['v1', { ready: true }],
      ['v2', second],
      ['v3', last],
    ]),
    web('none'),
    slice('none', 'default', [['v1', unready]]),
    web('eager', { publishNotReadyAddresses: true }),
    slice('eager', 'default', [['v1', unready]]),
    web('minimum'),
    slice('minimum', 'default', [
      ['v1', {}],
      ['v2', unready],
      ['v3', unready],
    ]),
    resource('DestinationRule', 'minimum', {
      host: 'minimum',
      trafficPolicy: { outlierDetection: { minHealthPercent: 50 } },
    }),
  ];
  await write('ready', state(unready, { ready: false }));
  const ask = (host: string) => fleet.askInTurn(30, host).then(countByName);
  t.strictSame(await ask('some'), { v1: 30 });
  t.strictSame(await ask('none'), { 503: 30 }, 'not even when there are no others');
  t.strictSame(await ask('eager'), { v1: 30 }, 'publishNotReadyAddresses');
  t.strictSame(await ask('minimum'), { v1: 30 }, 'not below minHealthPercent either');
  await write('ready', state({ ready: true }, { ready: true, terminating: true }));
  await until(5_000, async () => Object.keys(await ask('some')).length === 2);
  t.strictSame(Object.keys(await ask('some')).sort(), ['v1', 'v2'], 'ready now; not one that ends');
});

/** An EndpointSlice of one service with the conditions of each member. */
function slice(name: string, namespace: string, members: readonly [string, object][]): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: members.map(([member, conditions]) => ({
      addresses: [fleet.address(member)],
      conditions,
    })),
    ports: [{ name: 'http', port }],
  };
}
