// What DestinationRules do to real requests: every test writes its services and rules into the watched directory of one
// mesh, and asks through the same two Envoys (a client in namespace default, one in namespace other). Expectations are
// Istio's documented behaviour, and Envoy's where Istio passes a field on. TCP by source address is in listener.test.ts.
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import {
  type AskOptions,
  connections,
  countByName,
  documents,
  Fleet,
  type FleetAnswer,
  names,
  resource,
} from './fleet.js';
import { LiveMesh, until } from './live-mesh.js';
import { exchange, tcpBackend } from './tcp-client.js';

t.setTimeout(180_000);
const fleet = await Fleet.start(['v1', 'v2', 'v3', 'v4', 'h2']);
const mesh = new LiveMesh({
  'mesh.yaml': documents({
    apiVersion: 'mesh.istio.io/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { accessLogFile: '/dev/stdout', outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
  }),
});
await mesh.startServer();
const [client] = await Promise.all([
  mesh.sidecar(fleet.at(1)),
  mesh.sidecar(fleet.at(2), { name: 'other', namespace: 'other' }),
]);
t.teardown(async () => {
  await mesh.stop();
  await fleet.stop();
});

const { port } = fleet;
const all = ['v1', 'v2', 'v3'];

interface Described {
  policy?: object;
  subsets?: object[];
  members?: readonly string[];
  ports?: object[];
}

/** A service of all three members, or of those named, at NAME.test, with a rule when there is a policy. */
function service(name: string, { policy, subsets, members = all, ports }: Described): object[] {
  const host = `${name}.test`;
  const entry = resource('ServiceEntry', name, {
    hosts: [host],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    ports: ports ?? [{ number: port, name: 'http', protocol: 'HTTP' }],
    endpoints: members.map((member) => ({
      address: fleet.address(member),
      labels: { version: member, generation: member === 'v1' ? 'old' : 'new' },
    })),
  });
  if (policy === undefined && subsets === undefined) return [entry];
  return [entry, resource('DestinationRule', name, { host, trafficPolicy: policy, subsets })];
}

/** Puts a file into the mesh and waits for both Envoys. */
async function write(file: string, resources: readonly object[]): Promise<void> {
  await mesh.applied(() => mesh.write(`${file}.yaml`, documents(...resources)));
  const problems = mesh.server.controlPlane.state.problems();
  const error = problems.find(({ severity }) => severity === 'error');
  if (error !== undefined) throw new Error(JSON.stringify(error));
}

/** A statistic of the client's cluster for NAME.test. */
const stat = (name: string, what: string, subset = '') =>
  client.stat(`cluster.outbound|${port}|${subset}|${name}.test;.${what}`);

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
  const ownPort = await ask('own-port');
  t.ok(connections(ownPort) >= 4 && connections(ownPort) <= 6, 'a port of a subset wins');
});

