// A view's whole configuration as one static bootstrap, so that `envoy --mode validate` judges all of it at once:
// routes stand inside the listeners that ask for them, endpoints inside the clusters.
import { toJson } from '../../src/envoy/codec.js';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../../src/envoy/resource.js';

type Json = Record<string, unknown>;

/** ProtoJSON of a bootstrap. Throws where a listener asks for a route, or a cluster for endpoints, that is missing. */
export function staticBootstrap(resources: ResourcesByType): Json {
  const routes = byName(resources, ROUTE);
  const assignments = byName(resources, ENDPOINT);
  const clusters = [...byName(resources, CLUSTER).values()].map((cluster) =>
    withOtherSecrets(cluster['type'] === 'EDS' ? withEndpoints(cluster, assignments) : cluster),
  );
  const listeners = [...byName(resources, LISTENER).values()].map(
    (listener) => withRoutes(listener, routes) as Json,
  );
  return {
    node: { id: 'case', cluster: 'case' },
    // As in fairlead's bootstrap: Envoy's own limit refuses regular expressions of ordinary length.
    layered_runtime: {
      layers: [{ name: 'static', static_layer: { 're2.max_program_size.error_level': 32768 } }],
    },
    static_resources: { listeners, clusters: [{ name: 'case-secrets' }, ...clusters] },
  };
}

function byName(resources: ResourcesByType, typeUrl: TypeUrl): Map<string, Json> {
  const messages = [...(resources.get(typeUrl) ?? [])];
  return new Map(messages.map(([name, message]) => [name, toJson(typeUrl, message) as Json]));
}

function withEndpoints(cluster: Json, assignments: ReadonlyMap<string, Json>): Json {
  const { edsClusterConfig: _, ...rest } = cluster;
  const name = String(cluster['name']);
  const loadAssignment = assignments.get(name);
  if (loadAssignment === undefined) throw new Error(`no endpoints are sent for ${name}`);
  return { ...rest, type: 'STATIC', loadAssignment };
}

/** Secrets over ADS crash Envoy in static clusters, which begin before ADS does; any other source is as good here. */
function withOtherSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withOtherSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key === 'sdsConfig' ? { apiConfigSource, resourceApiVersion: 'V3' } : withOtherSecrets(inner),
  ]);
  return Object.fromEntries(entries);
}

const apiConfigSource = {
  apiType: 'GRPC',
  transportApiVersion: 'V3',
  grpcServices: [{ envoyGrpc: { clusterName: 'case-secrets' } }],
};

function withRoutes(value: unknown, routes: ReadonlyMap<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((inner) => withRoutes(inner, routes));
  if (typeof value !== 'object' || value === null) return value;
  const { rds, ...rest } = value as { rds?: { routeConfigName: string } } & Json;
  const entries = Object.entries(rest).map(([key, inner]) => [key, withRoutes(inner, routes)]);
  const copy = Object.fromEntries(entries) as Json;
  if (rds === undefined) return copy;
  const routeConfig = routes.get(rds.routeConfigName);
  if (routeConfig === undefined) throw new Error(`no route ${rds.routeConfigName} is sent`);
  return { ...copy, routeConfig };
}
