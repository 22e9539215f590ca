// What connectionPool and outlierDetection of DestinationRules do to real requests: limits, life of connections, HTTP
// versions, ejection and return. Expectations are Istio's documented behaviour, and Envoy's where Istio passes a field
// on. Which rule counts is in destination-rule.test.ts.
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import {
  type AskOptions,
  connections,
  countByName,
  type FleetAnswer,
  names,
  resource,
} from './fleet.js';
import { all, startFleetMesh } from './fleet-mesh.js';
import { until } from './live-mesh.js';
import { startLoad } from './load.js';
import { exchange, tcpBackend } from './tcp-client.js';

const members = ['v1', 'v2', 'v3', 'v4', 'h2'];
const { fleet, client, write, service, stat } = await startFleetMesh(members);
const { port } = fleet;

/** How many connections 6 requests in turn need. */
const connectionsOf = async (host: string, options: AskOptions = {}) => {
  const answers = await fleet.askInTurn(6, host, options);
  const wrong = answers.filter(({ status }) => status !== 200);
  return wrong.length > 0 ? wrong[0]?.status : connections(answers);
};

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
  for (const [host, what] of [
    ['narrow', 'one connection, one request that waits for it'],
    ['requests', 'two requests'],
  ] as const) {
    let refused = 0;
    const call = () => fleet.ask(`${host}.test`, { headers: { 'x-hold': '1' } });
    // The connection first: while it is being made, the first request is the one that waits.
    const calls = [call()];
    await until(5_000, () => fleet.held === 1);
    calls.push(call(), call(), call(), call());
    for (const each of calls) void each.then(({ status }) => (refused += Number(status === 503)));
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
    const ask = () => fleet.ask(`${host}.test`, { headers: { 'x-retry': 'hold' } });
    const calls = Array.from({ length: 5 }, ask);
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

t.test('connection pool: keepalive', { timeout: 60_000 }, async (t) => {
  await Promise.all(['kept', 'unkept'].map((name, i) => fleet.add(name, fleet.at(50 + i))));
  const tcpKeepalive = { time: '30s', interval: '10s', probes: 3 };
  await write('keepalive', [
    ...service('kept', {
      members: ['kept'],
      policy: { connectionPool: { tcp: { tcpKeepalive } } },
    }),
    ...service('unkept', { members: ['unkept'] }),
  ]);
  /** Seconds until the kernel asks whether the peer is still there; undefined: it never does. */
  const nextProbe = async (name: string): Promise<number | undefined> => {
    await fleet.ask(`${name}.test`);
    const octets = fleet.address(name).split('.').map(Number);
    const hex = (bytes: Buffer) => bytes.toString('hex').toUpperCase();
    const portBytes = Buffer.from([port >> 8, port & 255]);
    const peer = `${hex(Buffer.from(octets).reverse())}:${hex(portBytes)}`;
    const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
    const found = rows.map((row) => row.trim().split(/\s+/)).filter((row) => row[2] === peer);
    t.equal(found.length, 1, `${name}: one connection`);
    const [timer, ticks = ''] = found[0]?.[5]?.split(':') ?? [];
    return timer === '02' ? Number.parseInt(ticks, 16) / 100 : undefined;
  };
  const kept = await nextProbe('kept');
  t.ok(kept !== undefined && kept > 5 && kept <= 30.5, `after 30 s (in ${kept} s)`);
  t.equal(await nextProbe('unkept'), undefined, 'none without');
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

t.test('TCP: connections in turn, their limit, their life', { timeout: 60_000 }, async (t) => {
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
  await write('tcp', rule({ connectionPool: { tcp: { maxConnectionDuration: '0.3s' } } }));
  await until(10_000, async () => {
    const { end, ms } = await exchange(to, 'x', { enough: () => false, timeoutMs: 2_000 });
    return end !== 'timeout' && ms > 250;
  });
  t.pass('maxConnectionDuration ends a connection');
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

t.test('edits of policies under load cost no request', { timeout: 60_000 }, async (t) => {
  const http = (more: object) => ({ connectionPool: { http: more } });
  const policies: object[] = [
    { loadBalancer: { simple: 'ROUND_ROBIN' } },
    { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } },
    http({ maxRequestsPerConnection: 5 }),
    { outlierDetection: { consecutive5xxErrors: 3 } },
    http({ http1MaxPendingRequests: 500 }),
    { connectionPool: { tcp: { connectTimeout: '3s', idleTimeout: '5s' } } },
    { portLevelSettings: [{ port: { number: port }, loadBalancer: { simple: 'RANDOM' } }] },
    { loadBalancer: { simple: 'LEAST_REQUEST' } },
  ];
  await write('edited', service('edited', {}));
  const loads = [1, 2].map((n) =>
    startLoad(`http://${fleet.at(n)}:${port}/`, {
      headers: { host: 'edited.test' },
      connections: 2,
      secondsMax: 40,
    }),
  );
  for (const policy of policies) {
    const before = loads.map((load) => load.requests());
    await write('edited', service('edited', { policy }));
    await until(10_000, () => loads.every((load, i) => load.requests() > (before[i] ?? 0) + 60));
  }
  await write('edited', service('edited', { members: ['v1'] }));
  for (const [i, load] of loads.entries()) {
    const { requests, failures } = await load.stop();
    t.strictSame(failures.slice(0, 5), [], `client ${i + 1}`);
    t.ok(requests > 400, `${requests} requests`);
  }
});

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
