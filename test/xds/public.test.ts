// `fairlead/xds` as another program uses it: any type URL, versions of the caller's, one group for all nodes, and a
// client that speaks plain gRPC.
import {
  Client,
  credentials,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import t from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import {
  CLUSTER,
  createXdsServer,
  ENDPOINT,
  encodedResource,
  encodeResource,
  LinearCache,
  resourceFromJson,
  SnapshotCache,
  snapshotFrom,
  snapshotOf,
  type TypeUrl,
  typeSnapshot,
  type Version,
} from '../../src/xds/public.js';

const typeUrl = 'type.googleapis.com/example.Anything' as TypeUrl;
const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

t.test('arbitrary bytes under a made-up type, with versions of the caller', async (t) => {
  const cache = new SnapshotCache();
  const resource = encodedResource(typeUrl, 'one', Buffer.from('bytes'), 'r7' as Version);
  const type = typeSnapshot(new Map([['one', resource]]), undefined, 'v42' as Version);
  cache.set('everybody', snapshotOf(new Map([[typeUrl, type]])));
  const server = createXdsServer({ cache, groupOf: () => 'everybody' });
  t.teardown(() => server.close());
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (!('port' in address)) return t.fail('a TCP address was asked for');

  const client = new Client(`127.0.0.1:${address.port}`, credentials.createInsecure());
  t.teardown(() => client.close());
  const raw = (bytes: Buffer) => bytes;
  const stream = client.makeBidiStreamRequest(method, raw, raw);
  stream.on('error', () => undefined);
  t.teardown(() => stream.cancel());
  const answer = new Promise<Buffer>((resolve) => stream.once('data', resolve));
  const request = { node: { id: 'n' }, type_url: typeUrl, resource_names: ['one'] };
  stream.write(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
  const response = decode<{
    version_info: string;
    resources: { type_url: string; value: Buffer }[];
  }>('envoy.service.discovery.v3.DiscoveryResponse', await answer);
  t.equal(response.version_info, 'v42');
  t.strictSame(
    response.resources.map(({ type_url, value }) => [type_url, value.toString()]),
    [[typeUrl, 'bytes']],
  );
});

t.test('attached to a grpc-js server of the caller, beside a service of its own', async (t) => {
  const cache = new LinearCache();
  cache.set(encodedResource(typeUrl, 'one', Buffer.from('bytes')));
  const xds = createXdsServer({ cache });
  const raw = (bytes: Buffer) => bytes;
  const own = new Server();
  const say: handleUnaryCall<Buffer, Buffer> = (call, done) => done(null, call.request);
  own.register('/example.Echo/Say', say, raw, raw, 'unary');
  xds.attach(own);
  const port = await new Promise<number>((resolve, reject) => {
    const insecure = ServerCredentials.createInsecure();
    own.bindAsync('127.0.0.1:0', insecure, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.teardown(async () => {
    client.close();
    await xds.close();
    own.forceShutdown();
  });
  const echo = () =>
    new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        '/example.Echo/Say',
        raw,
        raw,
        Buffer.from('hello'),
        (error, answer) => (error ? reject(error) : resolve(String(answer))),
      );
    });
  t.equal(await echo(), 'hello');
  const stream = client.makeBidiStreamRequest(method, raw, raw);
  const ended = new Promise<number>((resolve) => {
    stream.on('error', (error: ServiceError) => resolve(error.code));
  });
  const answer = new Promise<Buffer>((resolve) => stream.once('data', resolve));
  const request = { node: { id: 'n' }, type_url: typeUrl };
  stream.write(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
  t.match(String(await answer), /bytes/);
  await xds.close();
  t.equal(await ended, status.UNAVAILABLE, 'close ends the streams');
  t.equal(await echo(), 'hello', 'and leaves the server to its owner');
});

t.test('snapshots from lists and from JSON', async (t) => {
  const json = { name: 'c', connectTimeout: '1.5s', lb_policy: 'LEAST_REQUEST' };
  const cluster = resourceFromJson(CLUSTER, json);
  t.equal(cluster.name, 'c');
  t.equal(resourceFromJson(CLUSTER, { ...json }), cluster, 'equal content is the same object');
  const message = {
    name: 'c',
    connect_timeout: { seconds: 1, nanos: 5e8 },
    lb_policy: 'LEAST_REQUEST',
  };
  t.equal(encodeResource(CLUSTER, 'c', message), cluster, 'whatever form it comes in');
  t.equal(resourceFromJson(ENDPOINT, { cluster_name: 'e' }, { version: 'r1' }).version, 'r1');
  t.throws(() => resourceFromJson(CLUSTER, { connect_timeout: '1s' }), /needs a name/);
  t.throws(() => resourceFromJson(CLUSTER, { name: 'c', typo: 1 }), /typo/);
  t.throws(() => resourceFromJson(typeUrl, { name: 'c' }), /no proto is loaded/);
  const one = snapshotFrom([cluster], { versions: { [CLUSTER]: 'v1' } });
  t.equal(one.types.get(CLUSTER)!.version, 'v1');
  const two = snapshotFrom([cluster, encodedResource(typeUrl, 'x', Buffer.of())]);
  t.strictSame([...two.types.keys()], [CLUSTER, typeUrl]);
  t.equal(
    snapshotFrom([cluster, encodedResource(typeUrl, 'x', Buffer.of())], { previous: two }),
    two,
  );
});
