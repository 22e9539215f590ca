// Small resources and snapshots for protocol tests: what matters is names, references between types, and whether the
// content differs (`mark`).
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';

type Marks = Record<string, number>;

/** Names with a number each; another number is another content. */
export interface World {
  clusters?: Marks;
  endpoints?: Marks;
  listeners?: Marks;
  routes?: Marks;
  /** Further types by URL: TypedExtensionConfig-like messages with a name. */
  others?: Record<string, Marks>;
}

const ads = { resource_api_version: 'V3', ads: {} };
const hcm =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const cluster = (name: string, mark: number) => ({
  name,
  type: 'EDS',
  eds_cluster_config: { eds_config: ads },
  connect_timeout: { seconds: mark },
});
const endpoint = (name: string, mark: number) => ({
  cluster_name: name,
  endpoints: [
    {
      lb_endpoints: [
        {
          endpoint: {
            address: { socket_address: { address: '127.0.0.1', port_value: 10_000 + mark } },
          },
        },
      ],
    },
  ],
});
const listener = (name: string, mark: number) => ({
  name,
  stat_prefix: `m${mark}`,
  filter_chains: [
    {
      filters: [
        {
          name: 'hcm',
          typed_config: {
            '@type': hcm,
            rds: { route_config_name: `route-of-${name}`, config_source: ads },
          },
        },
      ],
    },
  ],
});
const route = (name: string, mark: number) => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, direct_response: { status: 200 + mark } }],
    },
  ],
});

/** A snapshot of these names and contents. */
export function snapshot(world: World, previous?: Snapshot): Snapshot {
  const resources = new Map<TypeUrl, Map<string, object>>();
  const add = (
    typeUrl: TypeUrl,
    marks: Marks | undefined,
    make: (n: string, m: number) => object,
  ) => {
    if (marks === undefined) return;
    resources.set(
      typeUrl,
      new Map(Object.entries(marks).map(([name, mark]) => [name, make(name, mark)])),
    );
  };
  add(CLUSTER, world.clusters, cluster);
  add(ENDPOINT, world.endpoints, endpoint);
  add(LISTENER, world.listeners, listener);
  add(ROUTE, world.routes, route);
  for (const [typeUrl, marks] of Object.entries(world.others ?? {})) {
    add(typeUrl as TypeUrl, marks, (name, mark) => ({
      name,
      typed_config: { type_url: `x/m${mark}` },
    }));
  }
  return buildSnapshot(resources as ResourcesByType, previous);
}
