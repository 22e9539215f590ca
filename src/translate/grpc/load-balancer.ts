// DestinationRule loadBalancer as gRPC clients know it: round robin, least request where the client has it, and a hash
// ring for every consistent hash.
import type { Cluster } from '../../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { LoadBalancingPolicy } from '../../envoy/gen/types/envoy/config/cluster/v3/LoadBalancingPolicy.js';
import { any } from '../any.js';
import type { LoadBalancer } from '../traffic-policy.js';

/** Fields of a cluster. */
export type GrpcLoadBalancer = Pick<
  Cluster,
  'lb_policy' | 'ring_hash_lb_config' | 'load_balancing_policy'
>;

const ringSizeDefault = 1024;

const policies = 'envoy.extensions.load_balancing_policies';

function policy(name: string, config: object): LoadBalancingPolicy {
  const typed_config = any(`${policies}.${name}.v3.${messageOf(name)}`, config);
  return {
    policies: [
      { typed_extension_config: { name: `envoy.load_balancing_policies.${name}`, typed_config } },
    ],
  };
}

function messageOf(name: string): string {
  return name
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/**
 * Least request for clients that have it, round robin for the others: a client takes the first policy of the list
 * that it knows (gRFC A52), while one that does not know the old field's value refuses the cluster.
 */
const leastRequest: GrpcLoadBalancer = {
  load_balancing_policy: policy('wrr_locality', {
    endpoint_picking_policy: {
      policies: [
        ...(policy('least_request', {}).policies ?? []),
        ...(policy('round_robin', {}).policies ?? []),
      ],
    },
  }),
};

/**
 * The policy of a cluster. Round robin, which is gRPC's own default, where nothing is chosen and where gRPC has no
 * such policy (RANDOM, PASSTHROUGH), as with Istio's grpcgen; a Maglev hash becomes a ring.
 */
export function grpcLoadBalancer(balancer: LoadBalancer | undefined): GrpcLoadBalancer {
  const hash = balancer?.consistentHash;
  if (hash) {
    const size = (hash.ringHash?.minimumRingSize ?? hash.minimumRingSize) || ringSizeDefault;
    return {
      lb_policy: 'RING_HASH',
      ring_hash_lb_config: { minimum_ring_size: { value: size } },
    };
  }
  const least = balancer?.simple === 'LEAST_REQUEST' || balancer?.simple === 'LEAST_CONN';
  return least ? leastRequest : { lb_policy: 'ROUND_ROBIN' };
}
