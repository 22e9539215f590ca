// Where a route sends requests and how: clusters and weights, rewrites, time-outs, retries, mirrors. Matching is in
// route-match.ts, answers without a cluster in local-answer.ts.
import type { RouteAction } from '../envoy/gen/types/envoy/config/route/v3/RouteAction.js';
import type { _envoy_config_route_v3_WeightedCluster_ClusterWeight as ClusterWeight } from '../envoy/gen/types/envoy/config/route/v3/WeightedCluster.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { HttpRouteDestination, HttpRule } from '../mesh/rules.js';
import { destinationCluster, destinationPort, type FindService } from './destination.js';
import { toDuration, ZERO } from './duration.js';
import { consistentHashOf, hashPolicy } from './hash-policy.js';
import { type HeaderLists, headerMutation } from './header-mutation.js';
import { mirrorPolicies } from './mirror-policy.js';
import { BLACK_HOLE_CLUSTER } from './names.js';
import { proxyHeaders } from './proxy-settings.js';
import { retryPolicy } from './retry-policy.js';

/** What a route action is made with, besides its rule. */
export interface RouteActionContext {
  listenerPort: number;
  settings: MeshSettings;
  findService: FindService;
  /** Host that the headers of the rule set; `rewrite.authority` goes before it. */
  authority?: string;
}

/** A route action, and the header operations of its only destination, which belong on the route. */
export interface BuiltRouteAction {
  action: RouteAction;
  headers: HeaderLists;
}

/** The action of a rule that routes. Time-outs are off unless given (Envoy's own default is 15 s). */
export function routeAction(rule: HttpRule, context: RouteActionContext): BuiltRouteAction {
  const clusterOf = (destination: HttpRouteDestination['destination']) =>
    destinationCluster(destination, context.findService, context.listenerPort);
  const routes = rule.route ?? [];
  const only = routes.length === 1 ? routes[0]! : undefined;
  const { lists, authority } = headerMutation(only?.headers);
  const host = rule.rewrite?.authority || context.authority || authority;
  const mirrors = mirrorPolicies(rule, clusterOf);
  const hashes = routes
    .filter((route) => only !== undefined || route.weight)
    .flatMap((route) => hashPolicy(hashOf(route, context)) ?? []);
  const retries = retryPolicy(
    rule.retries ?? context.settings.config.defaultHttpRetryPolicy,
    only !== undefined && hashOf(only, context) !== undefined,
  );
  const { timeout, max_grpc_timeout } = timeouts(rule.timeout);
  const action: RouteAction = {
    timeout,
    max_grpc_timeout,
    ...(only ? { cluster: clusterOf(only.destination) } : weightedClusters(routes, clusterOf)),
    ...pathRewrite(rule.rewrite),
    ...(host && { host_rewrite_literal: host }),
    ...(rule.rewrite && forwardedHost(context.settings)),
    ...(retries && { retry_policy: retries }),
    ...(hashes.length > 0 && { hash_policy: hashes }),
    ...(mirrors.length > 0 && { request_mirror_policies: mirrors }),
    ...(rule.gatewayApi && { cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' }),
  };
  return { action, headers: lists };
}

/** The action of a service that no rule covers. */
export function plainRouteAction(
  cluster: string,
  settings: MeshSettings,
  hash: ReturnType<typeof consistentHashOf>,
): RouteAction {
  const policy = hashPolicy(hash);
  // Istio does not take consistent hashing into account for the retries of these routes.
  const retries = retryPolicy(settings.config.defaultHttpRetryPolicy, false);
  return {
    cluster,
    ...timeouts(undefined),
    ...(retries && { retry_policy: retries }),
    ...(policy && { hash_policy: [policy] }),
  };
}

/** x-forwarded-host where `rewrite` changes the host (not where headers do), if MeshConfig asks for it. */
export function forwardedHost(settings: MeshSettings): RouteAction {
  return proxyHeaders(settings).xForwardedHost?.enabled ? { append_x_forwarded_host: true } : {};
}

/** The time-out of a route, for grpc-timeout headers too; undefined is none. */
export function timeouts(timeoutMs: number | undefined): RouteAction {
  const timeout = timeoutMs === undefined ? ZERO : toDuration(timeoutMs);
  // Istio keeps to the deprecated max_grpc_timeout; max_stream_duration would also bound other streams.
  return { timeout, max_grpc_timeout: timeout };
}

function weightedClusters(
  routes: readonly HttpRouteDestination[],
  clusterOf: (destination: HttpRouteDestination['destination']) => string,
): RouteAction {
  const clusters = routes
    .filter((route) => route.weight)
    .map((route): ClusterWeight => {
      const { lists, authority } = headerMutation(route.headers);
      return {
        name: clusterOf(route.destination),
        weight: { value: route.weight },
        ...lists,
        ...(authority !== undefined && { host_rewrite_literal: authority }),
      };
    });
  // Envoy refuses an empty list, and with it the whole route configuration; checks refuse such rules beforehand.
  if (clusters.length === 0) return { cluster: BLACK_HOLE_CLUSTER };
  return { weighted_clusters: { clusters } };
}

/** A prefix match has its prefix replaced, any other match the whole path (Envoy, `prefix_rewrite`). */
function pathRewrite(rewrite: HttpRule['rewrite']): RouteAction {
  if (rewrite?.uriRegexRewrite) {
    const { match, rewrite: substitution } = rewrite.uriRegexRewrite;
    return { regex_rewrite: { pattern: { regex: match ?? '' }, substitution: substitution ?? '' } };
  }
  return rewrite?.uri ? { prefix_rewrite: rewrite.uri } : {};
}

function hashOf(route: HttpRouteDestination, context: RouteActionContext) {
  const { destination } = route;
  const service = context.findService(destination.host);
  const port = destinationPort(destination, service, context.listenerPort);
  return consistentHashOf(service?.destinationRule, port, destination.subset);
}
