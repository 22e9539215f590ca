// The life of connections: pings both ways, age, idleness, and the end of the server.
import http2 from 'node:http2';
import net from 'node:net';
import t, { type Test } from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { createXdsServer, SnapshotCache, type XdsServerOptions } from '../../src/xds/server.js';
import { node, RawStreamClient, until } from './raw-client.js';
import { snapshot } from './resources.js';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function serve(t: Test, times: XdsServerOptions['times']) {
  const cache = new SnapshotCache();
  cache.set('all', snapshot({ clusters: { a: 1 } }));
  const server = createXdsServer({ cache, groupOf: () => 'all', times });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const connect = () => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    t.teardown(() => session.destroy());
    const goaways: number[] = [];
    session.on('goaway', (code) => goaways.push(code));
    return { session, goaways };
  };
  const ask = (session: http2.ClientHttp2Session) => {
    const raw = new RawStreamClient(session).read();
    raw.send({ node: node('n'), type_url: CLUSTER });
    return raw;
  };
  return { cache, server, port, connect, ask };
}

t.test('pings of a client without streams are answered and not punished', async (t) => {
  const { connect, ask } = await serve(t, {});
  const { session, goaways } = connect();
  await new Promise((resolve) => session.once('connect', resolve));
  let answered = 0;
  for (let i = 0; i < 40; i++) {
    session.ping((error) => {
      if (error === null) answered++;
    });
    await wait(10);
  }
  await until(() => answered === 40);
  t.same(goaways, []);
  const raw = ask(session);
  await until(() => raw.messages().length === 1);
  t.pass('a stream is served afterwards');
});

t.test(
  'clients are pinged; one that does not answer is cut off, one that does is not',
  async (t) => {
    const { server, port, connect, ask } = await serve(t, { pingMs: 100, pingTimeoutMs: 200 });
    const { session } = connect();
    const raw = ask(session);
    let pings = 0;
    session.on('ping', () => {
      pings++;
    });
    // A client that says hello and is heard of no more.
    const dead = net.connect(port, '127.0.0.1');
    dead.on('error', () => {});
    dead.resume();
    const closed = new Promise((resolve) => dead.once('close', resolve));
    dead.write(
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
      ]),
    );
    await closed;
    await until(() => pings >= 3);
    t.equal(raw.messages().length, 1);
    t.equal(server.stats().streams, 1);
  },
);

t.test('a connection that has no stream is closed in order', async (t) => {
  const { connect, ask } = await serve(t, { idleConnectionMs: 150 });
  const idle = connect();
  const used = connect();
  ask(used.session);
  await until(() => idle.session.closed || idle.session.destroyed);
  t.same(
    idle.goaways.filter((code) => code !== 0),
    [],
    'no blame',
  );
  await wait(200);
  t.equal(used.session.closed, false, 'a stream keeps its connection');
});

t.test('at its age a connection is told to go, and streams have the grace', async (t) => {
  const { server, connect, ask } = await serve(t, { connectionAgeMs: 300, connectionGraceMs: 500 });
  const ages: number[] = [];
  const clients = Array.from({ length: 6 }, () => {
    const { session, goaways } = connect();
    const startMs = performance.now();
    session.once('goaway', () => ages.push(performance.now() - startMs));
    return { goaways, raw: ask(session), session };
  });
  await until(() => ages.length >= 6);
  t.equal(server.stats().streams, 6, 'streams live on for now');
  t.ok(Math.min(...ages) >= 260, `not before 90 % of the age: ${ages.map(Math.round)}`);
  t.ok(new Set(ages.map(Math.round)).size > 1, 'and not all at once');
  for (const { goaways } of clients) t.equal(goaways[0], 0);
  await until(() => server.stats().streams === 0);
});

t.test('close: GOAWAY, and streams end with UNAVAILABLE', async (t) => {
  const { server, connect, ask } = await serve(t, { closeMs: 1_500 });
  const { session, goaways } = connect();
  const raw = ask(session);
  await until(() => raw.messages().length === 1);
  const startMs = performance.now();
  const closing = server.close();
  t.match(await raw.ended, { status: 14, message: 'the server is shutting down' });
  await closing;
  t.ok(performance.now() - startMs < 1_500);
  await until(() => goaways.length > 0);
  t.equal(goaways[0], 0);
  t.match(server.stats(), { streams: 0, unsentBytes: 0 });
});
