// envoy#36951: a delta stream of an Envoy that does not ask for clusters again is ended once; nobody else's is.
import t from 'tap';
import { CLUSTER, LISTENER } from '../../src/envoy/resource.js';
import { withClustersAsked } from '../../src/xds/clusters-asked.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { TestClient } from './client.js';
import { snapshot } from './resources.js';

t.test('envoy#36951: the stream of an Envoy that forgot its clusters is ended, once', async (t) => {
  const cache = new SnapshotCache();
  cache.set('test', snapshot({ clusters: { a: 1 }, listeners: { l: 1 } }));
  const server = createXdsServer({ cache, callbacks: withClustersAsked({}, 60) });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  t.teardown(() => server.close());
  const open = (user_agent_name: string) => {
    const client = new TestClient({ address: `127.0.0.1:${port}`, variant: 'delta' });
    t.teardown(() => client.close());
    const node = { id: 'test', user_agent_name };
    return { client, ask: (type_url: string) => client.send({ type_url, node }) };
  };
  const first = open('envoy');
  first.ask(LISTENER);
  await first.client.next();
  first.ask(CLUSTER);
  await first.client.next();
  t.equal(await first.client.maybeNext(120), undefined);
  t.equal(first.client.status, undefined, 'it asks for clusters, and stays');
  first.client.close();

  const grpc = open('gRPC Go');
  grpc.ask(LISTENER);
  const forgetful = open('envoy');
  forgetful.ask(LISTENER);
  t.match(await forgetful.client.end(), { code: 14, details: /clusters were not asked for/ });
  t.equal(grpc.client.status, undefined, 'gRPC clients ask for what they need');
  const again = open('envoy');
  again.ask(LISTENER);
  await again.client.next();
  t.equal(await again.client.maybeNext(120), undefined);
  t.equal(again.client.status, undefined, 'not again and again');
});
