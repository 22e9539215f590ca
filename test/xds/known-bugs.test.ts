// Bugs that other control planes had: conversations for those that conversation.test.ts does not have as an example
// of a rule, tests over sockets for those of streams that end, and a table that holds them all together.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { CLUSTER, SECRET } from '../../src/envoy/resource.js';
import { snapshotOf, typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { encodedResource } from '../../src/snapshot/encode.js';
import { createXdsServer, SnapshotCache, type XdsCache } from '../../src/xds/server.js';
import { TestClient } from './client.js';
import { type Conversation, runConversations } from './conversation.js';
import { snapshot } from './resources.js';

/** Each must be named in the title of a test of this folder. */
const bugs: readonly string[] = [
  'GCP#431', // dropped and re-taken resource not sent
  'GCP#583', // cluster removed and added back: endpoints not sent, as the version is the same
  'GCP#1318', // update lost after a partial answer
  'GCP#1319', // hot loop on a missing name
  'GCP#1450', // delta subscribe of a known name not answered; NACK with names
  'GCP#1035, #1001, #245', // no endpoints after a change of clusters
  'GCP#46, #794; kgateway#14701', // NACK answered with the same for ever
  'GCP#558, #559, #1300', // '*' and leaving the wildcard
  'GCP#927, #473', // no answer to an empty wildcard
  'GCP#570, #916; kuma#2004', // closed streams leak
  'GCP#615', // state shared between streams, update of a secret lost
  'GCP#800, #752', // wrong order of types
  'GCP#1036', // panic on an unknown type
  'GCP#1498', // stale response after an unsubscribe
  'GCP#540, #1299, #1298', // SotW partial state for clusters and listeners; forgotten watches
  'JCP#70', // a wrong nonce leaves no open watch: updates stop
  'JCP#127, #287; envoy#9934', // waits for all names; warms for ever after a reconnect
  'JCP#103', // names never updated after a restart with an empty cache
  'istio#11170', // nonce of an older stream taken as stale
  'istio#21111', // SDS takes no notice of a NACK
  'istio#41494, kmesh#415', // initial_resource_versions ignored
  'istio#53302', // delta requests with an expired nonce dropped
  'istio#51612, #52278', // a spontaneous request resets the ACK
  'istio#34949, #36273', // partial push removes the rest
  'istio#38709, envoy#21425', // part of the endpoints after clusters: start stalls
  'istio#34097, #10822', // unbounded queue to a slow client
  'consul#12174', // Envoys before 1.19 reconnect a delta wildcard with names
  'consul#23231', // rejected clients leak
  'kuma#4556, EG#9029', // old cluster removed before the route moved
  'contour#1187', // stale nonce answered
  'osm#3258, #3252', // version and nonce loop, or stick on reconnect
  'istio#47227', // ECDS resource without a name in delta
  'GCP#579; envoy#24271', // heartbeat panics; the end of a TTL ends the client
];

t.test('each of them has a test', async (t) => {
  t.equal(bugs.length, 33);
  const folder = new URL('.', import.meta.url);
  const titles = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => readFileSync(new URL(name, folder), 'utf8').split('\n'))
    .filter((line) => /^\s*(what:|t\.test\(|['"`])/.test(line) && !/, \/\/ /.test(line))
    .join('\n');
  for (const row of bugs) {
    let repository = '';
    for (const bug of row.split(/[,;] /)) {
      const [of, number] = bug.split('#') as [string, string];
      repository = of || repository;
      const named = new RegExp(`${repository}#(\\d+(, |; )#)*${number}\\b`).test(titles);
      t.ok(named, `${repository}#${number}`);
    }
  }
});

const conversations: Conversation[] = [
  {
    what: 'GCP#800, #752: types go in their order, whatever the order in which they were asked for',
    lines: `
      > RDS +r
      > LDS
      > EDS +a
      > CDS
      set c a1 | e a1 | l x1 | r r1
      < CDS a1
      < EDS a1
      ack EDS
      ack CDS
      < LDS x1
      < RDS r1`,
  },
  {
    what: 'GCP#540, #1299, #1298: named clusters and listeners: one changes and the whole set is sent; no watch is forgotten',
    only: 'sotw',
    lines: `
      set c a1 b1 d1 | l x1 y1
      > CDS +a +b
      < CDS a1 b1
      ack CDS
      > LDS +x +y
      < LDS x1 y1
      ack LDS
      set c a2 b1 d2 | l x1 y1
      < CDS a2 b1
      ack CDS
      set c a2 b1 d2 | l x1 y2
      < LDS x1 y2
      ack LDS
      set c a2 b2 d2 | l x1 y3
      < CDS a2 b2
      ack CDS
      < LDS x1 y3`,
  },
  {
    what: 'JCP#287: what exists is sent at once although a name of the request does not',
    lines: `
      set r q1
      > RDS +r +q
      <s RDS q1
      <d RDS q1 -r
      ack RDS
      set r q1 r1
      < RDS r1`,
  },
  {
    what: 'JCP#103: names change while a restarted server has no state yet',
    lines: `
      set e a1 b1
      > EDS +a
      < EDS a1
      ack EDS
      clear
      reconnect
      > EDS
      > EDS +b
      set e a1 b1
      <s EDS a1 b1
      <d EDS b1
      ack EDS
      set e a2 b2
      < EDS a2 b2`,
  },
  {
    what: 'istio#52278: a request for a further name leaves the ACK of the others in force',
    only: 'delta',
    lines: `
      set r q1 r1
      > RDS +r
      < RDS r1
      ack RDS
      > RDS +q
      < RDS q1
      ack RDS
      set r q2 r1
      < RDS q2`,
  },
  {
    what: 'istio#34949, #36273: a change of one is not read as the absence of the others',
    lines: `
      set e a1 b1 | r q1 r1
      > EDS +a +b
      < EDS a1 b1
      ack EDS
      > RDS +q +r
      < RDS q1 r1
      ack RDS
      set e a2 b1 | r q1 r2
      < EDS a2
      ack EDS
      < RDS r2
      ack RDS`,
  },
  {
    what: 'envoy#21425: all endpoints of new clusters together, those of changed ones too',
    lines: `
      set c a1 b1 | e a1 b1
      > CDS
      < CDS a1 b1
      > EDS +a +b
      < EDS a1 b1
      ack CDS
      ack EDS
      set c a2 b2 d1 | e a1 b1 d1
      <s CDS a2 b2 d1
      <d CDS a2 b2 d1
      < EDS a1 b1
      s: old EDS +d
      s: ack EDS
      d: > EDS +d
      d: ack EDS
      < EDS d1
      ack EDS
      ack CDS`,
  },
  {
    what: 'a route that was left, asked for again and lost with the connection is sent after the reconnect',
    only: 'sotw',
    lines: `
      set r q1 r1
      > RDS +q +r
      < RDS q1 r1
      ack RDS
      > RDS -r
      > RDS +r
      < RDS r1
      reconnect
      > RDS
      < RDS r1
      ack RDS
      > RDS -r
      reconnect
      > RDS +r
      < RDS r1
      ack RDS
      reconnect
      > RDS`,
  },
  {
    what: 'osm#3252: a reconnect with an old version is brought to the newest, once',
    lines: `
      set r r1
      > RDS +r
      < RDS r1
      ack RDS
      reconnect
      set r r2
      > RDS
      < RDS r2
      ack RDS
      repeat RDS
      reconnect
      > RDS
      set r r3
      < RDS r3`,
  },
  {
    what: 'consul#12174, envoy#16063: a delta reconnect with names alone is served by names, as the protocol has it',
    only: 'delta',
    lines: `
      set c a1 b1
      > CDS +a +b
      < CDS a1 b1
      ack CDS
      reconnect
      set c a1 b2 d1
      > CDS
      < CDS b2
      ack CDS
      > CDS +*
      < CDS d1`,
  },
];
runConversations(conversations);

/** A cache that counts its watchers. */
class CountingCache implements XdsCache {
  watchers = 0;
  readonly inner = new SnapshotCache();
  get(group: string) {
    return this.inner.get(group);
  }
  watch(group: string, listener: Parameters<XdsCache['watch']>[1]) {
    this.watchers++;
    const stop = this.inner.watch(group, listener);
    return () => {
      this.watchers--;
      stop();
    };
  }
}

async function until(what: string, done: () => boolean) {
  for (const end = Date.now() + 3000; !done(); ) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test(
  'GCP#570, #916; kuma#2004; istio#10822; consul#23231: a stream that ends, at any point, leaves nothing',
  async (t) => {
    const cache = new CountingCache();
    cache.inner.set('test', snapshot({ clusters: { a: 1 } }));
    const server = createXdsServer({
      cache,
      callbacks: {
        onNode: async (_stream, node) => {
          await new Promise((resolve) => setTimeout(resolve, node.id === 'slow' ? 50 : 0));
          if (node.id === 'refused') throw new Error('no');
        },
      },
    });
    const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    t.teardown(() => server.close());
    const open = (nodeId: string) =>
      new TestClient({ address: `127.0.0.1:${port}`, variant: 'sotw', nodeId });
    const count = () => [...server.streams()].length;

    const silent = open('silent');
    await until('it is open', () => count() === 1);
    silent.close();
    const refused = open('refused');
    refused.send({ type_url: CLUSTER });
    await refused.end();
    refused.close();
    const slow = open('slow');
    slow.send({ type_url: CLUSTER });
    await until('it is open', () => count() === 1);
    slow.close();
    const unread = open('test');
    unread.pause();
    unread.send({ type_url: CLUSTER });
    await until('it is joined', () => cache.watchers === 1);
    cache.inner.set('test', snapshot({ clusters: { a: 2 } }));
    unread.close();
    const half = open('test');
    half.send({ type_url: CLUSTER });
    await half.next();
    half.halfClose();
    await half.end();
    half.close();
    await until('all are gone', () => count() === 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    t.equal(cache.watchers, 0, 'nobody watches, not even who left before joining');
  },
);

t.test(
  'GCP#615: two streams of one node are apart; each is told of a secret that changes',
  async (t) => {
    const cache = new SnapshotCache();
    const secret = (text: string) => {
      const resource = encodedResource(SECRET, 's', Buffer.from(`\x0a\x01s\x12${text}`));
      cache.set('test', snapshotOf(new Map([[SECRET, typeSnapshot(new Map([['s', resource]]))]])));
    };
    secret('\x00');
    const server = createXdsServer({ cache });
    const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    t.teardown(() => server.close());
    const path = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets';
    const clients = [path, undefined].map((each) => {
      const options = { address: `127.0.0.1:${port}`, variant: 'sotw' as const };
      const made = new TestClient(each === undefined ? options : { ...options, path: each });
      t.teardown(() => made.close());
      return made;
    });
    for (const client of clients) {
      client.send({ type_url: SECRET, resource_names: ['s'] });
      client.ack(await client.next(), ['s']);
    }
    secret('\x02\x0a\x00');
    for (const client of clients) t.same((await client.next()).names, ['s']);
  },
);

t.test('istio#47227: each delta resource has a name and a version, of any type', async (t) => {
  const cache = new SnapshotCache();
  const typeUrl = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
  cache.set('test', snapshot({ others: { [typeUrl]: { filter: 1 } } }));
  const server = createXdsServer({ cache });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const client = new TestClient({ address: `127.0.0.1:${port}`, variant: 'delta' });
  t.teardown(() => client.close());
  client.send({ type_url: typeUrl, resource_names_subscribe: ['filter'] });
  const { versions } = await client.next();
  t.match(versions.get('filter'), /^[0-9a-f]{16}$/);
});
