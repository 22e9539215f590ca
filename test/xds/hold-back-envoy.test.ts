// Hold-back with real Envoys, both variants: one bad resource of each type among good ones, found although Envoy often
// does not name it; everything else is in force at once, for a second Envoy too, and the rest once it is mended.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
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
import { type EnvoyProcess, startEnvoy } from '../envoy/envoy-process.js';

const ads = { ads: {}, resource_api_version: 'V3' };
const loopback = (port_value: number) => ({ socket_address: { address: '127.0.0.1', port_value } });
const hcm =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const http2 = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A number is a good content; the words are contents that Envoy refuses in one way or another. */
type Marks = Record<string, number | 'unnamed' | 'printed' | 'listed' | 'taken'>;
interface World {
  clusters: Marks;
  endpoints: Marks;
  listeners: Marks;
  routes: Marks;
}

const cluster = (name: string, mark: Marks[string]) => ({
  name,
  type: 'EDS',
  eds_cluster_config: { eds_config: ads },
  // "Invalid duration", without a name.
  connect_timeout: { seconds: mark === 'unnamed' ? -5 : typeof mark === 'number' ? mark : 1 },
  ...(mark === 'printed' && {
    lb_policy: 'RING_HASH',
    ring_hash_lb_config: { minimum_ring_size: { value: 99_999_999 } },
  }),
  ...(mark === 'listed' && { lb_policy: 'RING_HASH', lb_subset_config: { subset_selectors: [] } }),
  ...(mark === 'listed' && { transport_socket: { name: 'no.such.socket' } }),
});
const assignment = (cluster_name: string, mark: Marks[string]) => {
  const port = loopback(typeof mark === 'number' ? 20_000 + mark : 1);
  const bad = { socket_address: { address: 'not.an.ip', port_value: 5 } };
  return {
    cluster_name,
    endpoints: [
      {
        lb_endpoints: [{ endpoint: { address: mark === 'unnamed' ? bad : port } }],
        ...(mark === 'printed' && { priority: 200 }),
      },
    ],
  };
};
const listener = (name: string, mark: Marks[string], takenPort: number) => ({
  name,
  stat_prefix: `m${mark}`,
  address: loopback(mark === 'taken' ? takenPort : 0),
  filter_chains: [
    {
      filters: [
        {
          name: 'hcm',
          typed_config: {
            '@type': hcm,
            stat_prefix: 'in',
            rds: { route_config_name: `r${name}`, config_source: ads },
            http_filters: [
              {
                name: mark === 'listed' ? 'no.such.filter' : 'envoy.filters.http.router',
                typed_config: {
                  '@type':
                    mark === 'listed'
                      ? 'type.googleapis.com/envoy.config.core.v3.Node'
                      : 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                },
              },
            ],
          },
        },
      ],
    },
  ],
});
const route = (name: string, mark: Marks[string]) => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: mark === 'unnamed' ? { safe_regex: { regex: '(a{' } } : { prefix: '/' },
          direct_response: { status: mark === 'printed' ? 700 : 200 + Number(mark) || 200 },
        },
      ],
    },
  ],
});

function snapshot(world: World, takenPort: number) {
  const all = (marks: Marks, make: (name: string, mark: Marks[string], port: number) => object) =>
    new Map(Object.entries(marks).map(([name, mark]) => [name, make(name, mark, takenPort)]));
  return buildSnapshot(
    new Map<TypeUrl, Map<string, object>>([
      [CLUSTER, all(world.clusters, cluster)],
      [ENDPOINT, all(world.endpoints, assignment)],
      [LISTENER, all(world.listeners, listener)],
      [ROUTE, all(world.routes, route)],
    ]) as ResourcesByType,
  );
}

const same = (count: number, mark: number, but: Marks = {}): Marks => ({
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, mark])),
  ...but,
});
const world = (mark: number, but: Partial<World> = {}): World => ({
  clusters: { ...same(100, mark), ...but.clusters },
  endpoints: { ...same(100, mark), ...but.endpoints },
  listeners: { x: mark, y: mark, z: mark, ...but.listeners },
  routes: { rx: mark, ry: mark, rz: mark, ...but.routes },
});

