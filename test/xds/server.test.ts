// The server over real sockets: both variants, single-type services, limits, callbacks, shutdown.
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE } from '../../src/envoy/resource.js';
import { createXdsServer, SnapshotCache, type XdsServerOptions } from '../../src/xds/server.js';
import { type ClientOptions, TestClient } from './client.js';
import { snapshot } from './resources.js';

async function serve(t: Test, options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  const server = createXdsServer({ cache, ...options });
  const bound = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  const address = `127.0.0.1:${bound.port}`;
  const clients: TestClient[] = [];
  t.teardown(async () => {
    for (const client of clients) client.close();
    await server.close();
  });
  const client = (more: Omit<ClientOptions, 'address'>) => {
    const made = new TestClient({ address, ...more });
    clients.push(made);
    return made;
  };
  return { cache, server, client, address };
}

const world = {
  clusters: { a: 1, b: 1 },
  endpoints: { a: 1, b: 1 },
  listeners: { l: 1 },
  routes: { 'route-of-l': 1 },
};

t.test('SotW over ADS: boot as Envoy does it, then an update', async (t) => {
  const { cache, client, server } = await serve(t);
  cache.set('test', snapshot(world));
  const c = client({ variant: 'sotw' });
  c.send({ type_url: CLUSTER });
  const cds = await c.next();
  t.same([cds.typeUrl, cds.names], [CLUSTER, ['a', 'b']]);
  c.send({ type_url: ENDPOINT, resource_names: ['a', 'b'] });
  const eds = await c.next();
  t.same([eds.typeUrl, eds.names], [ENDPOINT, ['a', 'b']]);
  c.ack(cds);
  c.ack(eds, ['b', 'a']);
  c.send({ type_url: LISTENER });
  const lds = await c.next();
  t.same([lds.typeUrl, lds.names], [LISTENER, ['l']]);
  c.send({ type_url: ROUTE, resource_names: ['route-of-l'] });
  c.ack(lds);
  const rds = await c.next();
  t.same([rds.typeUrl, rds.names], [ROUTE, ['route-of-l']]);
  c.ack(rds, ['route-of-l']);
  t.equal(await c.maybeNext(50), undefined, 'nothing follows');
  const [status] = [...server.streams()].map((stream) => stream.status());
  t.match(status, { variant: 'sotw', node: { id: 'test' }, group: 'test' });
  t.same(
    status!.types.map((type) => [type.typeUrl, type.state]),
    [CLUSTER, ENDPOINT, LISTENER, ROUTE].map((type) => [type, 'SYNCED']),
  );
  cache.set('test', snapshot({ ...world, endpoints: { a: 2, b: 1 } }));
  const update = await c.next();
  t.same([update.typeUrl, update.names], [ENDPOINT, ['a']], 'only the one that changed');
});

t.test('delta over ADS: boot, update, removal, reconnect', async (t) => {
  const { cache, client } = await serve(t);
  cache.set('test', snapshot(world));
  const c = client({ variant: 'delta' });
  c.send({ type_url: CLUSTER });
  const cds = await c.next();
  t.same([cds.names, cds.removed], [['a', 'b'], []]);
  c.ack(cds);
  c.send({ type_url: ENDPOINT, resource_names_subscribe: ['a', 'b', 'none'] });
  const eds = await c.next();
  t.same([eds.names, eds.removed], [['a', 'b'], ['none']], 'what does not exist is said at once');
  c.ack(eds);
  cache.set('test', snapshot({ ...world, clusters: { b: 2 }, endpoints: { b: 1 } }));
  const change = await c.next();
  t.same([change.typeUrl, change.names, change.removed], [CLUSTER, ['b'], []], 'make');
  const warm = await c.next();
  t.same([warm.typeUrl, warm.names], [ENDPOINT, ['b']], 'its endpoints again, unasked');
  t.equal(await c.maybeNext(50), undefined, 'the removal waits');
  c.ack(warm);
  c.ack(change);
  const removal = await c.next();
  t.same([removal.typeUrl, removal.names, removal.removed], [CLUSTER, [], ['a']], 'break');

  const again = client({ variant: 'delta' });
  const held = { a: 'x', b: change.version };
  again.send({ type_url: CLUSTER, initial_resource_versions: held });
  const first = await again.next();
  t.same(first.names, ['b'], 'the version given was not that of the resource');
});