/** A policy that can be told from others at the backends: a connection for every `requests` requests. */
const perConnection = (requests: number) => ({
  connectionPool: { http: { maxRequestsPerConnection: requests } },
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

t.test('connection pool: limits', { timeout: 60_000 }, async (t) => {
  const limited = (connectionPool: object) => ({ members: ['v1'], policy: { connectionPool } });
  const retries = (name: string) =>
    resource('VirtualService', name, {
      hosts: [`${name}.test`],
      http: [
        {
          route: [{ destination: { host: `${name}.test` } }],
          retries: { attempts: 1, retryOn: '5xx' },
        },
      ],
    });
  await write('limits', [
    ...service(
      'narrow',
      limited({ tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }),
    ),
    ...service('requests', limited({ http: { http2MaxRequests: 2 } })),
    ...service('one-retry', limited({ http: { maxRetries: 1 } })),
    ...service('all-retries', { members: ['v1'] }),
    ...['one-retry', 'all-retries'].map(retries),
  ]);
  const five = (host: string, headers: Record<string, string>) =>
    Array.from({ length: 5 }, () => fleet.ask(host, { headers }));

  for (const [host, what] of [
    ['narrow', 'one connection, one request that waits for it'],
    ['requests', 'two requests'],
  ] as const) {
    let refused = 0;
    const calls = five(`${host}.test`, { 'x-hold': '1' });
    for (const call of calls) void call.then(({ status }) => (refused += Number(status === 503)));
    await until(5_000, () => refused === 3 && fleet.held === (host === 'narrow' ? 1 : 2));
    const answers = await fleet.releaseAll(calls);
    t.strictSame(countByName(answers), { v1: 2, 503: 3 }, what);
    for (const { status, headers } of answers) {
      t.equal(headers['x-envoy-overloaded'], status === 503 ? 'true' : undefined);
    }
    const logged = new RegExp(`" 503 UO .*"${host}\\.test"`, 'g');
    await until(5_000, () => client.log().match(logged)?.length === 3);
    t.pass('the access log has the flag UO');
    t.equal((await fleet.ask(`${host}.test`)).status, 200, 'and all is well afterwards');
  }

  const retried = async (host: string, succeeding: number) => {
    const calls = five(`${host}.test`, { 'x-retry': 'hold' });
    let refused = 0;
    for (const call of calls) void call.then(({ status }) => (refused += Number(status === 503)));
    await until(5_000, () => fleet.held === succeeding && refused === 5 - succeeding);
    return countByName(await fleet.releaseAll(calls));
  };
  t.strictSame(await retried('one-retry', 1), { v1: 1, 503: 4 }, 'maxRetries at a time');
  t.equal(await stat('one-retry', 'upstream_rq_retry_overflow'), 4);
  t.strictSame(await retried('all-retries', 5), { v1: 5 }, 'no limit by default');
});

t.test('connection pool: life of connections', { timeout: 60_000 }, async (t) => {
  const pool = (connectionPool: object) => ({ members: ['v1'], policy: { connectionPool } });
  await write('life', [
    ...service('once', pool({ http: { maxRequestsPerConnection: 1 } })),
    ...service('thrice', pool({ http: { maxRequestsPerConnection: 3 } })),
    ...service('ever', { members: ['v1'] }),
    ...service('idle', pool({ http: { idleTimeout: '0.2s' } })),
    ...service('idle-tcp', pool({ tcp: { idleTimeout: '0.2s' } })),
    ...service('aging', pool({ tcp: { maxConnectionDuration: '0.2s' } })),
  ]);
  t.equal(await connectionsOf('once.test'), 6);
  t.equal(await connectionsOf('thrice.test'), 2);
  t.equal(await connectionsOf('ever.test'), 1);
  const hosts = ['ever', 'idle', 'idle-tcp', 'aging'];
  const twice = new Map<string, FleetAnswer[]>();
  const askAll = async () => {
    for (const host of hosts) {
      twice.set(host, [...(twice.get(host) ?? []), await fleet.ask(`${host}.test`)]);
    }
  };
  await askAll();
  await sleep(800);
  await askAll();
  const needed = Object.fromEntries([...twice].map(([host, each]) => [host, connections(each)]));
  t.strictSame(needed, { ever: 1, idle: 2, 'idle-tcp': 2, aging: 2 }, 'after 0.8 s of rest');
});

t.test('connection pool: connect time-out', { timeout: 60_000 }, async (t) => {
  const deaf = await deafPort(t, fleet.at(40));
  const entry = (name: string) =>
    resource('ServiceEntry', name, {
      hosts: [`${name}.test`],
      resolution: 'STATIC',
      ports: [{ number: port, name: 'http', protocol: 'HTTP', targetPort: deaf }],
      endpoints: [{ address: fleet.at(40) }],
    });
  await write('deaf', [
    entry('deaf'),
    entry('patient'),
    resource('DestinationRule', 'deaf', {
      host: 'deaf.test',
      trafficPolicy: { connectionPool: { tcp: { connectTimeout: '0.3s' } } },
    }),
  ]);
  const patient = fleet.ask('patient.test').catch(() => undefined);
  const { status, tookMs } = await fleet.ask('deaf.test');
  t.equal(status, 503);
  // The first try and two retries, Istio's default; 10 s each without the rule.
  t.ok(tookMs > 280 && tookMs < 5_000, `0.3 s a try took ${tookMs.toFixed(0)} ms in all`);
  t.equal(await Promise.race([patient, sleep(100, 'waiting')]), 'waiting', '10 s by default');
  await until(5_000, () => /" 503 (UF,URX|URX,UF) .*"deaf\.test"/.test(client.log()));
});

t.test('TCP: connections in turn, and their limit', { timeout: 60_000 }, async (t) => {
  const tcp = await fleet.freePort();
  const backends = await Promise.all(
    ['a', 'b'].map((name, i) => tcpBackend(fleet.at(41 + i), name, { port: tcp })),
  );
  t.teardown(() => Promise.all(backends.map((backend) => backend.close())));
  const rule = (trafficPolicy: object) => [
    resource('ServiceEntry', 'tcp', {
      hosts: ['tcp.test'],
      resolution: 'STATIC',
      ports: [{ number: tcp, name: 'tcp', protocol: 'TCP' }],
      endpoints: [{ address: fleet.at(41) }, { address: fleet.at(42) }],
    }),
    resource('DestinationRule', 'tcp', { host: 'tcp.test', trafficPolicy }),
  ];
  const to = { host: fleet.at(1), port: tcp };
  await write('tcp', rule({ loadBalancer: { simple: 'ROUND_ROBIN' } }));
  const turns: string[] = [];
  for (let i = 0; i < 8; i++) turns.push((await exchange(to, 'x')).text);
  t.strictSame(turns.toSorted().join(' '), 'a:x a:x a:x a:x b:x b:x b:x b:x', 'in turn');
  await write('tcp', rule({ connectionPool: { tcp: { maxConnections: 1 } } }));
  await until(5_000, async () => {
    const open = exchange(to, 'x', { enough: (text) => text.length > 3, timeoutMs: 400 });
    await sleep(100);
    const second = await exchange(to, 'x', { timeoutMs: 1_000 });
    return second.text === '' && second.end !== 'timeout' && (await open).text !== '';
  });
  await until(5_000, async () => (await exchange(to, 'x')).end === 'enough');
  t.pass('one at a time is fine');
});

t.test('HTTP/2 upstream', { timeout: 60_000 }, async (t) => {
  const http = (more: object, members: readonly string[] = ['h2']) => ({
    members,
    policy: { connectionPool: { http: more } },
  });
  await write('http2', [
    ...service('upgraded', http({ h2UpgradePolicy: 'UPGRADE' })),
    ...service('plain', http({ h2UpgradePolicy: 'DO_NOT_UPGRADE' })),
    ...service('declared', {
      members: ['h2'],
      ports: [{ number: port, name: 'http2', protocol: 'HTTP2' }],
    }),
    ...service('streams', http({ h2UpgradePolicy: 'UPGRADE', maxConcurrentStreams: 1 })),
    ...service('as-client-1', http({ useClientProtocol: true }, ['v1'])),
    ...service('as-client-2', http({ useClientProtocol: true })),
  ]);
  const version = async (host: string) => {
    const { status, httpVersion } = await fleet.ask(host);
    return status === 200 ? httpVersion : status;
  };
  t.equal(await version('upgraded.test'), '2.0');
  t.not(await version('plain.test'), '2.0', 'HTTP/1.1, which this server does not understand');
  t.equal(await version('declared.test'), '2.0', 'a port that declares it');
  t.equal(await version('as-client-1.test'), '1.1', "the client's version");
  t.equal(await overHttp2('as-client-2.test'), '2.0', "the client's version");
  const three = async (host: string) => {
    const calls = all.map(() => fleet.ask(host, { headers: { 'x-hold': '1' } }));
    await until(5_000, () => fleet.held === 3);
    return connections(await fleet.releaseAll(calls));
  };
  t.equal(await three('upgraded.test'), 1, 'requests share a connection');
  t.equal(await three('streams.test'), 3, 'maxConcurrentStreams 1');
});

t.test('outlier detection', { timeout: 60_000 }, async (t) => {
  const watched = (outlierDetection: object, members: readonly string[] = ['v1', 'v2']) => ({
    members,
    policy: {
      loadBalancer: { simple: 'ROUND_ROBIN' },
      outlierDetection: { interval: '0.1s', baseEjectionTime: '60s', ...outlierDetection },
    },
  });
  const everybody = { maxEjectionPercent: 100 };
  await write('outliers', [
    ...service(
      'errors',
      watched({ consecutive5xxErrors: 3, baseEjectionTime: '3s', ...everybody }),
    ),
    ...service(
      'gateway',
      watched({ consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, ...everybody }),
    ),
    ...service(
      'half',
      watched({ consecutive5xxErrors: 1, maxEjectionPercent: 50 }, [...all, 'v4']),
    ),
    ...service('tenth', watched({ consecutive5xxErrors: 1 })),
    ...service('nobody-left', watched({ consecutive5xxErrors: 1, ...everybody })),
    ...service(
      'panic',
      watched({ consecutive5xxErrors: 1, minHealthPercent: 60, ...everybody }, [...all, 'v4']),
    ),
    ...service('unwatched', { members: ['v1', 'v2'] }),
  ]);
  const failing = (who: string, status = 500) => ({
    headers: { 'x-fail': who, 'x-status': String(status) },
  });
  const ask = (host: string, count: number, options: AskOptions = {}) =>
    fleet.askInTurn(count, `${host}.test`, options).then(countByName);
  const ejected = (host: string) => stat(host, 'outlier_detection.ejections_active');
  // An ejection reaches the workers at once or, when another went before it, within a second (update_merge_window).
  const becomes = (what: string, found: () => Promise<unknown>, wanted: unknown) =>
    until(15_000, async () => isDeepStrictEqual(await found(), wanted)).then(
      () => t.pass(what),
      async () => t.strictSame(await found(), wanted, what),
    );

  t.strictSame(await ask('errors', 4, failing('v1')), { v2: 2, 500: 2 }, 'two errors do no harm');
  t.strictSame(await ask('errors', 2), { v1: 1, v2: 1 }, 'a success ends the row');
  const ejectedAt = performance.now();
  t.strictSame(await ask('errors', 6, failing('v1')), { v2: 3, 500: 3 });
  await becomes('three in a row: ejected', () => ask('errors', 8, failing('v1')), { v2: 8 });
  t.equal(await stat('errors', 'outlier_detection.ejections_enforced_consecutive_5xx'), 1);
  await until(20_000, async () => (await fleet.ask('errors.test')).name === 'v1');
  const backAfterMs = performance.now() - ejectedAt;
  t.ok(backAfterMs > 2_950, `back after baseEjectionTime (${backAfterMs.toFixed(0)} ms)`);

  t.strictSame(await ask('gateway', 20, failing('v1')), { v2: 10, 500: 10 }, '500 is not counted');
  await ask('gateway', 4, failing('v1', 503));
  await becomes('gateway errors are', () => ask('gateway', 8, failing('v1', 503)), { v2: 8 });

  await ask('half', 40, failing('*'));
  const used = async () => names(await fleet.askInTurn(20, 'half.test')).length;
  await becomes('maxEjectionPercent 50 of 4', used, 2);
  t.equal(await ejected('half'), 2);
  await ask('tenth', 20, failing('*'));
  t.equal(await ejected('tenth'), 0, '10 percent by default: none of two');

  await ask('nobody-left', 4, failing('*'));
  await becomes('all ejected: no panic by default', () => ask('nobody-left', 4), { 503: 4 });
  await until(5_000, () => /" 503 UH .*"nobody-left\.test"/.test(client.log()));

  await ask('panic', 8, failing('v1,v2'));
  await until(5_000, async () => (await ejected('panic')) === 2);
  const panic = async () => (await stat('panic', 'lb_healthy_panic')) > 0;
  await until(15_000, async () => (await ask('panic', 4)) && panic());
  t.strictSame(
    await ask('panic', 16),
    { v1: 4, v2: 4, v3: 4, v4: 4 },
    'below minHealthPercent all are used, ejected or not',
  );
  await ask('unwatched', 20, failing('v1'));
  t.equal(names(await fleet.askInTurn(30, 'unwatched.test')).length, 2, 'no rule, no ejection');
});

t.test('outlier detection: connections that fail', { timeout: 60_000 }, async (t) => {
  const dead = await fleet.freePort();
  await write('local-origin', [
    resource('ServiceEntry', 'split', {
      hosts: ['split.test'],
      resolution: 'STATIC',
      ports: [{ number: port, name: 'http', protocol: 'HTTP' }],
      endpoints: [
        { address: fleet.address('v1') },
        { address: fleet.address('v2'), ports: { http: dead } },
      ],
    }),
    resource('DestinationRule', 'split', {
      host: 'split.test',
      trafficPolicy: {
        loadBalancer: { simple: 'ROUND_ROBIN' },
        outlierDetection: {
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailures: 2,
          consecutive5xxErrors: 1000,
          maxEjectionPercent: 100,
          baseEjectionTime: '60s',
        },
      },
    }),
  ]);
  const answers = await fleet.askInTurn(20, 'split.test');
  t.strictSame(countByName(answers), { v1: 20 }, 'retried elsewhere by default');
  t.equal(
    await stat('split', 'outlier_detection.ejections_enforced_consecutive_local_origin_failure'),
    1,
  );
  t.equal(await stat('split', 'upstream_cx_connect_fail'), 2, 'ejected after two');
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

/** The HTTP version that a member was asked with, when the client speaks HTTP/2. */
function overHttp2(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${fleet.at(1)}:${port}`);
    session.on('error', reject);
    const stream = session.request({ ':authority': host, ':path': '/' });
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      body += chunk;
    });
    stream.on('end', () => {
      session.close();
      resolve(body.startsWith('{') ? JSON.parse(body).httpVersion : body);
    });
    stream.end();
  });
}

/** A port whose connections are never completed: nobody accepts, and the queue of those that wait is full. */
async function deafPort(t: Test, host: string): Promise<number> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const server = require('node:net').createServer();
     server.listen({ host: workerData, port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true, workerData: host },
  );
  t.teardown(() => worker.terminate());
  const deaf = await new Promise<number>((resolve) => worker.once('message', resolve));
  // The queue takes one or two more than it was asked for.
  const fillers = Array.from({ length: 6 }, () =>
    exchange({ host, port: deaf }, '', { timeoutMs: 30_000 }),
  );
  void Promise.all(fillers);
  await sleep(300);
  return deaf;
}
