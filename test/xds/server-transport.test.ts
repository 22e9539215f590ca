// The way out of a stream over real sockets: bytes are right whichever way they go, clients that do not read cost
// little and hold nobody up, and memory has a bound.
import http2 from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { rawStreamOf } from '../../src/xds/raw-stream.js';
import { createXdsServer, SnapshotCache, type XdsServerOptions } from '../../src/xds/server.js';
import { type BytesCall, bytesMethod } from '../../src/xds/services.js';
import { TestClient } from './client.js';
import { node, RawStreamClient, until } from './raw-client.js';
import { snapshot } from './resources.js';

/** About `count` times 110 bytes of clusters. */
const many = (count: number, mark: number) =>
  snapshot({
    clusters: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`outbound|80||service-${i}.default.svc`, mark]),
    ),
  });

async function serve(t: Test, options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  const server = createXdsServer({ cache, groupOf: ({ cluster }) => cluster, ...options });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const connect = (settings: http2.Settings = {}) => {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings });
    session.on('error', () => {});
    t.teardown(() => session.destroy());
    return session;
  };
  const client = (nodeId = 'reader') => {
    const made = new TestClient({ address: `127.0.0.1:${port}`, variant: 'sotw', nodeId });
    t.teardown(() => made.close());
    return made;
  };
  return { cache, server, connect, client, port };
}

/** A client that asks for clusters and takes nothing of them. */
function nonReader(session: http2.ClientHttp2Session, cluster = 'c'): RawStreamClient {
  const raw = new RawStreamClient(session);
  raw.send({ node: { id: 'slow', cluster }, type_url: CLUSTER });
  return raw;
}

const intercepted = () =>
  new grpc.Server({
    interceptors: [(_definition, call) => new grpc.ServerInterceptingCall(call)],
  });

function bind(t: Test, server: grpc.Server): Promise<number> {
  t.teardown(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );
}

t.test('the HTTP/2 stream is where it was in the grpc-js that is installed', async (t) => {
  // If this fails after an update of grpc-js: docs/decisions/0005.
  for (const [server, found] of [
    [new grpc.Server(), true],
    [intercepted(), false],
  ] as const) {
    const { path, responseSerialize, requestDeserialize } = bytesMethod('a.B', 'C');
    let raw: unknown = 'not called';
    const answer = (call: BytesCall) => {
      raw = rawStreamOf(call);
      call.end();
    };
    server.register(path, answer, responseSerialize, requestDeserialize, 'bidi');
    const port = await bind(t, server);
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    t.teardown(() => client.close());
    const call = client.makeBidiStreamRequest(path, responseSerialize, requestDeserialize);
    await new Promise((resolve) => call.on('status', resolve).resume());
    t.equal(raw instanceof http2.Http2ServerRequest, false);
    t.equal(raw !== undefined, found, found ? 'direct' : 'interceptors may want to see messages');
    t.not(raw, 'not called');
  }
});

t.test('both ways give a client the same bytes and the same end', async (t) => {
  const cache = new SnapshotCache();
  const received: Buffer[][] = [];
  for (const own of [new grpc.Server(), intercepted()]) {
    const server = createXdsServer({ cache, groupOf: () => 'all', identifier: 'me' });
    server.attach(own);
    const port = await bind(t, own);
    for (const variant of ['sotw', 'delta'] as const) {
      cache.set('all', many(3_000, 1));
      const client = new TestClient({ address: `127.0.0.1:${port}`, variant });
      t.teardown(() => client.close());
      client.send({ type_url: CLUSTER });
      const all = await client.next();
      t.ok(all.bytes.length > 256 * 1024, 'several chunks');
      t.equal(all.names.length, 3_000);
      client.ack(all);
      cache.set('all', snapshot({ clusters: { one: 1 } }));
      const one = await client.next();
      client.ack(one);
      // The removals come by themselves, after what is new.
      const removal = await client.maybeNext(50);
      if (removal) client.ack(removal);
      client.halfClose();
      t.match(await client.end(), { code: 0 });
      received.push([all.bytes, one.bytes]);
    }
    await server.close();
  }
  const [direct, directDelta, copied, copiedDelta] = received;
  t.same(direct, copied);
  t.same(directDelta, copiedDelta);
});

t.test('a client that sends one request and closes its side gets the whole answer', async (t) => {
  const { cache, client } = await serve(t);
  cache.set('c', many(3_000, 1));
  const c = client();
  c.send({ type_url: CLUSTER });
  c.halfClose();
  t.equal((await c.next()).names.length, 3_000);
  t.match(await c.end(), { code: 0 });
});

