// The server against real Envoys, the newest and the oldest, both variants: boot, route update, a cluster swap under
// load, a refused resource, and a reconnect after which nothing is sent again; and the single-type services. Everything
// on loopback and on free ports.
import http from 'node:http';
import t, { type Test } from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import { createXdsServer, SnapshotCache, type Variant } from '../../src/xds/server.js';
import { startEnvoy, testedVersions } from '../envoy/envoy-process.js';

const ads = { ads: {}, resource_api_version: 'V3' };
const loopback = (port_value: number) => ({ socket_address: { address: '127.0.0.1', port_value } });

/** How an Envoy asks: over the aggregated stream, or each resource type over a stream of its own. */
type Source = object;

const apiSource = (variant: Variant) => ({
  api_type: variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
  transport_api_version: 'V3',
  set_node_on_first_message_only: true,
  grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
});

const single = (variant: Variant): Source => ({
  api_config_source: apiSource(variant),
  resource_api_version: 'V3',
});

function bootstrap(xdsPort: number, variant: Variant, source: Source = ads) {
  const http2 = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      ...(source === ads && { ads_config: apiSource(variant) }),
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': http2,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(xdsPort) } }] }],
          },
        },
      ],
    },
  };
}

/** Clusters with EDS, one listener with RDS that sends everything to `to`. */
function world(
  clusters: Record<string, number>,
  to: string,
  {
    broken = false,
    connectSeconds = 1,
    source = ads,
  }: { broken?: boolean; connectSeconds?: number; source?: Source } = {},
) {
  const edsCluster = (name: string) => ({
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: source },
    connect_timeout: { seconds: connectSeconds },
    // A ring size beyond Envoy's limit: refused by Envoy, well-formed for us.
    ...(broken && name === to
      ? {
          lb_policy: 'RING_HASH',
          ring_hash_lb_config: { minimum_ring_size: { value: 99_999_999 } },
        }
      : {}),
  });
  const assignment = (name: string, port: number) => ({
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
  });
  const listener = {
    name: 'in',
    address: loopback(0),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: 'in',
              rds: { route_config_name: 'r', config_source: source },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  };
  const route = {
    name: 'r',
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [{ match: { prefix: '/' }, route: { cluster: to } }],
      },
    ],
  };
  const map = (entries: Record<string, object>) => new Map(Object.entries(entries));
  const byName = (make: (name: string, port: number) => object) =>
    map(Object.fromEntries(Object.entries(clusters).map(([n, port]) => [n, make(n, port)])));
  return buildSnapshot(
    new Map<TypeUrl, Map<string, object>>([
      [CLUSTER, byName(edsCluster)],
      [ENDPOINT, byName(assignment)],
      [LISTENER, map({ in: listener })],
      [ROUTE, map({ r: route })],
    ]) as ResourcesByType,
  );
}

async function backend(t: Test, name: string): Promise<number> {
  const server = http.createServer((_request, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as { port: number }).port;
}

function get(port: number, agent: http.Agent): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent, timeout: 5_000 }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    request.on('error', (error) => resolve(`error ${error.message}`));
  });
}

async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const cases = testedVersions.flatMap((version) =>
  (['sotw', 'delta'] as const).map((variant) => ({ version, variant })),
);

