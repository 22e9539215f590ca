// The route configuration of a router's port: a virtual host for each host that rules are bound for. Unlike in
// sidecars, rules of one host are put together, the oldest first (Istio, gateways).
import type { Route } from '../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { VirtualService } from '../mesh/rules.js';
import { servicesByName } from './destination.js';
import { servedRules, serverNamesOf } from './gateway-hosts.js';
import type { GatewayRoutePlan } from './gateway-plan.js';
import { type BoundServer, isTerminated } from './gateway-server.js';
import { httpRoutes, type RouteClient } from './http-routes.js';
import { blackHoleVirtualHostName, virtualHostName } from './names.js';
import { countsAttempts } from './proxy-settings.js';
import { routeConfigurationOf } from './route.js';
import { isCatchAll } from './route-match.js';
import { hostDomain } from './virtual-host-domains.js';

/** What the routes of a router's port are made of. */
export interface GatewayRouteRequest extends GatewayRoutePlan {
  /** Rules bound to any Gateway of the router, oldest first. */
  virtualServices: readonly VirtualService[];
  /** All visible services: what destinations are looked up in. */
  outbound: readonly ServiceView[];
  proxy: ProxyTraits;
  settings: MeshSettings;
}

/** Builds the route configuration of a router's port. Pure; parts keep their identity while nothing in them changes. */
export function buildGatewayRoute(request: GatewayRouteRequest): RouteConfiguration {
  const { proxy, name } = request;
  return routeConfigurationOf(proxy, name, virtualHosts(request), false);
}

/** A virtual host while rules are added to it. */
interface HostParts {
  name: string;
  routes: (readonly Route[])[];
  redirects: boolean;
}

function virtualHosts(request: GatewayRouteRequest): VirtualHost[] {
  const { settings, port } = request;
  const hosts = new Map<string, HostParts>();
  for (const bound of request.servers) addServer(hosts, bound, request);
  const attempts = countsAttempts(settings);
  const built = [...hosts]
    .map(([domain, { name, routes, redirects }]) =>
      virtualHost(merged(...routes), name, domain, attempts, redirects),
    )
    .sort((a, b) => compare(a.name ?? '', b.name ?? ''));
  return built.length > 0 ? built : [blackHole(port)];
}

function addServer(
  hosts: Map<string, HostParts>,
  bound: BoundServer,
  request: GatewayRouteRequest,
): void {
  const { server } = bound;
  const client = clientOf(bound, request);
  const redirects = server.tls?.httpsRedirect === true;
  for (const { rule, hosts: served } of servedRules(bound, request.virtualServices)) {
    const routes = httpRoutes(rule, client);
    if (routes.length === 0) continue;
    for (const host of served) {
      const parts = partsOf(hosts, host, server.port.number);
      // Two servers may have the same host, and then the rule counts once.
      if (!parts.routes.includes(routes)) parts.routes.push(routes);
      parts.redirects ||= redirects;
    }
  }
  // A redirect needs no rule.
  if (redirects) {
    for (const host of serverNamesOf(server)) {
      partsOf(hosts, host, server.port.number).redirects = true;
    }
  }
}

function partsOf(hosts: Map<string, HostParts>, host: string, port: number): HostParts {
  const domain = hostDomain(host);
  let parts = hosts.get(domain);
  if (parts === undefined) {
    parts = { name: virtualHostName(domain, port), routes: [], redirects: false };
    hosts.set(domain, parts);
  }
  return parts;
}

function clientOf(
  { gateway, server }: BoundServer,
  { outbound, proxy, settings }: GatewayRouteRequest,
): RouteClient {
  const byName = servicesByName(outbound);
  return {
    proxy,
    settings,
    listenerPort: server.port.number,
    gateway: gateway.name,
    tls: isTerminated(server),
    findService: (hostname) => byName.get(hostname),
  };
}

/** Rules of one host one after the other; routes that take every request come last (Istio, SortVHostRoutes). */
const merged = memoize((...lists: readonly (readonly Route[])[]): readonly Route[] => {
  if (lists.length === 1) return lists[0]!;
  const all = lists.flat();
  const last = all.filter(({ match }) => isCatchAll(match ?? {}));
  return [...all.filter(({ match }) => !isCatchAll(match ?? {})), ...last];
});

const virtualHost = memoize(
  (
    routes: readonly Route[],
    name: string,
    domain: string,
    attempts: boolean,
    redirects: boolean,
  ): VirtualHost => ({
    name,
    domains: [domain],
    routes: routes as Route[],
    include_request_attempt_count: attempts,
    ...(redirects && { require_tls: 'ALL' }),
  }),
);

/** No rule: every request gets a 404. */
const blackHole = memoize(
  (port: number): VirtualHost => ({ name: blackHoleVirtualHostName(port), domains: ['*'] }),
);

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