t.test('a stream that is ended while a message is under way ends with its status', async (t) => {
  const { cache, server, connect } = await serve(t);
  cache.set('c', many(3_000, 1));
  const slow = nonReader(connect());
  await until(() => server.stats().unsentBytes > 0);
  for (const stream of server.streams()) stream.end('enough');
  t.equal([...server.streams()].length, 0);
  t.equal(server.stats().unsentMemoryBytes, 0, 'nothing is held for it');
  slow.read();
  t.match(await slow.ended, { status: 14, message: 'enough' });
  t.equal(slow.messages().length, 1, 'the message is whole');
});

t.test('a cancelled stream leaves nothing', async (t) => {
  const { cache, server, connect } = await serve(t);
  cache.set('c', many(3_000, 1));
  const slow = nonReader(connect());
  await until(() => server.stats().unsentBytes > 0);
  slow.stream.close(http2.constants.NGHTTP2_CANCEL);
  await until(() => server.stats().streams === 0);
  t.match(server.stats(), { unsentBytes: 0, unsentMemoryBytes: 0, silentStreams: 0 });
});

t.test('clients that never read cost one message together, and delay nobody', async (t) => {
  const { cache, server, connect, client } = await serve(t, {
    times: { stallMs: 2_500, stallWhenFullMs: 2_500 },
  });
  cache.set('c', many(3_000, 1));
  // Two kinds: HTTP/2's usual window, and none at all.
  const slow = Array.from({ length: 20 }, (_, i) =>
    nonReader(connect(i % 2 === 0 ? {} : { initialWindowSize: 0 })),
  );
  await until(() => server.stats().streams === 20 && server.stats().unsentBytes > 0);
  const reader = client();
  reader.send({ type_url: CLUSTER });
  const all = await reader.next();
  reader.ack(all);
  for (let mark = 2; mark < 5; mark++) {
    cache.set('c', many(3_000, mark));
    reader.ack(await reader.next());
  }
  const { unsentBytes, unsentMemoryBytes } = server.stats();
  t.equal(unsentBytes, 20 * all.bytes.length, 'one message each, of the first state');
  t.ok(unsentMemoryBytes < 1.5 * all.bytes.length, `${unsentMemoryBytes} bytes, shared`);
  const ends = await Promise.all(slow.map(({ ended }) => ended));
  for (const { rstCode } of ends) {
    t.equal(rstCode, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 'RESOURCE_EXHAUSTED in gRPC');
  }
  t.match(server.stats(), { streams: 1, unsentMemoryBytes: 0, ended: { stalled: 20 } });
});

t.test('a client that reads slowly keeps its stream', async (t) => {
  const { cache, server, connect } = await serve(t, {
    times: { stallMs: 300, stallWhenFullMs: 300 },
  });
  cache.set('c', many(3_000, 1));
  const slow = nonReader(connect());
  // In small steps, for longer than the bound: 64 kB each 100 ms, as the window opens with what was read.
  const step = setInterval(() => {
    const data = slow.stream.read() as Buffer | null;
    slow.received += data?.length ?? 0;
  }, 100);
  t.teardown(() => clearInterval(step));
  await until(() => server.stats().unsentBytes > 0);
  await until(() => server.stats().unsentBytes === 0, 8_000);
  t.match(server.stats(), { streams: 1, ended: { stalled: 0 } });
});

t.test('memory has a bound: others wait for it, and stalled clients make room', async (t) => {
  const { cache, server, connect, client } = await serve(t, {
    limits: { unsentBytesMax: 2_000_000 },
    times: { stallMs: 60_000, stallWhenFullMs: 300 },
  });
  const groups = Array.from({ length: 12 }, (_, i) => `group-${i}`);
  // Not shared: each group has other contents.
  groups.forEach((group, i) => {
    cache.set(group, many(4_000, i + 1));
  });
  const slow = groups.map((group) => nonReader(connect(), group));
  await until(() => server.stats().streamsWaitingForMemory > 0);
  const one = server.stats();
  t.ok(one.unsentMemoryBytes < 2_000_000 + 800_000, `${one.unsentMemoryBytes} bytes held`);
  cache.set('c', many(4_000, 99));
  const reader = client();
  reader.send({ type_url: CLUSTER });
  t.equal((await reader.next(4_000)).names.length, 4_000, 'served although memory was full');
  t.ok(server.stats().ended.stalled > 0);
  for (const { stream } of slow) stream.destroy();
  await until(() => server.stats().streams === 1);
  t.match(server.stats(), { unsentMemoryBytes: 0, streamsWaitingForMemory: 0 });
});

t.test('many streams on one connection', async (t) => {
  const { cache, server, connect } = await serve(t);
  cache.set('c', many(300, 1));
  const session = connect();
  const streams = Array.from({ length: 300 }, (_, i) => {
    const raw = new RawStreamClient(session).read();
    raw.send({ node: node(`n${i}`), type_url: CLUSTER });
    return raw;
  });
  await until(() => streams.every((raw) => raw.messages().length === 1));
  t.equal(server.stats().streams, 300);
  session.destroy();
  await until(() => server.stats().streams === 0);
});
