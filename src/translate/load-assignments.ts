// The endpoints of every cluster that learns them by EDS. A change of a service's endpoints makes new messages for
// the ports that changed and leaves all others, and every cluster, the same objects.
import type { ClusterLoadAssignment } from '../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { PlainWriter } from '../envoy/plain-writer.js';
import { MessageOnDemand } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import type { Endpoint, ServiceEndpoints } from '../mesh/endpoint.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { Service } from '../mesh/service.js';
import { writeAssignment } from './encode-assignment.js';
import { assignedGroups, type EndpointFilter, type Labels, loadAssignment } from './endpoint.js';
import { placementAt } from './locality.js';
import { LOCAL_CLUSTER } from './names.js';
import type { OutboundCluster } from './outbound-cluster.js';
import { isZoneOnly, type Placement } from './placement.js';

/**
 * The assignments of one service's clusters, in their order. They are the same for all clients where nothing in the
 * service's rules asks for the client's place, and for clients of places that come to the same.
 */
export function loadAssignments(
  service: Service,
  clusters: readonly OutboundCluster[],
  endpoints: ServiceEndpoints | undefined,
  place?: ProxyPlace,
): readonly Assignment[] {
  if (place === undefined || !hasLocality(clusters)) {
    return assignmentsAnywhere(service, clusters, endpoints);
  }
  return assignmentsAt(service, clusters, endpoints, place);
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

/** The last of clusters that are the same everywhere: a source of equal objects, and of what need not be made again. */
interface Last {
  endpoints?: ServiceEndpoints | undefined;
  made?: readonly Assignment[];
}

const lastOf = memoize((_clusters: readonly OutboundCluster[]): Last => ({}));

function assignmentsAnywhere(
  service: Service,
  clusters: readonly OutboundCluster[],
  endpoints: ServiceEndpoints | undefined,
): readonly Assignment[] {
  const last = lastOf(clusters);
  if (last.made === undefined || last.endpoints !== endpoints) {
    last.made = assignmentsAt(service, clusters, endpoints);
    last.endpoints = endpoints;
  }
  return last.made;
}

function assignmentsAt(
  service: Service,
  clusters: readonly OutboundCluster[],
  endpoints: ServiceEndpoints | undefined,
  place?: ProxyPlace,
): readonly Assignment[] {
  const assignments: Assignment[] = [];
  for (const { name, assignment } of clusters) {
    if (assignment === undefined) continue;
    const listed = endpoints?.byPort.get(assignment.port) ?? noneOf(service);
    const placement = place && placementAt(assignment.locality, place);
    const seen = placement === undefined ? '' : JSON.stringify(placement);
    assignments.push(oneAssignment(listed, name, filterText(assignment), seen));
  }
  return assignments;
}

/** A list of its own for each service, as what is made of a list is remembered for as long as the list lives. */
const noneOf = memoize((_service: Service): readonly Endpoint[] => []);

/** Keyed on texts: an edit of a rule that leaves labels and placement alone changes no endpoints. */
const oneAssignment = memoize(
  (endpoints: readonly Endpoint[], name: string, filter: string, placement: string): Assignment =>
    new Assignment(name, endpoints, filter, placement),
);

/** The assignment of one cluster. */
export class Assignment extends MessageOnDemand {
  readonly #endpoints: readonly Endpoint[];
  readonly #filter: string;
  readonly #placement: string;

  constructor(
    readonly clusterName: string,
    endpoints: readonly Endpoint[],
    filter: string,
    placement: string,
  ) {
    super();
    this.#endpoints = endpoints;
    this.#filter = filter;
    this.#placement = placement;
  }

  make(): ClusterLoadAssignment {
    return loadAssignment(this.clusterName, this.#endpoints, this.#options());
  }

  write(writer: PlainWriter): void {
    const groups = assignedGroups(this.#endpoints, this.#options());
    writeAssignment(writer, this.clusterName, groups);
  }

  #options(): { filter: EndpointFilter; placement: Placement | undefined } {
    const [labels, unhealthy] = parsedFilter(this.#filter);
    const placement = this.#placement === '' ? undefined : JSON.parse(this.#placement);
    return { filter: { labels, unhealthy }, placement: placement as Placement | undefined };
  }
}

/** Most clusters have no labels. */
function filterText({ labels, unhealthy }: EndpointFilter): string {
  const count = Object.keys(labels).length;
  if (count === 0) return unhealthy ? anyEndpoint : anyHealthy;
  return JSON.stringify([count < 2 ? labels : sorted(labels), unhealthy]);
}

const anyEndpoint = '[{},true]';
const anyHealthy = '[{},false]';

function parsedFilter(text: string): [Labels, boolean] {
  if (text === anyEndpoint) return [{}, true];
  if (text === anyHealthy) return [{}, false];
  return JSON.parse(text) as [Labels, boolean];
}

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
