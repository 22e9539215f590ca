// The door: rates and queues with a clock of the test's, then the same through a server.
import http2 from 'node:http2';
import t from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { Admission, type Applicant } from '../../src/xds/admission.js';
import { defaultLimits, defaultTimes } from '../../src/xds/options.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { Turns } from '../../src/xds/turns.js';
import { node, RawStreamClient, until } from './raw-client.js';
import { snapshot } from './resources.js';

function door(limits: Partial<typeof defaultLimits>, admissionWaitMs = 10_000) {
  let nowMs = 0;
  const log: string[] = [];
  const admission = new Admission(
    { ...defaultLimits, ...limits },
    { ...defaultTimes, admissionWaitMs },
    () => nowMs,
  );
  const leaves = new Map<string, () => void>();
  return {
    admission,
    log,
    leaves,
    pass: (ms: number) => {
      nowMs += ms;
    },
    come: (name: string, address = name) => {
      const applicant: Applicant = {
        address,
        admit: (leave) => {
          leaves.set(name, leave);
          log.push(`${name} in`);
        },
        refuse: (status, text) => log.push(`${name} ${status}: ${text}`),
      };
      return admission.enter(applicant);
    },
  };
}

t.test('as many at once as in a second, then one after the other in their order', async (t) => {
  const { admission, come, log, pass } = door({ newStreamsPerSecond: 2, queuedStreamsMax: 3 });
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) come(name);
  t.same(log, ['a in', 'b in', 'f UNAVAILABLE: more than 3 streams wait to be served']);
  t.equal(admission.queued, 3);
  pass(500);
  await until(() => log.includes('c in'));
  t.notOk(log.includes('d in'), 'half a second is one');
  pass(1_000);
  await until(() => admission.queued === 0);
  t.same(log.slice(3), ['c in', 'd in', 'e in']);
  t.match(admission.counts, { admitted: 5, refused: { queue: 1 } });
});

t.test('who waits too long is told so; who goes away is forgotten', async (t) => {
  const { admission, come, log, pass } = door({ newStreamsPerSecond: 1 }, 3_000);
  come('a');
  const takeBack = come('b');
  come('c');
  takeBack();
  t.equal(admission.queued, 1);
  pass(3_001);
  await until(() => admission.queued === 0);
  t.same(log, ['a in', 'c UNAVAILABLE: too many new streams at once']);
  come('d');
  t.equal(log.at(-1), 'd in', 'and the next one finds room');
});

t.test('streams of one address, and of all, open or waiting', (t) => {
  const { come, log, leaves } = door({
    streamsPerPeerMax: 2,
    streamsMax: 3,
    newStreamsPerSecond: 0,
  });
  come('a', 'x');
  come('b', 'x');
  come('c', 'x');
  t.equal(log.at(-1), 'c RESOURCE_EXHAUSTED: more than 2 streams of one address');
  come('d', 'y');
  come('e', 'z');
  t.equal(log.at(-1), 'e RESOURCE_EXHAUSTED: more than 3 streams');
  leaves.get('a')!();
  leaves.get('a')!();
  come('f', 'x');
  t.equal(log.at(-1), 'f in');
  come('g', 'y');
  t.match(log.at(-1), /^g RESOURCE_EXHAUSTED: more than 3/, 'leaving twice counts once');
  t.end();
});

t.test('closing turns all away', (t) => {
  const { admission, come, log } = door({ newStreamsPerSecond: 1 });
  come('a');
  come('b');
  admission.close();
  come('c');
  t.same(log.slice(1), [
    'b UNAVAILABLE: the server is shutting down',
    'c UNAVAILABLE: the server is shutting down',
  ]);
  t.end();
});

t.test('through a server: the queue is not read, and all are served in the end', async (t) => {
  const cache = new SnapshotCache();
  cache.set('all', snapshot({ clusters: { a: 1 } }));
  let requests = 0;
  const server = createXdsServer({
    cache,
    groupOf: () => 'all',
    limits: { newStreamsPerSecond: 20 },
    callbacks: {
      onRequest: () => {
        requests++;
      },
    },
  });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const streams = Array.from({ length: 30 }, (_, i) => {
    const raw = new RawStreamClient(session).read();
    raw.send({ node: node(`n${i}`), type_url: CLUSTER });
    return raw;
  });
  await until(() => server.stats().queuedStreams > 0 && requests >= 20);
  t.ok(requests < 30, `${requests} were read`);
  await until(() => streams.every((raw) => raw.messages().length === 1));
  t.match(server.stats(), { admitted: 30, queuedStreams: 0, streams: 30 });
});

t.test('clients that say nothing make room for those that do', async (t) => {
  const cache = new SnapshotCache();
  cache.set('all', snapshot({ clusters: { a: 1 } }));
  const server = createXdsServer({
    cache,
    groupOf: () => 'all',
    limits: { silentStreamsMax: 3 },
    times: { firstRequestMs: 2_500, stallMs: 1_000 },
  });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const silent = Array.from({ length: 5 }, () => new RawStreamClient(session).read());
  const honest = Array.from({ length: 10 }, (_, i) => {
    const raw = new RawStreamClient(session).read();
    raw.send({ node: node(`n${i}`), type_url: CLUSTER });
    return raw;
  });
  await until(() => honest.filter((raw) => raw.messages().length === 1).length === 10);
  t.match(await silent[0]!.ended, { status: 14, message: /without a first request/ });
  t.match(await silent[4]!.ended, { status: 4, message: 'no request was sent' });
  await until(() => server.stats().silentStreams === 0);
  t.equal(server.stats().streams, 10);
});

t.test('turns: urgent work goes first, though not always, and nothing runs twice', async (t) => {
  const turns = new Turns();
  const order: string[] = [];
  const jobs = new Map<string, () => void>();
  const add = (name: string, urgent: boolean) => {
    if (!jobs.has(name)) jobs.set(name, () => order.push(name));
    turns.add(jobs.get(name)!, urgent);
  };
  for (const name of ['a', 'b', 'c']) add(name, false);
  for (const name of ['1', '2', '3', '4', '5', '6']) add(name, true);
  add('1', true);
  add('c', true);
  add('c', false);
  t.equal(turns.size, 9);
  await until(() => turns.size === 0);
  t.same(order, ['1', '2', '3', '4', 'a', '5', '6', 'c', 'b']);
});

t.test('turns: a long queue lets the event loop go on', async (t) => {
  const turns = new Turns();
  const spin = (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  let ran = 0;
  for (let i = 0; i < 100; i++) {
    turns.add(() => {
      spin(2);
      ran++;
    });
  }
  let between = 0;
  const tick = () => {
    between++;
    if (ran < 100) setTimeout(tick, 0);
  };
  setTimeout(tick, 0);
  await until(() => ran === 100);
  t.ok(between >= 5, `other work had ${between} turns among 200 ms of jobs`);
});