t.test('the services of one type imply it and need no order', async (t) => {
  const { cache, client } = await serve(t);
  cache.set('test', snapshot(world));
  const path = '/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters';
  const c = client({ variant: 'sotw', path });
  c.send({});
  t.same((await c.next()).names, ['a', 'b']);
  const d = client({
    variant: 'delta',
    path: '/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes',
  });
  d.send({ resource_names_subscribe: ['route-of-l'] });
  t.same((await d.next()).names, ['route-of-l']);
  const wrong = client({ variant: 'sotw', path });
  wrong.send({ type_url: ROUTE });
  t.match(await wrong.end(), { code: 3, details: /serves .*Cluster only/ });
});

t.test('bad streams end with a status, the server goes on', async (t) => {
  const { cache, client, server } = await serve(t, { limits: { namesMax: 3 } });
  cache.set('test', snapshot(world));
  const garbage = client({ variant: 'sotw' });
  garbage.sendBytes(Buffer.from([0xff, 0xff, 0xff]));
  t.match(await garbage.end(), { code: 3 });
  const noType = client({ variant: 'delta' });
  noType.send({});
  t.match(await noType.end(), { code: 3, details: /type_url/ });
  const noNode = client({ variant: 'sotw' });
  noNode.sendBytes(Buffer.from([0x22, 1, 0x78]));
  t.match(await noNode.end(), { code: 3, details: /node/ });
  const many = client({ variant: 'delta' });
  many.send({ type_url: ENDPOINT, resource_names_subscribe: ['a', 'b'] });
  many.send({ type_url: ENDPOINT, resource_names_subscribe: ['c', 'd'] });
  t.match(await many.end(), { code: 8 });
  const good = client({ variant: 'sotw' });
  good.send({ type_url: CLUSTER });
  t.same((await good.next()).names, ['a', 'b']);
  t.equal([...server.streams()].length, 1, 'nothing is left of the others');
  const half = client({ variant: 'sotw' });
  half.send({ type_url: CLUSTER });
  await half.next();
  half.halfClose();
  t.match(await half.end(), { code: 0 });
});

t.test('callbacks: the first answer waits for onNode, which may refuse', async (t) => {
  const events: string[] = [];
  const { cache, client, server } = await serve(t, {
    groupOf: (node) => `group-${node.id}`,
    callbacks: {
      onStreamOpen: (stream) => events.push(`open ${stream.variant}`),
      onNode: async (_stream, node) => {
        if (node.id === 'bad') throw new Error('not you');
        await new Promise((resolve) => setTimeout(resolve, 20));
        events.push(`node ${node.id}`);
        cache.set(`group-${node.id}`, snapshot(world));
      },
      onAck: (_stream, typeUrl) => events.push(`ack ${typeUrl.split('.').at(-1)}`),
      onNack: (_stream, _typeUrl, nack) =>
        events.push(`nack ${nack.message} ${nack.resourceNames}`),
      onStreamClosed: () => events.push('closed'),
    },
  });
  const c = client({ variant: 'sotw', nodeId: 'x' });
  c.send({ type_url: CLUSTER });
  const cds = await c.next();
  t.same(events, ['open sotw', 'node x']);
  c.nack(cds, 'Error adding/updating cluster(s) b: no such thing');
  const rest = await c.next();
  t.same(rest.names, ['a'], 'a refusal is answered with what is good');
  c.ack(rest);
  t.match(server.heldBack(), [{ name: 'b', refusedBy: ['x'] }]);
  t.equal(await c.maybeNext(50), undefined, 'and with nothing else');
  cache.set('group-x', snapshot({ ...world, clusters: { a: 1, b: 2 } }));
  c.ack(await c.next());
  c.halfClose();
  await c.end();
  t.same(events.slice(2), [
    'nack Error adding/updating cluster(s) b: no such thing b',
    'ack Cluster',
    'ack Cluster',
    'closed',
  ]);
  const bad = client({ variant: 'sotw', nodeId: 'bad' });
  bad.send({ type_url: CLUSTER });
  t.match(await bad.end(), { code: 7, details: 'not you' });
});

t.test('streams in step are given the same bytes; close is orderly', async (t) => {
  const { cache, client, server } = await serve(t);
  const shared = snapshot(world);
  const received: Buffer[] = [];
  const open: TestClient[] = [];
  for (const nodeId of ['one', 'two', 'three']) {
    cache.set(nodeId, shared);
    const c = client({ variant: 'sotw', nodeId });
    open.push(c);
    c.send({ type_url: CLUSTER });
    received.push((await c.next()).bytes);
  }
  t.same(received[0], received[1]);
  t.same(received[0], received[2]);
  const started = Date.now();
  await server.close();
  t.ok(Date.now() - started < 3_000);
  for (const c of open) t.match(await c.end(), { code: 14 });
  t.equal([...server.streams()].length, 0);
});

