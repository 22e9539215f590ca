// The client status service over a real socket: what a client has accepted, refused, has not answered yet, or waits
// for; matchers; what is left out; who may ask.
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import { CLUSTER, ENDPOINT, SECRET, type TypeUrl } from '../../src/envoy/resource.js';
import { snapshotOf, typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { encodedResource } from '../../src/snapshot/encode.js';
import { createXdsServer, SnapshotCache, type XdsServerOptions } from '../../src/xds/server.js';
import { TestClient } from './client.js';
import { snapshot } from './resources.js';

interface Config {
  node: { id: string; cluster: string };
  generic_xds_configs: {
    type_url: string;
    name: string;
    version_info: string;
    config_status: number;
    client_status: number;
    xds_config: { type_url: string; value: Buffer } | null;
    error_state: { details: string } | null;
  }[];
}

const statuses = ['UNKNOWN', 'SYNCED', 'NOT_SENT', 'STALE', 'ERROR'];
const service = '/envoy.service.status.v3.ClientStatusDiscoveryService';
const same = (bytes: Buffer) => bytes;

async function serve(t: Test, options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  const server = createXdsServer({ cache, groupOf: () => 'all', ...options });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  const address = `127.0.0.1:${port}`;
  const asker = new grpc.Client(address, grpc.credentials.createInsecure());
  t.teardown(() => asker.close());
  t.teardown(() => server.close());
  const ask = (request: object = {}) =>
    new Promise<Config[]>((resolve, reject) => {
      asker.makeUnaryRequest(
        `${service}/FetchClientStatus`,
        same,
        same,
        encode('envoy.service.status.v3.ClientStatusRequest', request),
        (error, bytes) => {
          if (error) reject(error);
          else resolve(read(bytes!));
        },
      );
    });
  const client = (nodeId: string, variant: 'sotw' | 'delta' = 'sotw') => {
    const made = new TestClient({ address, variant, nodeId });
    t.teardown(() => made.close());
    return made;
  };
  return { cache, ask, asker, client };
}

function read(bytes: Buffer): Config[] {
  return decode<{ config: Config[] }>('envoy.service.status.v3.ClientStatusResponse', bytes).config;
}

const lines = (config: Config | undefined) =>
  config?.generic_xds_configs.map(
    (each) => `${each.type_url.split('.').at(-1)} ${each.name} ${statuses[each.config_status]}`,
  );

/** Asks until the answer is as expected; the last answer otherwise. */
async function settled(ask: () => Promise<string[] | undefined>, expected: string[]) {
  let last: string[] | undefined;
  for (let i = 0; i < 100; i++) {
    last = await ask();
    if (JSON.stringify(last) === JSON.stringify(expected)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return last;
}

t.test('every state of a resource, on both variants', async (t) => {
  const { cache, ask, client } = await serve(t, { holdBack: false });
  cache.set('all', snapshot({ clusters: { a: 1, b: 1 }, endpoints: { a: 1 } }));
  for (const variant of ['sotw', 'delta'] as const) {
    const c = client(variant, variant);
    const now = async () => lines((await ask()).find(({ node }) => node.id === variant));
    c.send({ type_url: CLUSTER });
    const cds = await c.next();
    let expected = ['Cluster a STALE', 'Cluster b STALE'];
    t.same(await settled(now, expected), expected, `${variant}: sent, not answered`);
    c.ack(cds);
    expected = ['Cluster a SYNCED', 'Cluster b SYNCED'];
    t.same(await settled(now, expected), expected, `${variant}: accepted`);
    c.send({
      type_url: ENDPOINT,
      resource_names: ['a', 'x'],
      resource_names_subscribe: ['a', 'x'],
    });
    c.nack(await c.next(), 'malformed a', { names: ['a', 'x'] });
    expected = [
      ...['Cluster a SYNCED', 'Cluster b SYNCED'],
      ...['ClusterLoadAssignment a ERROR', 'ClusterLoadAssignment x NOT_SENT'],
    ];
    t.same(await settled(now, expected), expected, `${variant}: refused, and not there`);
    const [config] = (await ask()).filter(({ node }) => node.id === variant);
    const [a, , refused] = config!.generic_xds_configs;
    t.equal(decode<{ name: string }>(CLUSTER, a!.xds_config!.value).name, 'a', 'with content');
    t.equal(refused!.error_state!.details, 'malformed a');
    t.match(a!.version_info, /^[0-9a-f]{16}$/);
    c.close();
  }
});

t.test('matchers of nodes; contents left out; secrets always', async (t) => {
  const { cache, ask, client } = await serve(t);
  const secret = encodedResource(SECRET, 's', Buffer.from([0x0a, 1, 0x73]));
  const base = snapshot({ clusters: { a: 1 } });
  cache.set(
    'all',
    snapshotOf(
      new Map([...base.types, [SECRET as TypeUrl, typeSnapshot(new Map([['s', secret]]))]]),
    ),
  );
  for (const id of ['one', 'two']) {
    const c = client(id);
    c.send({
      type_url: CLUSTER,
      node: { id, metadata: { fields: { zone: { stringValue: id } } } },
    });
    c.ack(await c.next());
    c.send({ type_url: SECRET, resource_names: ['s'] });
    await c.next();
  }
  const ids = async (request: object) => (await ask(request)).map(({ node }) => node.id).sort();
  t.same(await ids({}), ['one', 'two']);
  t.same(await ids({ node_matchers: [{ node_id: { exact: 'two' } }] }), ['two']);
  t.same(await ids({ node_matchers: [{ node_id: { prefix: 'O', ignore_case: true } }] }), ['one']);
  const path = [{ key: 'zone' }];
  const byZone = (value: object) => ({ node_matchers: [{ node_metadatas: [{ path, value }] }] });
  t.same(await ids(byZone({ string_match: { exact: 'one' } })), ['one']);
  t.same(await ids(byZone({ present_match: true })), ['one', 'two']);
  await t.rejects(ids({ node_matchers: [{ node_id: { safe_regex: { regex: '(a+)+' } } }] }), {
    code: grpc.status.INVALID_ARGUMENT,
  });
  const bodies = async (request: object) =>
    (await ask(request))[0]!.generic_xds_configs.map((each) => each.xds_config !== null);
  t.same(await bodies({}), [true, false], 'the cluster, not the secret');
  t.same(await bodies({ exclude_resource_contents: true }), [false, false]);
});

t.test('StreamClientStatus answers each request', async (t) => {
  const { cache, asker, client } = await serve(t);
  cache.set('all', snapshot({ clusters: { a: 1 } }));
  const stream = asker.makeBidiStreamRequest(`${service}/StreamClientStatus`, same, same);
  const next = () =>
    new Promise<Config[]>((resolve) => stream.once('data', (b) => resolve(read(b))));
  stream.on('error', (error) => t.fail(error.message));
  stream.write(Buffer.alloc(0));
  t.same(await next(), []);
  const c = client('n');
  c.send({ type_url: CLUSTER });
  await c.next();
  stream.write(Buffer.alloc(0));
  t.same(lines((await next())[0]), ['Cluster a STALE']);
  const end = new Promise<grpc.StatusObject>((resolve) => stream.once('status', resolve));
  stream.end();
  t.match(await end, { code: 0 });
});

t.test('where streams are authenticated, nobody may ask unless a function lets them', async (t) => {
  const authenticate = () => ({ name: 'somebody' });
  const none = await serve(t, { authenticate });
  await t.rejects(none.ask(), { code: grpc.status.UNIMPLEMENTED });
  const refusing = await serve(t, {
    authenticate,
    clientStatus: (identity) => {
      throw new Error(`not for ${identity?.name}`);
    },
  });
  await t.rejects(refusing.ask(), {
    code: grpc.status.PERMISSION_DENIED,
    details: 'not for somebody',
  });
  const { ask } = await serve(t, { authenticate, clientStatus: () => undefined });
  t.same(await ask(), []);
});
