// Virtual hosts as parts of routes (VHDS), pushed to a client that asks for them without names: with the routes and not
// after them, and again behind a route that is asked for anew. What Envoy makes of it is test/envoy/random-edits.
import t from 'tap';
import {
  CLUSTER,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
  VIRTUAL_HOST,
} from '../../src/envoy/resource.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { TestClient } from './client.js';

/** Routes with their virtual hosts by name; a number is a content. */
function world(routes: Record<string, Record<string, number>>) {
  const map = (entries: [string, object][]) => new Map(entries);
  const hosts = Object.entries(routes).flatMap(([route, byName]) =>
    Object.entries(byName).map(([host, mark]): [string, object] => {
      const name = `${route}/${host}`;
      const response = { direct_response: { status: 200 + mark } };
      const only = [{ match: { prefix: '/' }, ...response }];
      return [name, { name, domains: [`${host}.test`], routes: only }];
    }),
  );
  return buildSnapshot(
    new Map<TypeUrl, Map<string, object>>([
      [CLUSTER, map([])],
      [LISTENER, map([])],
      [ROUTE, map(Object.keys(routes).map((name) => [name, { name }]))],
      [VIRTUAL_HOST, map(hosts)],
    ]) as ResourcesByType,
  );
}

t.test('all virtual hosts, each change by itself, and again behind a new route', async (t) => {
  const cache = new SnapshotCache();
  const types = [{ typeUrl: VIRTUAL_HOST, wildcard: true }];
  const server = createXdsServer({ cache, types });
  t.teardown(() => server.close());
  const bound = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  cache.set('client', world({ r: { a: 1, b: 1 }, s: { c: 1 } }));
  const client = new TestClient({
    address: `127.0.0.1:${bound.port}`,
    variant: 'delta',
    nodeId: 'client',
  });
  t.teardown(() => client.close());
  const next = async (typeUrl: string) => {
    const response = await client.next();
    t.equal(response.typeUrl, typeUrl);
    client.ack(response);
    return response;
  };
  client.send({ type_url: ROUTE, resource_names_subscribe: ['r', 's'] });
  t.same((await next(ROUTE)).names.sort(), ['r', 's']);
  client.send({ type_url: VIRTUAL_HOST });
  t.same((await next(VIRTUAL_HOST)).names.sort(), ['r/a', 'r/b', 's/c'], 'all at once');

  cache.set('client', world({ r: { a: 2, b: 1 }, s: { c: 1 } }));
  const edit = await next(VIRTUAL_HOST);
  t.same([edit.names, edit.removed], [['r/a'], []], 'one edit is one resource');
  t.ok(edit.bytes.length < 300, `${edit.bytes.length} bytes`);

  cache.set('client', world({ r: { d: 1, b: 1 }, s: { c: 1 } }));
  const swap = await next(VIRTUAL_HOST);
  t.same([swap.names, swap.removed], [['r/d'], ['r/a']], 'old and new in one response');

  client.send({ type_url: ROUTE, resource_names_unsubscribe: ['r'] });
  client.send({ type_url: ROUTE, resource_names_subscribe: ['r'] });
  t.same((await next(ROUTE)).names, ['r']);
  t.same((await next(VIRTUAL_HOST)).names.sort(), ['r/b', 'r/d'], 'a route asked for anew');
});