t.test('a slow reader holds nothing up and is sent the newest state', async (t) => {
  let responses = 0;
  const { cache, client } = await serve(t, {
    groupOf: () => 'all',
    callbacks: {
      onResponse: () => {
        responses++;
      },
    },
  });
  const many = (mark: number) =>
    Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`cluster-number-${i}`, mark]));
  cache.set('all', snapshot({ clusters: many(1) }));
  const slow = client({ variant: 'sotw' });
  slow.pause();
  slow.send({ type_url: CLUSTER });
  const quick = client({ variant: 'sotw' });
  quick.send({ type_url: CLUSTER });
  quick.ack(await quick.next());
  responses = 0;
  for (let mark = 2; mark <= 6; mark++) {
    cache.set('all', snapshot({ clusters: many(mark) }));
    quick.ack(await quick.next());
  }
  t.equal(responses, 5, 'nothing was rendered for the one that does not read');
  slow.resume();
  slow.ack(await slow.next());
  const newest = await slow.next();
  const timeout = newest.messages.get('cluster-number-0')!['connect_timeout'];
  t.equal(Number((timeout as { seconds: unknown }).seconds), 6);
});

t.test(
  'a connection is asked to leave at its age; what was there before is not sent again',
  async (t) => {
    const { cache, client } = await serve(t, {
      times: { connectionAgeMs: 100, connectionGraceMs: 100 },
    });
    cache.set('test', snapshot(world));
    const c = client({ variant: 'sotw' });
    c.send({ type_url: CLUSTER });
    const { version } = await c.next();
    t.match(await c.end(3_000), { code: 14 });
    const again = client({ variant: 'sotw' });
    again.send({ type_url: CLUSTER, version_info: version });
    t.equal(await again.maybeNext(80), undefined);
  },
);

t.test('health is served, and attach adds the services to a server of the caller', async (t) => {
  const cache = new SnapshotCache();
  cache.set('test', snapshot(world));
  const own = new grpc.Server();
  createXdsServer({ cache }).attach(own);
  const port = await new Promise<number>((resolve, reject) =>
    own.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.teardown(() => own.forceShutdown());
  const same = (bytes: Buffer) => bytes;
  const plain = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  t.teardown(() => plain.close());
  const answer = await new Promise((resolve, reject) =>
    plain.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      same,
      same,
      Buffer.alloc(0),
      (e, value) => (e ? reject(e) : resolve(value)),
    ),
  );
  t.same(answer, Buffer.from([8, 1]));
  const c = new TestClient({ address: `127.0.0.1:${port}`, variant: 'delta' });
  t.teardown(() => c.close());
  c.send({ type_url: CLUSTER });
  t.same((await c.next()).names, ['a', 'b']);
});

t.test('an address that is taken is an error with a code', async (t) => {
  const { address } = await serve(t);
  const other = createXdsServer({ cache: new SnapshotCache() });
  const port = Number(address.split(':')[1]);
  await t.rejects(other.listen({ host: '127.0.0.1', port }), { code: 'XdsListenFailed' });
  await other.close();
});

t.test('callbacks may end the stream, and give anything', async (t) => {
  const watched = new Set<string>();
  const cache = new SnapshotCache();
  cache.set('test', snapshot(world));
  const counted = {
    get: (group: string) => cache.get(group),
    watch: (group: string) => {
      watched.add(group);
      return () => void watched.delete(group);
    },
  };
  const ending = await serve(t, {
    cache: counted,
    groupOf: (node, stream) => {
      stream.end('not now');
      return node.id;
    },
  });
  const refused = ending.client({ variant: 'sotw' });
  refused.send({ type_url: CLUSTER });
  t.match(await refused.end(), { code: grpc.status.UNAVAILABLE, details: 'not now' });
  t.equal(watched.size, 0, 'its group is not watched');

  const seen: string[] = [];
  const lax = await serve(t, {
    cache,
    callbacks: { onNode: ((_: unknown, node: { id: string }) => seen.push(node.id)) as never },
  });
  const c = lax.client({ variant: 'delta' });
  c.send({ type_url: CLUSTER });
  t.same((await c.next()).names, ['a', 'b'], 'a value that is no promise is not waited for');
});

t.test('a program that never lets a stream in: it ends all the same', async (t) => {
  const { client, cache } = await serve(t, {
    times: { firstRequestMs: 100 },
    callbacks: { onNode: () => new Promise<void>(() => undefined) },
  });
  cache.set('test', snapshot(world));
  const c = client({ variant: 'sotw' });
  c.send({ type_url: CLUSTER });
  t.match(await c.end(), { code: grpc.status.DEADLINE_EXCEEDED, details: 'nobody has let it in' });
});
