// `fairlead/xds` as another program uses it: any type URL, versions of the caller's, one group for all nodes, and a
// client that speaks plain gRPC.
import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import {
  createXdsServer,
  encodedResource,
  SnapshotCache,
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
