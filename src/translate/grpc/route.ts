// The route configurations of gRPC clients: one for each port of a service, with one virtual host. Its routes are those
// that Envoys get, reduced to what gRPC reads; what gRPC would refuse a whole configuration for must not be in it.
import type { Route } from '../../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteConfiguration } from '../../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize } from '../../lib/memo.js';
import { isWildcard } from '../../mesh/host-name.js';
import type { MeshSettings } from '../../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../../mesh/proxy-view.js';
import type { VirtualService } from '../../mesh/rules.js';
import { servicesByName } from '../destination.js';
import { FAULT_FILTER } from '../fault.js';
import { outboundClusterName, virtualHostName } from '../names.js';
import { sniffedVirtualHost } from '../virtual-host.js';
import { serviceDomains } from '../virtual-host-domains.js';
import { speaksGrpc } from './listener.js';
import { grpcRouteAction, localAnswerOf } from './route-action.js';
import { grpcMatches } from './route-match.js';

/** What the routes of a view's services are made of, besides each service. */
export interface GrpcRouteScope {
  /** All visible services: what destinations are looked up in. */
  services: readonly ServiceView[];
  /** Visible rules bound to `mesh`, oldest first. */
  virtualServices: readonly VirtualService[];
  settings: MeshSettings;
  proxy: ProxyTraits;
}

/** `outbound|PORT||HOST` for each port of a service that may carry gRPC; the same objects while routes are. */
export function grpcRouteConfigurations(
  view: ServiceView,
  scope: GrpcRouteScope,
): readonly RouteConfiguration[] {
  if (isWildcard(view.service.hostname)) return [];
  const byName = servicesByName(scope.services);
  return view.service.ports.filter(speaksGrpc).map(({ number: port }) => {
    const { settings, proxy, virtualServices } = scope;
    const host = sniffedVirtualHost(view, {
      port,
      services: [view],
      outbound: scope.services,
      registry: new Set(),
      virtualServices,
      client: {
        proxy,
        settings,
        listenerPort: port,
        findService: (hostname) => byName.get(hostname),
      },
    });
    const domains = domainsOf(view, proxy, port);
    return configuration(host.routes as readonly Route[], view.service.hostname, port, domains);
  });
}

/** With and without port, as a gRPC client looks its target up as it is written, port and all. */
function domainsOf({ service }: ServiceView, proxy: ProxyTraits, port: number): string {
  return serviceDomains(service, proxy)
    .all.flatMap((domain) => [domain, `${domain}:${port}`])
    .join(' ');
}

const configuration = memoize(
  (
    routes: readonly Route[],
    hostname: string,
    port: number,
    domains: string,
  ): RouteConfiguration => {
    const virtualHost: VirtualHost = {
      name: virtualHostName(hostname, port),
      domains: domains.split(' '),
      routes: routes.flatMap((route) => grpcRoutes(route, hostname, port)),
    };
    return { name: outboundClusterName(hostname, port), virtual_hosts: [virtualHost] };
  },
);

/** What gRPC makes of a route: none where it cannot match, several where its match takes more than one. */
const grpcRoutes = memoize((route: Route, hostname: string, port: number): readonly Route[] => {
  const matches = grpcMatches(route.match ?? {}, virtualHostName(hostname, port));
  const answer = localAnswerOf(route);
  const fault = answer ?? route.typed_per_filter_config?.[FAULT_FILTER];
  // A fault ends the call before the cluster is used, but gRPC takes no route without one.
  const action =
    answer === undefined && route.route
      ? grpcRouteAction(route.route)
      : { cluster: outboundClusterName(hostname, port) };
  return matches.map((match) => ({
    ...(route.name && { name: route.name }),
    match,
    route: action,
    ...(route.metadata && { metadata: route.metadata }),
    // Others (CORS) are refused (gRFC A39).
    ...(fault && { typed_per_filter_config: { [FAULT_FILTER]: fault } }),
  }));
});
