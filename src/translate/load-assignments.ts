// The endpoints of every cluster that learns them by EDS. A change of a service's endpoints makes new messages for
// the ports that changed and leaves all others, and every cluster, the same objects.
import type { ClusterLoadAssignment } from '../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import { memoize } from '../lib/memo.js';
import type { Endpoint, ServiceEndpoints } from '../mesh/endpoint.js';
import type { Service } from '../mesh/service.js';
import { type Labels, loadAssignment } from './endpoint.js';
import type { OutboundCluster } from './outbound-cluster.js';

const none: readonly Endpoint[] = [];

/** The assignments of one service's clusters, in their order. */
export const loadAssignments = memoize(
  (
    service: Service,
    clusters: readonly OutboundCluster[],
    endpoints: ServiceEndpoints | undefined,
  ): readonly ClusterLoadAssignment[] => {
    const assignments: ClusterLoadAssignment[] = [];
    for (const { name, assignment } of clusters) {
      if (assignment === undefined) continue;
      const listed = endpoints?.byPort.get(assignment.port) ?? none;
      const labels = labelsText(assignment.labels);
      assignments.push(oneAssignment(service, listed, name, labels, assignment.unhealthy));
    }
    return assignments;
  },
);

/** Keyed on the text of the labels: an edit of a rule that leaves a subset's labels alone changes no endpoints. */
const oneAssignment = memoize(
  (
    _service: Service,
    endpoints: readonly Endpoint[],
    name: string,
    labels: string,
    unhealthy: boolean,
  ): ClusterLoadAssignment =>
    loadAssignment(name, endpoints, { labels: JSON.parse(labels) as Labels, unhealthy }),
);

function labelsText(labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted));
}
