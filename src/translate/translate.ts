// The top of translation: one view in, every Envoy resource of it out. The parts are in their own files; what is
// sent to whom and in which order is not decided here. There are no counters: a message that is the same object as
// in the result before was not built, and rebuilt.ts counts those that are not.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { ClusterLoadAssignment } from '../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import {
  CLUSTER,
  ENDPOINT,
  type EnvoyMessage,
  LISTENER,
  type ResourceName,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import type { ServiceEndpoints } from '../mesh/endpoint.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem, VirtualService } from '../mesh/rules.js';
import type { Service } from '../mesh/service.js';
import { blackHoleCluster, inboundPassthroughCluster, passthroughCluster } from './cluster.js';
import { inboundClusters } from './inbound-cluster.js';
import { inboundPlan } from './inbound-plan.js';
import { buildListeners } from './listener.js';
import { loadAssignments } from './load-assignments.js';
import { isDns, type OutboundCluster, outboundClusters } from './outbound-cluster.js';
import { type OutboundRoutePlan, outboundPlan } from './outbound-plan.js';
import { buildRouteConfiguration } from './route.js';

/** What translating a view gives: messages by type and name, and what is doubtful in what users wrote. */
export interface Translation {
  resources: ResourcesByType;
  problems: readonly Problem[];
}

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;

/**
 * Translates all that one view sees. Pure: equal inputs give equal objects and identical inputs the same ones, down
 * to the map of a type in which nothing changed. A bug of ours throws; the caller keeps the last good result of the
 * view (DESIGN.md, invariant 8).
 */
export const translate = memoize((view: ProxyView): Translation => {
  const plan = outboundPlan(view);
  const outbound = clustersByService(view);
  const resources = new Map<TypeUrl, ByName>([
    [CLUSTER, clusterMap(...allClusters(view, outbound))],
    [ENDPOINT, assignmentMap(outbound, view.outbound.endpoints)],
    [LISTENER, listenerMap(...buildListeners(view))],
    [ROUTE, routeMap(...plan.routes.map((route) => routeConfiguration(view, route)))],
  ]);
  return { resources, problems: [...plan.problems, ...inboundPlan(view).problems] };
});

/** The clusters of one visible service. */
interface ServiceClusters {
  service: Service;
  clusters: readonly OutboundCluster[];
}

/** The same array while no cluster of a service changed, whatever happens to endpoints that EDS carries. */
function clustersByService({ outbound, settings, proxy }: ProxyView): readonly ServiceClusters[] {
  const dns = dnsServices(outbound.services).map((service) => outbound.endpoints.get(service));
  return clustersOfScope(outbound.services, settings, canonicalTraits(proxy), ...dns);
}

const dnsServices = memoize((services: readonly ServiceView[]) =>
  services.map(({ service }) => service).filter(isDns),
);

const clustersOfScope = memoize(
  (
    services: readonly ServiceView[],
    settings: MeshSettings,
    proxy: ProxyTraits,
    ...dnsEndpoints: readonly (ServiceEndpoints | undefined)[]
  ): readonly ServiceClusters[] => {
    const dns = dnsServices(services);
    const inline = new Map(dns.map((service, index) => [service, dnsEndpoints[index]]));
    return services.map((view) => ({
      service: view.service,
      clusters: outboundClusters(view, settings, { proxy, endpoints: inline.get(view.service) }),
    }));
  },
);

function allClusters(
  view: ProxyView,
  outbound: readonly ServiceClusters[],
): [readonly ServiceClusters[], ...Cluster[]] {
  const { settings, proxy } = view;
  const own = [blackHoleCluster(settings), passthroughCluster(settings), ...inboundClusters(view)];
  if (proxy.type === 'sidecar') {
    own.push(inboundPassthroughCluster(settings, proxy.ipv4, proxy.ipv6));
  }
  return [outbound, ...own];
}

const clusterMap = memoize(
  (outbound: readonly ServiceClusters[], ...own: readonly Cluster[]): ByName => {
    const byName = new Map<ResourceName, EnvoyMessage>();
    for (const { clusters } of outbound) {
      for (const { name, cluster } of clusters) byName.set(name, cluster);
    }
    for (const cluster of own) byName.set(cluster.name ?? '', cluster);
    return byName;
  },
);

const assignmentMap = memoize(
  (
    outbound: readonly ServiceClusters[],
    endpoints: ReadonlyMap<Service, ServiceEndpoints>,
  ): ByName => {
    const byName = new Map<ResourceName, ClusterLoadAssignment>();
    for (const { service, clusters } of outbound) {
      for (const assignment of loadAssignments(service, clusters, endpoints.get(service))) {
        byName.set(assignment.cluster_name ?? '', assignment);
      }
    }
    return byName;
  },
);

const listenerMap = memoize(
  (...listeners: readonly Listener[]): ByName =>
    new Map(listeners.map((listener) => [listener.name ?? '', listener])),
);

const routeMap = memoize(
  (...routes: readonly RouteConfiguration[]): ByName =>
    new Map(routes.map((route) => [route.name ?? '', route])),
);

function routeConfiguration(view: ProxyView, plan: OutboundRoutePlan): RouteConfiguration {
  const { outbound, settings, proxy } = view;
  const traits = canonicalTraits(proxy);
  const { services, virtualServices } = outbound;
  return route(plan.services, services, virtualServices, settings, traits, plan.name, plan.port);
}

const route = memoize(
  (
    services: readonly ServiceView[],
    outbound: readonly ServiceView[],
    virtualServices: readonly VirtualService[],
    settings: MeshSettings,
    proxy: ProxyTraits,
    name: string,
    port: number,
  ): RouteConfiguration =>
    buildRouteConfiguration({ name, port, services, outbound, virtualServices, proxy, settings }),
);

/** One object for all proxies of equal traits, so that what is made for one serves the others. */
function canonicalTraits(proxy: ProxyTraits): ProxyTraits {
  return traitsOf(JSON.stringify({ ...proxy, labels: Object.entries(proxy.labels).sort() }));
}

const traitsOf = memoize((text: string): ProxyTraits => {
  const traits = JSON.parse(text) as ProxyTraits & { labels: [string, string][] };
  return { ...traits, labels: Object.fromEntries(traits.labels) };
});