function bootstrap(xdsPort: number, id: string, variant: Variant) {
  return {
    node: { id, cluster: 'test' },
    dynamic_resources: {
      ads_config: {
        api_type: variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: ads,
      lds_config: ads,
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

interface Dump {
  '@type': string;
  // biome-ignore lint/suspicious/noExplicitAny: Envoy's own JSON
  [field: string]: any;
}

/** What an Envoy has in force, as marks. */
async function inForce(envoy: EnvoyProcess): Promise<World> {
  const { configs } = (await envoy.adminJson('/config_dump?include_eds')) as { configs: Dump[] };
  const of = (type: string, list: string) =>
    (configs.find((config) => config['@type'].includes(`v3.${type}`))?.[list] ?? []) as Dump[];
  return {
    clusters: Object.fromEntries(
      of('ClustersConfigDump', 'dynamic_active_clusters').map(({ cluster }) => [
        cluster.name,
        Number.parseInt(cluster.connect_timeout, 10),
      ]),
    ),
    endpoints: Object.fromEntries(
      of('EndpointsConfigDump', 'dynamic_endpoint_configs').map(({ endpoint_config }) => [
        endpoint_config.cluster_name,
        endpoint_config.endpoints?.[0]?.lb_endpoints[0].endpoint.address.socket_address.port_value -
          20_000,
      ]),
    ),
    listeners: Object.fromEntries(
      of('ListenersConfigDump', 'dynamic_listeners')
        .filter(({ active_state }) => active_state)
        .map(({ name, active_state }) => [
          name as unknown as string,
          Number(active_state.listener.stat_prefix.slice(1)),
        ]),
    ),
    routes: Object.fromEntries(
      of('RoutesConfigDump', 'dynamic_route_configs').map(({ route_config }) => [
        route_config.name,
        route_config.virtual_hosts[0].routes[0].direct_response.status - 200,
      ]),
    ),
  };
}

const culprits: Record<string, Partial<World>> = {
  'cluster without a name in the text': { clusters: { c7: 'unnamed' } },
  'cluster that is printed': { clusters: { c7: 'printed' } },
  'cluster in a list, and two bad ones at once': { clusters: { c7: 'listed', c70: 'listed' } },
  'listener in a list': { listeners: { y: 'listed' } },
  'route without a name': { routes: { ry: 'unnamed' } },
  'route that is printed': { routes: { ry: 'printed' } },
  'endpoints without a name': { endpoints: { c7: 'unnamed' } },
  'endpoints that are printed': { endpoints: { c7: 'printed' } },
  'a port that is taken': { listeners: { y: 'taken' } },
};

t.setTimeout(60_000);
for (const variant of ['sotw', 'delta'] as const) {
  t.test(`one bad resource among good ones (${variant})`, async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    t.teardown(() => taken.close());
    const takenPort = (taken.address() as { port: number }).port;
    const cache = new SnapshotCache();
    let nacks = 0;
    let responses = 0;
    const server = createXdsServer({
      cache,
      groupOf: () => 'all',
      callbacks: { onNack: () => void nacks++, onResponse: () => void responses++ },
    });
    t.teardown(() => server.close());
    const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    let mark = 1;
    cache.set('all', snapshot(world(mark), takenPort));
    const first = await startEnvoy({ bootstrap: bootstrap(port, 'first', variant) });
    t.teardown(() => first.stop());

    const reaches = async (envoy: EnvoyProcess, wanted: World, what: string) => {
      for (let rounds = 0; ; rounds++) {
        const now = await inForce(envoy);
        if (rounds > 60 || JSON.stringify(sorted(now)) === JSON.stringify(sorted(wanted))) {
          t.same(now, wanted, what);
          return;
        }
        await sleep(50);
      }
    };
    /** What is not wanted any more is forgotten, soon. */
    const forgotten = async () => {
      for (let i = 0; i < 60 && server.heldBack().length > 0; i++) await sleep(50);
    };
    /** The world of a mark with the culprits as they were before. */
    const but = (bad: Partial<World>, before: number): World => {
      const held = (marks: Marks = {}) =>
        Object.fromEntries(Object.keys(marks).map((name) => [name, before]));
      return world(mark, {
        clusters: held(bad.clusters),
        endpoints: held(bad.endpoints),
        listeners: held(bad.listeners),
        routes: held(bad.routes),
      });
    };

    for (const [what, bad] of Object.entries(culprits)) {
      cache.set('all', snapshot(world(mark), takenPort));
      await reaches(first, world(mark), 'all is well');
      await forgotten();
      const before = mark++;
      nacks = 0;
      responses = 0;
      cache.set('all', snapshot(world(mark, bad), takenPort));
      await reaches(first, but(bad, before), `${what}: everything else is in force`);
      const names = Object.values(bad).flatMap((marks) => Object.keys(marks));
      const held = server.heldBack();
      t.same(held.map(({ name }) => name).sort(), names.sort(), `${what}: found`);
      t.ok(nacks <= 9, `${what}: refused ${nacks} times`);
      t.ok(responses <= 40, `${what}: ${responses} responses`);
      t.match(held[0], { client: 'envoy 1.40.0', refusedBy: ['first'] });
      if (what.includes('taken')) t.equal(held[0]?.everywhere, false, "the host's own trouble");
    }
    // While one cluster and one route are held back, edits go on, and a second Envoy gets the good rest.
    const before = mark++;
    const bad: Partial<World> = { clusters: { c7: 'unnamed' }, routes: { ry: 'unnamed' } };
    cache.set('all', snapshot(world(mark, bad), takenPort));
    await reaches(first, but(bad, before), 'two types at once');
    // Envoy may have taken the good rest before the search is over.
    for (let i = 0; i < 60 && server.heldBack().length < 2; i++) await sleep(50);
    nacks = 0;
    const second = await startEnvoy({ bootstrap: bootstrap(port, 'second', variant) });
    t.teardown(() => second.stop());
    await reaches(second, but(bad, before), 'the second Envoy, with the last good versions');
    await sleep(1_200);
    t.ok(nacks <= 2, 'it is asked once for each, as a second opinion');
    const edited = { ...bad, clusters: { ...bad.clusters, c8: 9 } };
    const expected = but(bad, before);
    expected.clusters['c8'] = 9;
    nacks = 0;
    cache.set('all', snapshot(world(mark, edited), takenPort));
    await reaches(first, expected, 'another edit goes on');
    await reaches(second, expected, 'and at the second');
    t.equal(nacks, 0);
    mark++;
    cache.set('all', snapshot(world(mark), takenPort));
    await reaches(first, world(mark), 'mended');
    await reaches(second, world(mark), 'mended everywhere');
    t.equal(nacks, 0);
    await forgotten();
    t.same(server.heldBack(), []);
  });
}

function sorted(world: World): unknown {
  return Object.entries(world).map(([key, marks]) => [key, Object.entries(marks).sort()]);
}
