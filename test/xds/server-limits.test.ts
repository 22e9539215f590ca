// Clients that misbehave over real sockets: each ends with a clear status, and a well-behaved one beside them is
// served all along.
import http2 from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { CLUSTER, ENDPOINT } from '../../src/envoy/resource.js';
import { createXdsServer, SnapshotCache, type XdsServerOptions } from '../../src/xds/server.js';
import { TestClient } from './client.js';
import { frame, node, RawStreamClient, request, until } from './raw-client.js';
import { snapshot } from './resources.js';

async function serve(t: Test, options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  let mark = 1;
  cache.set('all', snapshot({ clusters: { a: mark } }));
  const server = createXdsServer({ cache, groupOf: () => 'all', ...options });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  const good = new TestClient({ address: `127.0.0.1:${port}`, variant: 'sotw', nodeId: 'good' });
  t.teardown(() => {
    good.close();
    return server.close();
  });
  good.send({ type_url: CLUSTER });
  good.ack(await good.next());
  return {
    server,
    port,
    connect: (settings: http2.Settings = {}) => {
      const session = http2.connect(`http://127.0.0.1:${port}`, {
        settings,
        maxSessionMemory: 100,
      });
      session.on('error', () => {});
      t.teardown(() => session.destroy());
      return session;
    },
    /** The other client gets an update. */
    othersAreServed: async (what: string) => {
      cache.set('all', snapshot({ clusters: { a: ++mark } }));
      const update = await good.next();
      good.ack(update);
      t.same(update.names, ['a'], `${what}: others are served`);
    },
  };
}

const first = { node: node('bad'), type_url: ENDPOINT };

t.test('requests beyond the limits end their stream', async (t) => {
  const { server, connect, othersAreServed } = await serve(t, {
    limits: { requestBytesMax: 300_000, nameBytesMax: 200, namesMax: 1_000, typesMax: 4 },
  });
  const session = connect();
  const names = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `name-${from + i}`);
  const cases: [string, number, RegExp, (raw: RawStreamClient) => void][] = [
    [
      'garbage in place of a request',
      3,
      /cannot be read/,
      (raw) => raw.stream.write(frame(Buffer.from('this is not protobuf'))),
    ],
    [
      'groups nested without end',
      3,
      /cannot be read/,
      (raw) => raw.stream.write(frame(Buffer.alloc(250_000, 0x0b))),
    ],
    ['no node', 3, /node/, (raw) => raw.send({ type_url: CLUSTER })],
    [
      'a node that is none',
      3,
      /node/,
      (raw) => {
        const [tag, length] = [0x12, 2];
        const bytes = Buffer.concat([
          Buffer.from([tag, length, 0xff, 0xff]),
          request({ type_url: CLUSTER }),
        ]);
        raw.stream.write(frame(bytes));
      },
    ],
    [
      'a request that is too large',
      8,
      /larger than max/,
      (raw) => raw.stream.write(frame(Buffer.alloc(400_000))),
    ],
    [
      'a length that will never come',
      8,
      /larger than max/,
      (raw) => raw.stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])),
    ],
    [
      'a huge name',
      8,
      /longer than 200 bytes/,
      (raw) => raw.send({ ...first, resource_names: ['x'.repeat(250)] }),
    ],
    [
      'a huge type',
      8,
      /longer than 200 bytes/,
      (raw) => raw.send({ ...first, type_url: 'x'.repeat(250) }),
    ],
    [
      'many names at once',
      8,
      /more than 1000/,
      (raw) => raw.send({ ...first, resource_names: names(0, 1_001) }),
    ],
    [
      'many types',
      8,
      /types/,
      (raw) => {
        for (let i = 0; i < 6; i++) raw.send({ ...first, type_url: `type-${i}` });
      },
    ],
    [
      'compression that is not known',
      12,
      /unsupported encoding/,
      (raw) => raw.stream.write(frame(request(first), true)),
    ],
  ];
  for (const [what, status, message, attack] of cases) {
    const headers = what.startsWith('compression') ? { 'grpc-encoding': 'snappy' } : {};
    const raw = new RawStreamClient(session, { headers }).read();
    attack(raw);
    const end = await raw.ended;
    t.match(end, { status, message }, what);
    await othersAreServed(what);
  }
  await until(() => server.stats().streams === 1);
  t.equal(session.destroyed, false, 'the connection stays');
});

