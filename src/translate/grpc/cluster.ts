// The clusters of gRPC clients towards one service, one for each port and one more for each subset. Only fields that
// gRPC reads: connection settings of a DestinationRule are no business of a gRPC channel.
import type { CircuitBreakers } from '../../envoy/gen/types/envoy/config/cluster/v3/CircuitBreakers.js';
import type { Cluster } from '../../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import { memoize } from '../../lib/memo.js';
import type { ServiceEndpoints } from '../../mesh/endpoint.js';
import type { MeshSettings } from '../../mesh/mesh-settings.js';
import type { ServiceView } from '../../mesh/proxy-view.js';
import type { Subset } from '../../mesh/rules.js';
import type { ServicePort } from '../../mesh/service.js';
import { localityLbEndpoints } from '../endpoint.js';
import { clusterLocality } from '../locality.js';
import { outboundClusterName, statName } from '../names.js';
import type { OutboundCluster } from '../outbound-cluster.js';
import { healthyPanicThreshold } from '../outlier-detection.js';
import { type ConnectionPool, effectivePolicy } from '../traffic-policy.js';
import { grpcLoadBalancer } from './load-balancer.js';
import { grpcOutlierDetection } from './outlier-detection.js';

/** No limit: what Envoy's clusters have too. Without a threshold gRPC allows 1024 calls (gRFC A32). */
const unlimited = 2 ** 32 - 1;

/**
 * The clusters of one service as this client sees it; the same objects while service, rule and settings are.
 * `endpoints` only for services whose endpoints are names (LOGICAL_DNS, gRFC A37, which takes exactly one). Services
 * without endpoints of their own (resolution NONE) have none: there is no original destination to go to.
 */
export const grpcClusters = memoize(
  (
    view: ServiceView,
    settings: MeshSettings,
    endpoints: ServiceEndpoints | undefined,
  ): readonly OutboundCluster[] => {
    if (['none', 'dynamic-dns'].includes(view.service.resolution)) return [];
    return view.service.ports
      .filter((port) => port.protocol !== 'UDP')
      .flatMap((port) =>
        [undefined, ...(view.destinationRule?.subsets ?? [])].flatMap(
          (subset) => grpcCluster(view, port, { subset, settings, endpoints }) ?? [],
        ),
      );
  },
);

interface ClusterContext {
  subset: Subset | undefined;
  settings: MeshSettings;
  endpoints: ServiceEndpoints | undefined;
}

function grpcCluster(
  { service, destinationRule }: ServiceView,
  port: ServicePort,
  { subset, settings, endpoints }: ClusterContext,
): OutboundCluster | undefined {
  const policy = effectivePolicy(destinationRule, port.number, {
    settings,
    ...(subset && { subset }),
  });
  const name = outboundClusterName(service.hostname, port.number, subset?.name);
  const labels = subset?.labels ?? {};
  const unhealthy = healthyPanicThreshold(policy.outlierDetection, service) === 0;
  const locality = clusterLocality(policy, service, settings).policy;
  const outlier = grpcOutlierDetection(policy.outlierDetection);
  const common: Cluster = {
    name,
    alt_stat_name: statName(name),
    ...grpcLoadBalancer(policy.loadBalancer),
    circuit_breakers: maxRequests(policy.connectionPool),
    ...(outlier && { outlier_detection: outlier }),
  };
  if (service.resolution === 'static') {
    const eds = { service_name: name, eds_config: { ads: {} } };
    return {
      name,
      cluster: { ...common, type: 'EDS', eds_cluster_config: eds },
      assignment: { port: port.number, labels, unhealthy, ...(locality && { locality }) },
    };
  }
  const listed = endpoints?.byPort.get(port.number) ?? [];
  const [first] = localityLbEndpoints(listed, { labels, unhealthy });
  const [target] = first?.lb_endpoints ?? [];
  if (target === undefined) return undefined;
  const assignment = { cluster_name: name, endpoints: [{ ...first, lb_endpoints: [target] }] };
  return { name, cluster: { ...common, type: 'LOGICAL_DNS', load_assignment: assignment } };
}

/** max_requests is the one threshold that gRPC has (gRFC A32). */
function maxRequests(pool: ConnectionPool | undefined): CircuitBreakers {
  return { thresholds: [{ max_requests: { value: pool?.http?.http2MaxRequests || unlimited } }] };
}
