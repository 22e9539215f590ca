// DestinationRule loadBalancer as the load balancing fields of a cluster. The hash policies that consistentHash needs
// are fields of routes (route files) and of tcp_proxy; locality weights and priorities belong to endpoints.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import { unreachable } from '../lib/error.js';
import { toDuration } from './duration.js';
import type { LoadBalancer } from './traffic-policy.js';

type ConsistentHash = NonNullable<LoadBalancer['consistentHash']>;
type SlowStartConfig = NonNullable<
  NonNullable<Cluster['least_request_lb_config']>['slow_start_config']
>;

/** The fields that this file decides. */
export type LoadBalancerFields = Pick<
  Cluster,
  | 'lb_policy'
  | 'least_request_lb_config'
  | 'round_robin_lb_config'
  | 'ring_hash_lb_config'
  | 'maglev_lb_config'
>;

/** True for `simple: PASSTHROUGH`: the connection goes to the address that the client called. */
export function isPassthrough(balancer: LoadBalancer | undefined): boolean {
  return balancer?.simple === 'PASSTHROUGH';
}

/** Policy and configuration for a cluster that balances; LEAST_REQUEST where nothing is chosen. */
export function loadBalancerFields(balancer: LoadBalancer | undefined): LoadBalancerFields {
  if (balancer?.consistentHash) return consistentHashFields(balancer.consistentHash);
  const simple = balancer?.simple;
  switch (simple) {
    case 'ROUND_ROBIN': {
      const slowStart = slowStartConfig(balancer);
      return {
        lb_policy: 'ROUND_ROBIN',
        ...(slowStart && { round_robin_lb_config: { slow_start_config: slowStart } }),
      };
    }
    case 'RANDOM':
      return { lb_policy: 'RANDOM' };
    case 'PASSTHROUGH':
      return { lb_policy: 'CLUSTER_PROVIDED' };
    case undefined:
    case 'UNSPECIFIED':
    case 'LEAST_CONN':
    case 'LEAST_REQUEST': {
      const slowStart = slowStartConfig(balancer);
      return {
        lb_policy: 'LEAST_REQUEST',
        ...(slowStart && { least_request_lb_config: { slow_start_config: slowStart } }),
      };
    }
    default:
      return unreachable(simple);
  }
}

/** Where neither hash is chosen it is a ring of at least 1024 entries, Envoy's default made explicit as in Istio. */
function consistentHashFields(hash: ConsistentHash): LoadBalancerFields {
  if (hash.maglev) {
    const size = hash.maglev.tableSize;
    return {
      lb_policy: 'MAGLEV',
      ...(size && { maglev_lb_config: { table_size: { value: size } } }),
    };
  }
  const size = hash.ringHash ? hash.ringHash.minimumRingSize : hash.minimumRingSize || 1024;
  return {
    lb_policy: 'RING_HASH',
    ...(size && { ring_hash_lb_config: { minimum_ring_size: { value: size } } }),
  };
}

function slowStartConfig(balancer: LoadBalancer | undefined): SlowStartConfig | undefined {
  const warmup = balancer?.warmup;
  if (warmup) {
    return {
      slow_start_window: toDuration(warmup.duration),
      // Envoy demands a runtime key; this is Istio's, which no runtime can hold.
      aggression: { default_value: warmup.aggression ?? 1, runtime_key: '(' },
      min_weight_percent: { value: warmup.minimumPercent ?? 10 },
    };
  }
  const window = balancer?.warmupDurationSecs;
  return window === undefined ? undefined : { slow_start_window: toDuration(window) };
}
