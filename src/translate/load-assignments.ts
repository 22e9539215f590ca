// The endpoints of every cluster that learns them by EDS. A change of a service's endpoints makes new messages for
// the ports that changed and leaves all others, and every cluster, the same objects.
import type { ClusterLoadAssignment } from '../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import { memoize } from '../lib/memo.js';
import type { Endpoint, ServiceEndpoints } from '../mesh/endpoint.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { Service } from '../mesh/service.js';
import { type EndpointFilter, type Labels, loadAssignment } from './endpoint.js';
import { placementAt } from './locality.js';
import { LOCAL_CLUSTER } from './names.js';
import type { OutboundCluster } from './outbound-cluster.js';
import { isZoneOnly, type Placement } from './placement.js';

const none: readonly Endpoint[] = [];

/**
 * The assignments of one service's clusters, in their order. They are the same for all clients where nothing in the
 * service's rules asks for the client's place, and for clients of places that come to the same.
 */
export function loadAssignments(
  service: Service,
  clusters: readonly OutboundCluster[],
  endpoints: ServiceEndpoints | undefined,
  place?: ProxyPlace,
): readonly ClusterLoadAssignment[] {
  const where = hasLocality(clusters) ? place : undefined;
  return assignmentsAt(service, clusters, endpoints, where);
}

/**
 * The workload's own peers, by the name of their cluster: those of its region, which Envoy compares with what comes
 * first of a service. It refuses peers of another priority.
 */
export const peerAssignments = memoize(
  (peers: readonly Endpoint[], region: string): ReadonlyMap<string, ClusterLoadAssignment> => {
    const filter = { labels: {}, unhealthy: true };
    const near = peers.filter(({ locality }) => {
      return region === '' || locality.region === region || isZoneOnly(locality);
    });
    return new Map([[LOCAL_CLUSTER, loadAssignment(LOCAL_CLUSTER, near, { filter })]]);
  },
);

/** Whether some of these clusters have other endpoints for other places. */
export const hasLocality = memoize((clusters: readonly OutboundCluster[]): boolean =>
  clusters.some(({ assignment }) => assignment?.locality !== undefined),
);

const assignmentsAt = memoize(
  (
    service: Service,
    clusters: readonly OutboundCluster[],
    endpoints: ServiceEndpoints | undefined,
    place: ProxyPlace | undefined,
  ): readonly ClusterLoadAssignment[] => {
    const assignments: ClusterLoadAssignment[] = [];
    for (const { name, assignment } of clusters) {
      if (assignment === undefined) continue;
      const listed = endpoints?.byPort.get(assignment.port) ?? none;
      const placement = place && placementAt(assignment.locality, place);
      const filter = filterText(assignment);
      const seen = placement === undefined ? '' : JSON.stringify(placement);
      assignments.push(oneAssignment(service, listed, name, filter, seen));
    }
    return assignments;
  },
);

/** Keyed on texts: an edit of a rule that leaves labels and placement alone changes no endpoints. */
const oneAssignment = memoize(
  (
    _service: Service,
    endpoints: readonly Endpoint[],
    name: string,
    filter: string,
    placement: string,
  ): ClusterLoadAssignment => {
    const [labels, unhealthy] = JSON.parse(filter) as [Labels, boolean];
    return loadAssignment(name, endpoints, {
      filter: { labels, unhealthy },
      ...(placement !== '' && { placement: JSON.parse(placement) as Placement }),
    });
  },
);

/** Most clusters have no labels. */
function filterText({ labels, unhealthy }: EndpointFilter): string {
  return JSON.stringify([Object.keys(labels).length < 2 ? labels : sorted(labels), unhealthy]);
}

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