t.test('a huge node, and one that goes on sending after its end', async (t) => {
  const { server, connect, othersAreServed } = await serve(t, { limits: { nodeBytesMax: 2_000 } });
  const raw = new RawStreamClient(connect()).read();
  raw.send({ node: { id: 'x'.repeat(3_000) }, type_url: CLUSTER });
  // It takes no notice of its end and sends on, until it is cut off.
  const more = frame(request({ type_url: CLUSTER, resource_names: ['x'.repeat(60_000)] }));
  const flood = setInterval(() => raw.stream.destroyed || raw.stream.write(more), 5);
  t.teardown(() => clearInterval(flood));
  t.match(await raw.ended, { status: 8, message: /a node of more than 2000 bytes/ });
  await othersAreServed('flood');
  t.equal(server.stats().streams, 1);
});

t.test('very many names in many requests', async (t) => {
  const { connect, othersAreServed } = await serve(t, { limits: { namesMax: 5_000 } });
  const raw = new RawStreamClient(connect(), { variant: 'delta' }).read();
  for (let i = 0; i < 300; i++) {
    const resource_names_subscribe = Array.from({ length: 1_000 }, (_, j) => `cluster-${i}-${j}`);
    raw.send({ ...(i === 0 && first), type_url: ENDPOINT, resource_names_subscribe }, 'delta');
  }
  await othersAreServed('very many names');
  t.match(await raw.ended, { status: 8, message: /more than 5000 names/ });
  await othersAreServed('after that');
});

t.test('gzip is read, and what bursts is not', async (t) => {
  const { connect, othersAreServed } = await serve(t, { limits: { requestBytesMax: 100_000 } });
  const headers = { 'grpc-encoding': 'gzip' };
  const session = connect();
  const honest = new RawStreamClient(session, { headers }).read();
  honest.stream.write(frame(gzipSync(request({ ...first, type_url: CLUSTER })), true));
  await until(() => honest.messages().length === 1);
  const bomb = new RawStreamClient(session, { headers }).read();
  bomb.stream.write(frame(gzipSync(Buffer.alloc(10_000_000)), true));
  t.match(await bomb.ended, { status: 8 });
  const broken = new RawStreamClient(session, { headers }).read();
  broken.stream.write(frame(Buffer.from('not gzip'), true));
  t.match(await broken.ended, { status: 13 });
  await othersAreServed('gzip');
});

t.test('garbage below gRPC', async (t) => {
  const { server, port, connect, othersAreServed } = await serve(t);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const noise = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 251));
  for (const [what, bytes] of [
    ['noise over TCP', noise],
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    ['noise after the preface', Buffer.concat([preface, noise])],
    ['noise after settings', Buffer.concat([preface, settings, noise])],
    [
      'a frame of 16 MB',
      Buffer.concat([preface, settings, Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 1])]),
    ],
    [
      'DATA without a stream',
      Buffer.concat([preface, settings, Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 9, 1])]),
    ],
  ] as const) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await othersAreServed(what);
    socket.destroy();
  }
  const session = connect();
  const get = session.request({ ':path': '/' });
  const status = await new Promise((resolve) =>
    get.on('response', (headers) => resolve(headers[':status'])),
  );
  t.equal(status, 415, 'a browser');
  get.destroy();
  const unknown = session.request(
    { ':method': 'POST', ':path': '/a.b/C', 'content-type': 'application/grpc' },
    { endStream: false },
  );
  const grpcStatus = await new Promise((resolve) =>
    unknown.on('response', (headers) => resolve(headers['grpc-status'])),
  );
  t.equal(grpcStatus, '12', 'an unknown method');
  unknown.destroy();
  t.equal(server.stats().streams, 1);
});
