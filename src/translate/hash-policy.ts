// What a consistent-hash load balancer hashes, for the routes to one destination. The load balancer itself is in
// the cluster.
import type { _envoy_config_route_v3_RouteAction_HashPolicy as HashPolicy } from '../envoy/gen/types/envoy/config/route/v3/RouteAction.js';
import type { DestinationRule, TrafficPolicy } from '../mesh/rules.js';
import { toDuration } from './duration.js';

type ConsistentHash = NonNullable<NonNullable<TrafficPolicy['loadBalancer']>['consistentHash']>;

/**
 * The hash of calls to a port and subset of a host. The most specific part of the rule that has one counts: port of
 * the subset, subset, port of the host, host.
 */
export function consistentHashOf(
  rule: DestinationRule | undefined,
  port: number,
  subset = '',
): ConsistentHash | undefined {
  const ofSubset = rule?.subsets.find((candidate) => candidate.name === subset)?.trafficPolicy;
  const ofHost = rule?.trafficPolicy;
  return (
    portHash(ofSubset, port) ??
    ofSubset?.loadBalancer?.consistentHash ??
    portHash(ofHost, port) ??
    ofHost?.loadBalancer?.consistentHash
  );
}

/** The hash policy of a route; undefined when the rule names nothing to hash. */
export function hashPolicy(hash: ConsistentHash | undefined): HashPolicy | undefined {
  if (hash === undefined) return undefined;
  if (hash.httpHeaderName) return { header: { header_name: hash.httpHeaderName } };
  if (hash.httpCookie) return { cookie: cookie(hash.httpCookie) };
  if (hash.useSourceIp) return { connection_properties: { source_ip: true } };
  if (hash.httpQueryParameterName) {
    return { query_parameter: { name: hash.httpQueryParameterName } };
  }
  return undefined;
}

function portHash(policy: TrafficPolicy | undefined, port: number): ConsistentHash | undefined {
  const settings = policy?.portLevelSettings?.find((level) => level.port?.number === port);
  return settings?.loadBalancer?.consistentHash;
}

function cookie(cookie: NonNullable<ConsistentHash['httpCookie']>): HashPolicy['cookie'] {
  const { name, path, ttl, attributes } = cookie;
  return {
    name,
    // Envoy issues the cookie only when a ttl is given; 0 makes a session cookie.
    ...(ttl !== undefined && { ttl: toDuration(ttl) }),
    ...(path && { path }),
    ...(attributes &&
      attributes.length > 0 && {
        attributes: attributes.map((each) => ({ name: each.name, value: each.value ?? '' })),
      }),
  };
}