for (const { version, variant } of cases) {
  t.test(`Envoy ${version ?? ''} over ${variant}`, async (t) => {
    const ports = { one: await backend(t, 'one'), two: await backend(t, 'two') };
    const cache = new SnapshotCache();
    const sent: string[] = [];
    const nacks: { message: string; resourceNames: readonly string[] }[] = [];
    const server = createXdsServer({
      cache,
      times: { pingMs: 5_000 },
      callbacks: {
        onResponse: (_s, typeUrl, { bytes }) => sent.push(`${typeUrl.split('.').at(-1)} ${bytes}`),
        onNack: (_s, _type, nack) => nacks.push(nack),
      },
    });
    const { port: xdsPort } = (await server.listen({ host: '127.0.0.1', port: 0 })) as {
      port: number;
    };
    t.teardown(() => server.close());
    cache.set('test', world({ one: ports.one }, 'one'));
    const envoy = await startEnvoy({ bootstrap: bootstrap(xdsPort, variant), version });
    t.teardown(() => envoy.stop());
    const port = await envoy.listenerPort('in');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    t.teardown(() => agent.destroy());
    t.equal(await get(port, agent), '200 one', 'boot');
    const synced = () => {
      const types = [...server.streams()][0]?.status().types ?? [];
      return types.length === 4 && types.every((type) => type.state === 'SYNCED');
    };
    await until('all types are accepted', synced);

    let stop = false;
    const failures: string[] = [];
    let requests = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!stop) {
        const answer = await get(port, agent);
        requests++;
        if (!answer.startsWith('200 ')) failures.push(answer);
      }
    });
    for (let i = 0; i < 20; i++) {
      // Each round a cluster that was never there, and the old one gone in the same change.
      const name = i % 2 === 0 ? 'two' : 'one';
      cache.set('test', world({ [`${name}-${i}`]: ports[name] }, `${name}-${i}`));
      await until(`round ${i} is done`, synced);
      await until(`round ${i} is served`, async () => (await get(port, agent)) === `200 ${name}`);
    }
    // Changed clusters with the same endpoints warm until those come again; Envoy would wait 15 s for them.
    for (let i = 0; i < 5; i++) {
      const started = Date.now();
      cache.set('test', world({ 'one-19': ports.one }, 'one-19', { connectSeconds: 2 + i }));
      await until(`change ${i} is warm`, synced);
      t.ok(Date.now() - started < 3_000, 'warm at once');
    }
    // A burst without waiting: goals merge on the way.
    for (let i = 20; i < 40; i++) {
      cache.set('test', world({ [`one-${i}`]: ports.one }, `one-${i}`));
      await new Promise((resolve) => setTimeout(resolve, i % 3));
    }
    await until('the burst is done', synced);
    stop = true;
    await Promise.all(load);
    t.same(failures, [], `no failure in ${requests} requests`);
    t.ok(requests > 100, 'there was load');
    const clusters = await envoy.admin('/clusters');
    t.match(clusters, /^one-39::/m);
    t.notMatch(clusters, /^one-38::/m, 'old clusters are gone');

    cache.set('test', world({ 'one-39': ports.one, bad: ports.two }, 'bad', { broken: true }));
    await until('the refusal', () => nacks.length > 0);
    t.match(nacks[0], { message: /bad/, resourceNames: ['bad'] });
    const count = sent.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.ok(sent.length - count <= 2, 'no loop');
    cache.set('test', world({ 'one-39': ports.one }, 'one-39'));
    await until('recovered', async () => synced() && (await get(port, agent)) === '200 one');

    const before = [...server.streams()][0]!;
    sent.length = 0;
    before.end('reconnect, please');
    await until('a new stream', () =>
      [...server.streams()].some((stream) => stream.id !== before.id),
    );
    await until('it is in step', () => ([...server.streams()][0]?.status().types.length ?? 0) >= 4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.same(sent, [], 'nothing is sent again');
    t.equal(await get(port, agent), '200 one');
  });
}

for (const { version, variant } of cases) {
  t.test(`Envoy ${version ?? ''} over single-type services, ${variant}`, async (t) => {
    const ports = { one: await backend(t, 'one'), two: await backend(t, 'two') };
    const cache = new SnapshotCache();
    const nacks: { message: string; resourceNames: readonly string[] }[] = [];
    const server = createXdsServer({
      cache,
      callbacks: { onNack: (_s, _type, nack) => nacks.push(nack) },
    });
    const { port: xdsPort } = (await server.listen({ host: '127.0.0.1', port: 0 })) as {
      port: number;
    };
    t.teardown(() => server.close());
    const source = single(variant);
    cache.set('test', world({ one: ports.one }, 'one', { source }));
    const envoy = await startEnvoy({ bootstrap: bootstrap(xdsPort, variant, source), version });
    t.teardown(() => envoy.stop());
    const port = await envoy.listenerPort('in');
    const agent = new http.Agent({ keepAlive: true });
    t.teardown(() => agent.destroy());
    const serves = (what: string) => async () => (await get(port, agent)) === `200 ${what}`;
    t.equal(await get(port, agent), '200 one', 'boot');
    const streams = [...server.streams()].map((stream) => stream.status());
    t.ok(
      streams.length >= 4 && streams.every(({ aggregated }) => !aggregated),
      'a stream for each subscription',
    );
    // Nobody can promise an order between streams (xDS "Eventual consistency considerations"): one step at a time.
    cache.set('test', world({ one: ports.one, two: ports.two }, 'one', { source }));
    await until('the new cluster', async () => /^two::127/m.test(await envoy.admin('/clusters')));
    cache.set('test', world({ one: ports.one, two: ports.two }, 'two', { source }));
    await until('the new route', serves('two'));
    cache.set('test', world({ one: ports.one, two: ports.one }, 'two', { source }));
    await until('other endpoints', serves('one'));
    const started = Date.now();
    const changed = { source, connectSeconds: 3 };
    cache.set('test', world({ one: ports.one, two: ports.two }, 'two', changed));
    await until('a changed cluster', serves('two'));
    t.ok(Date.now() - started < 5_000, 'which need not wait for its endpoints');
    const broken = { source, broken: true };
    cache.set('test', world({ one: ports.one, two: ports.two }, 'two', broken));
    await until('the refusal', () => nacks.length > 0);
    t.match(nacks[0], { message: /two/ });
    t.equal(await get(port, agent), '200 two', 'the good one stays');
    t.equal(await envoy.stat('cluster_manager.cds.init_fetch_timeout'), 0);
  });
}
