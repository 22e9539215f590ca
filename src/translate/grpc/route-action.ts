// What a route does, as far as gRPC does it: clusters and weights, time-out, retries, hashing. Rewrites, mirrors and
// headers are a proxy's work, which a gRPC client has none of.
import type { RetryPolicy } from '../../envoy/gen/types/envoy/config/route/v3/RetryPolicy.js';
import type { Route } from '../../envoy/gen/types/envoy/config/route/v3/Route.js';
import type {
  _envoy_config_route_v3_RouteAction_HashPolicy as HashPolicy,
  RouteAction,
} from '../../envoy/gen/types/envoy/config/route/v3/RouteAction.js';
import { grpcStatuses } from '../../lib/grpc-status.js';
import { any } from '../any.js';
import { percentOfMillion, ZERO } from '../duration.js';
import { FAULT_TYPE } from '../fault.js';
import { BLACK_HOLE_CLUSTER } from '../names.js';

/** The retry conditions that gRPC knows (gRFC A44); it passes over all others. */
const retryWords = new Set([
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** The gRPC part of an Envoy route action. */
export function grpcRouteAction(action: RouteAction): RouteAction {
  const { timeout } = action;
  const retries = action.retry_policy && grpcRetryPolicy(action.retry_policy);
  const hashes = (action.hash_policy ?? []).flatMap((policy) => grpcHashPolicy(policy) ?? []);
  const weighted = action.weighted_clusters?.clusters?.map(({ name, weight }) => ({
    name: name ?? '',
    weight: weight ?? null,
  }));
  return {
    ...(weighted
      ? { weighted_clusters: { clusters: weighted } }
      : { cluster: action.cluster ?? '' }),
    // gRPC reads this field only; 0 is no limit but the caller's own (gRFC A31).
    max_stream_duration: { max_stream_duration: timeout ?? ZERO },
    ...(retries && { retry_policy: retries }),
    ...(hashes.length > 0 && { hash_policy: hashes }),
  };
}

/** Attempts and back-off, for the conditions that gRPC knows; undefined when none of them is asked for. */
function grpcRetryPolicy(policy: RetryPolicy): RetryPolicy | undefined {
  const words = (policy.retry_on ?? '').split(',').filter((word) => retryWords.has(word));
  if (words.length === 0) return undefined;
  return {
    retry_on: words.join(','),
    ...(policy.num_retries && { num_retries: policy.num_retries }),
    ...(policy.retry_back_off && { retry_back_off: policy.retry_back_off }),
  };
}

/**
 * Hashing by header; by source address it becomes the channel's own id, as all calls of a channel have one source
 * (gRFC A42). gRPC passes over cookies and query parameters.
 */
function grpcHashPolicy(policy: HashPolicy): HashPolicy | undefined {
  if (policy.header) return { header: policy.header };
  if (policy.connection_properties) return { filter_state: { key: 'io.grpc.channel_id' } };
  return undefined;
}

/**
 * The per-route configuration of the fault filter that gives the answer which Envoy would have given by itself: the
 * status of a redirect or direct response as gRPC maps it, or UNAVAILABLE where the rule leads nowhere. Such routes
 * have no form of their own in gRPC, and clients refuse them or worse. Undefined: the route calls a cluster.
 */
export function localAnswerOf(route: Route): { '@type': string } | undefined {
  if (route.route && route.route.cluster !== BLACK_HOLE_CLUSTER) return undefined;
  const status = route.route ? 503 : (route.direct_response?.status ?? 301);
  return any(FAULT_TYPE, {
    abort: {
      grpc_status: grpcStatuses.indexOf(statusOfHttp[status] ?? 'UNKNOWN'),
      percentage: percentOfMillion(100),
    },
  });
}

/** gRPC, "HTTP to gRPC Status Code Mapping". */
const statusOfHttp: Readonly<Record<number, string>> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};
