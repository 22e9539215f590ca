// What a gRPC program that speaks xDS itself is given in place of an Envoy's configuration: API listeners, a route
// configuration and clusters for each port of each visible service, endpoints, and listeners of the program's own
// servers (Istio's grpcgen). Services of the protocols that gRPC cannot be are left out.
import {
  CLUSTER,
  ENDPOINT,
  type EnvoyMessage,
  LISTENER,
  type ResourceName,
  type ResourcesByType,
  ROUTE,
} from '../../envoy/resource.js';
import { memoize } from '../../lib/memo.js';
import type { ServiceEndpoints } from '../../mesh/endpoint.js';
import type { MeshSettings } from '../../mesh/mesh-settings.js';
import { canonicalPlace } from '../../mesh/place.js';
import type { ProxyPlace } from '../../mesh/proxy.js';
import type { InboundScope, ProxyTraits, ProxyView, ServiceView } from '../../mesh/proxy-view.js';
import type { VirtualService } from '../../mesh/rules.js';
import type { Service } from '../../mesh/service.js';
import { grpcClusters } from './cluster.js';
import { grpcAssignments } from './endpoint.js';
import { grpcServerListeners } from './inbound-listener.js';
import { grpcListeners } from './listener.js';
import { grpcRouteConfigurations } from './route.js';

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;

/**
 * All resources of a gRPC client's view. Pure; identical inputs give the same messages, and the same map of a type
 * while nothing that it is made of changed.
 */
export function translateGrpc(view: ProxyView): ResourcesByType {
  const { outbound, inbound, settings } = view;
  const { services, virtualServices, endpoints } = outbound;
  const { place, ...traits } = view.proxy;
  const proxy = canonical(traits);
  return new Map([
    [CLUSTER, clusters(services, settings, ...dnsEndpoints(services, endpoints))],
    [ENDPOINT, assignments(services, settings, endpoints, place && canonicalPlace(place))],
    [LISTENER, listeners(services, inbound, proxy.dnsDomain)],
    [ROUTE, routes(services, virtualServices, settings, proxy)],
  ]);
}

const clusters = memoize(
  (
    services: readonly ServiceView[],
    settings: MeshSettings,
    ...dns: readonly (ServiceEndpoints | undefined)[]
  ): ByName => {
    const inline = new Map(services.filter(isNamed).map((view, i) => [view, dns[i]]));
    const all = services.flatMap((view) => grpcClusters(view, settings, inline.get(view)));
    return new Map(all.map(({ name, cluster }) => [name, cluster]));
  },
);

const assignments = memoize(
  (
    services: readonly ServiceView[],
    settings: MeshSettings,
    endpoints: ReadonlyMap<Service, ServiceEndpoints>,
    place: ProxyPlace | undefined,
  ): ByName => {
    const all = services
      .filter((view) => !isNamed(view))
      .flatMap((view) =>
        grpcAssignments(
          view.service,
          grpcClusters(view, settings, undefined),
          endpoints.get(view.service),
          place,
        ),
      );
    return new Map(all.map(({ name, assignment }) => [name, assignment]));
  },
);

const listeners = memoize(
  (services: readonly ServiceView[], inbound: InboundScope, dnsDomain: string): ByName => {
    const all = [
      ...services.flatMap(({ service }) => grpcListeners(service, dnsDomain)),
      ...grpcServerListeners(inbound),
    ];
    // Short names that are the full name of another service stay with that one.
    const byName = new Map<ResourceName, EnvoyMessage>();
    for (const { name, short, listener } of all) {
      if (!short || !byName.has(name)) byName.set(name, listener);
    }
    return byName;
  },
);

const routes = memoize(
  (
    services: readonly ServiceView[],
    virtualServices: readonly VirtualService[],
    settings: MeshSettings,
    proxy: ProxyTraits,
  ): ByName => {
    const scope = { services, virtualServices, settings, proxy };
    const all = services.flatMap((view) => grpcRouteConfigurations(view, scope));
    return new Map(all.map((each) => [each.name ?? '', each]));
  },
);

/** Endpoints of these stand in the clusters, since they are names to be resolved. */
function isNamed({ service }: ServiceView): boolean {
  return service.resolution === 'dns' || service.resolution === 'dns-round-robin';
}

function dnsEndpoints(
  services: readonly ServiceView[],
  endpoints: ReadonlyMap<Service, ServiceEndpoints>,
): readonly (ServiceEndpoints | undefined)[] {
  return services.filter(isNamed).map(({ service }) => endpoints.get(service));
}

/** One object for all clients of equal traits. */
function canonical(proxy: ProxyTraits): ProxyTraits {
  const labels = Object.entries(proxy.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return traitsOfText(JSON.stringify({ ...proxy, labels: Object.fromEntries(labels) }));
}

const traitsOfText = memoize((text: string) => JSON.parse(text) as ProxyTraits);
