// The endpoints of gRPC clients: those of Envoys, without what gRPC refuses a whole assignment for.
import type { ClusterLoadAssignment } from '../../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { LbEndpoint } from '../../envoy/gen/types/envoy/config/endpoint/v3/LbEndpoint.js';
import type { LocalityLbEndpoints } from '../../envoy/gen/types/envoy/config/endpoint/v3/LocalityLbEndpoints.js';
import type { EnvoyMessage } from '../../envoy/resource.js';
import { memoize } from '../../lib/memo.js';
import type { ServiceEndpoints } from '../../mesh/endpoint.js';
import type { ProxyPlace } from '../../mesh/proxy.js';
import type { Service } from '../../mesh/service.js';
import { type Assignment, loadAssignments } from '../load-assignments.js';
import type { OutboundCluster } from '../outbound-cluster.js';

/** The assignments of one service's clusters; the same objects while its endpoints are. */
export function grpcAssignments(
  service: Service,
  clusters: readonly OutboundCluster[],
  endpoints: ServiceEndpoints | undefined,
  place?: ProxyPlace,
): readonly { name: string; assignment: EnvoyMessage }[] {
  return loadAssignments(service, clusters, endpoints, place).map((made) => ({
    name: made.clusterName,
    assignment: withoutRefused(made),
  }));
}

/** gRPC has no unix sockets in EDS and takes an address once (validation of EDS in gRFC A27 and after). */
const withoutRefused = memoize((whole: Assignment): Assignment | ClusterLoadAssignment => {
  const assignment = whole.make();
  const seen = new Set<string>();
  const isFine = ({ endpoint }: LbEndpoint) => {
    const socket = endpoint?.address?.socket_address;
    if (!socket) return false;
    const key = `${socket.address} ${socket.port_value}`;
    return !seen.has(key) && seen.add(key).size > 0;
  };
  const before = assignment.endpoints ?? [];
  const groups = before
    .map((group) => {
      const all = group.lb_endpoints ?? [];
      const fine = all.filter(isFine);
      if (fine.length === all.length) return group;
      const weight = fine.reduce((sum, each) => sum + (each.load_balancing_weight?.value ?? 1), 0);
      return { ...group, lb_endpoints: fine, load_balancing_weight: { value: weight } };
    })
    .filter(({ lb_endpoints }) => lb_endpoints && lb_endpoints.length > 0);
  if (groups.length === before.length && groups.every((group, i) => group === before[i])) {
    return whole;
  }
  const { endpoints: _, ...rest } = assignment;
  return { ...rest, ...(groups.length > 0 && { endpoints: withoutGaps(groups) }) };
});

/** A priority whose endpoints were all refused leaves a gap, which gRPC refuses too. */
function withoutGaps(groups: readonly LocalityLbEndpoints[]): LocalityLbEndpoints[] {
  const used = [...new Set(groups.map(({ priority = 0 }) => priority))].sort((a, b) => a - b);
  return groups.map(({ priority: before = 0, ...rest }) => {
    const priority = used.indexOf(before);
    return { ...rest, ...(priority > 0 && { priority }) };
  });
}
