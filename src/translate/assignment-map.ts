// The assignments of all clusters of a scope by name. Where only endpoints changed, those of the services that they
// belong to are put in place of the old ones, and nobody looks at the others; one service's are load-assignments.ts.
import type { EnvoyMessage, ResourceName } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import { changedKeys, patched, replacedRuns } from '../lib/patched-map.js';
import { originOf } from '../lib/replaced.js';
import type { ServiceEndpoints } from '../mesh/endpoint.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { Service } from '../mesh/service.js';
import { type Assignment, loadAssignments } from './load-assignments.js';
import type { OutboundCluster } from './outbound-cluster.js';

/** The clusters of one visible service. */
export interface ServiceClusters {
  service: Service;
  clusters: readonly OutboundCluster[];
}

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;
type Endpoints = ReadonlyMap<Service, ServiceEndpoints>;

/** The map made last for the same clusters: a source of equal objects, and of what need not be made again. */
interface Last {
  endpoints?: Endpoints;
  made?: ByName;
}

const lastOf = memoize(
  (_clusters: readonly ServiceClusters[], _place: ProxyPlace | undefined): Last => ({}),
);

/** The assignments of these clusters, seen from a place where that matters. The same map for the same assignments. */
export function assignmentMap(
  outbound: readonly ServiceClusters[],
  endpoints: Endpoints,
  place: ProxyPlace | undefined,
): ByName {
  const last = lastOf(outbound, place);
  if (last.made === undefined || last.endpoints !== endpoints) {
    const at = { endpoints, place };
    last.made =
      amend(last, outbound, at) ??
      otherClusters(outbound, at) ??
      makeAll(outbound, endpoints, place);
    last.endpoints = endpoints;
  }
  return last.made;
}

interface Seen {
  endpoints: Endpoints;
  place: ProxyPlace | undefined;
}

/** Where endpoints changed. */
function amend(
  { endpoints: before, made }: Last,
  outbound: readonly ServiceClusters[],
  { endpoints, place }: Seen,
): ByName | undefined {
  const changed = before && changedKeys(before, endpoints);
  if (changed === undefined || made === undefined) return undefined;
  const assignments = changed.flatMap((service) => {
    const clusters = byService(outbound).get(service);
    return clusters ? loadAssignments(service, clusters, endpoints.get(service), place) : [];
  });
  return withAssignments(made, assignments);
}

/** Where the clusters of some services are others, and perhaps endpoints as well. */
function otherClusters(
  outbound: readonly ServiceClusters[],
  { endpoints, place }: Seen,
): ByName | undefined {
  const origin = originOf(outbound);
  const made = origin && amend(lastOf(origin.list, place), origin.list, { endpoints, place });
  if (made === undefined) return undefined;
  const assignmentsOf = ({ service, clusters }: ServiceClusters) =>
    loadAssignments(service, clusters, endpoints.get(service), place).map(entryOf);
  const runs = origin!.changes.map(({ before, after }) => ({
    keys: assignmentsOf(before).map(([name]) => name),
    entries: assignmentsOf(after),
  }));
  return replacedRuns(made, runs);
}

function withAssignments(made: ByName, assignments: readonly Assignment[]): ByName {
  const changes = assignments
    .map(entryOf)
    .filter(([name, assignment]) => made.get(name) !== assignment);
  return patched(made, new Map(changes));
}

function entryOf(assignment: Assignment) {
  return [assignment.clusterName, assignment] as const;
}

const byService = memoize(
  (outbound: readonly ServiceClusters[]): ReadonlyMap<Service, readonly OutboundCluster[]> =>
    new Map(outbound.map(({ service, clusters }) => [service, clusters])),
);

function makeAll(
  outbound: readonly ServiceClusters[],
  endpoints: Endpoints,
  place: ProxyPlace | undefined,
): ByName {
  const all = new Map<ResourceName, EnvoyMessage>();
  for (const { service, clusters } of outbound) {
    for (const assignment of loadAssignments(service, clusters, endpoints.get(service), place)) {
      all.set(assignment.clusterName, assignment);
    }
  }
  return all;
}
