// The ordered Envoy routes of one VirtualService, for one kind of client. Which hosts they serve is decided in
// host-rules.ts and virtual-host.ts.

import type { Route } from '../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteAction } from '../envoy/gen/types/envoy/config/route/v3/RouteAction.js';
import { memoize } from '../lib/memo.js';
import { hasLabels } from '../mesh/has-labels.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { HttpMatch, HttpRule, VirtualService } from '../mesh/rules.js';
import { any } from './any.js';
import { CORS_FILTER, CORS_TYPE, corsPolicy } from './cors.js';
import { destinationHosts, type FindService } from './destination.js';
import { FAULT_FILTER, FAULT_TYPE, httpFault } from './fault.js';
import { consistentHashOf } from './hash-policy.js';
import { concatHeaderLists, headerMutation } from './header-mutation.js';
import { directResponse, redirectAction } from './local-answer.js';
import { DEFAULT_ROUTE, outboundClusterName, parseClusterName } from './names.js';
import { plainRouteAction, routeAction } from './route-action.js';
import { describePath, EVERY_REQUEST, isCatchAll, routeMatch } from './route-match.js';
import { SESSION_FILTER, SESSION_TYPE, statefulSession } from './session.js';

/** The client's side of a call. */
export interface RouteClient {
  proxy: ProxyTraits;
  /** The port that clients call. */
  listenerPort: number;
  settings: MeshSettings;
  findService: FindService;
  /** The Gateway (`namespace/name`) that the routes are for; absent: the mesh. */
  gateway?: string;
  /** The client's connection is TLS that this proxy terminates. */
  tls?: boolean;
}

/**
 * The routes of a VirtualService; empty when none is for this client. A list of matches gives a route each; after a
 * route that matches everything there is no other. The same rule, destinations and settings give the same array,
 * shared by all clients that the same matches are for.
 */
export function httpRoutes(rule: VirtualService, client: RouteClient): readonly Route[] {
  const { settings, listenerPort } = client;
  const relevant = rule.http.flatMap((http) => (http.match ?? []).map((m) => isFor(m, client)));
  const key = relevant.map((each) => (each ? '1' : '0')).join('');
  const destinations = destinationHosts(rule).map((host) => client.findService(host));
  return routesOf(settings, listenerPort, key, client.tls === true, rule, ...destinations);
}

/** The one route of a service that no VirtualService covers. */
export const defaultRoutes = memoize(
  (settings: MeshSettings, port: number, view: ServiceView): readonly Route[] => {
    const { hostname } = view.service;
    const hash = consistentHashOf(view.destinationRule, port);
    return [
      {
        name: DEFAULT_ROUTE,
        match: EVERY_REQUEST,
        route: plainRouteAction(outboundClusterName(hostname, port), settings, hash),
        decorator: { operation: `${hostname}:${port}/*` },
      },
    ];
  },
);

const routesOf = memoize(
  (
    settings: MeshSettings,
    listenerPort: number,
    relevant: string,
    tls: boolean,
    rule: VirtualService,
    ...destinations: readonly (ServiceView | undefined)[]
  ): readonly Route[] => {
    const found = new Map(destinationHosts(rule).map((host, i) => [host, destinations[i]]));
    const findService = (host: string) => found.get(host);
    const translate = (http: HttpRule, match?: HttpMatch) =>
      httpRoute(http, match, { rule, settings, listenerPort, tls, findService });
    const routes: Route[] = [];
    let next = 0;
    for (const http of rule.http) {
      const matches = (http.match ?? []).filter(() => relevant[next++] === '1');
      if ((http.match ?? []).length === 0) return [...routes, translate(http)];
      for (const match of matches) {
        const route = translate(http, match);
        routes.push(route);
        if (isCatchAll(route.match ?? {})) return routes;
      }
    }
    return routes;
  },
);

/** Whether a match can hold for this client: its port, and its labels and namespace unless gateways are named. */
function isFor(match: HttpMatch, { proxy, listenerPort, gateway }: RouteClient): boolean {
  if (match.port && match.port !== listenerPort) return false;
  if (match.gateways && match.gateways.length > 0)
    return match.gateways.includes(gateway ?? 'mesh');
  if (!hasLabels(proxy.labels, match.sourceLabels)) return false;
  return !match.sourceNamespace || match.sourceNamespace === proxy.namespace;
}

interface RouteOrigin {
  rule: VirtualService;
  settings: MeshSettings;
  listenerPort: number;
  tls: boolean;
  findService: FindService;
}

function httpRoute(http: HttpRule, match: HttpMatch | undefined, origin: RouteOrigin): Route {
  const { rule, listenerPort } = origin;
  const envoyMatch = match === undefined ? EVERY_REQUEST : routeMatch(match);
  const name = (http.name ?? '') + (match?.name ? `.${match.name}` : '');
  const { action, lists } = actionAndHeaders(http, origin);
  const perFilter = perFilterConfig(http);
  return {
    ...(name && { name }),
    match: envoyMatch,
    ...action,
    metadata: configMetadata(rule),
    decorator: {
      operation: `${operationHost(action.route, rule, listenerPort)}${describePath(envoyMatch)}`,
    },
    ...lists,
    ...(perFilter.length > 0 && { typed_per_filter_config: Object.fromEntries(perFilter) }),
    ...(match?.statPrefix && { stat_prefix: match.statPrefix }),
  };
}

function actionAndHeaders(http: HttpRule, origin: RouteOrigin) {
  const { lists, authority } = headerMutation(http.headers);
  if (http.redirect) {
    return { action: { redirect: redirectAction(http.redirect, origin) }, lists };
  }
  if (http.directResponse) {
    return { action: { direct_response: directResponse(http.directResponse) }, lists };
  }
  const { action, headers } = routeAction(http, { ...origin, authority });
  return { action: { route: action }, lists: concatHeaderLists(lists, headers) };
}

/** What the HTTP filters do on this route, by filter. */
function perFilterConfig(http: HttpRule): [string, { '@type': string }][] {
  const fault = http.fault && httpFault(http.fault);
  const found: [string, { '@type': string }][] = [];
  if (fault) found.push([FAULT_FILTER, any(FAULT_TYPE, fault)]);
  if (http.corsPolicy) found.push([CORS_FILTER, any(CORS_TYPE, corsPolicy(http.corsPolicy))]);
  if (http.session) found.push([SESSION_FILTER, any(SESSION_TYPE, statefulSession(http.session))]);
  return found;
}

/** `host:port` of the destination when there is one, else the name of the rule and the listener's port. */
function operationHost(
  action: RouteAction | undefined,
  rule: VirtualService,
  listenerPort: number,
): string {
  const cluster = action?.cluster && parseClusterName(action.cluster);
  if (cluster) return `${cluster.host}:${cluster.port}`;
  return `${rule.source.name}:${listenerPort}`;
}

/** Names the rule in Istio's form, which access logs and tools read. It stays the same whatever is edited. */
function configMetadata({ source }: VirtualService): Route['metadata'] {
  const { kind, namespace, name } = source;
  const place =
    kind === 'VirtualService'
      ? `networking.istio.io/v1/namespaces/${namespace}/virtual-service`
      : `gateway.networking.k8s.io/v1/namespaces/${namespace}/${kind.toLowerCase()}`;
  const path = `/apis/${place}/${name}`;
  return { filter_metadata: { istio: { fields: { config: { stringValue: path } } } } };
}
