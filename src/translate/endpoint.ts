// Endpoints in Envoy's form, grouped by locality. One place for both ways they are sent: EDS, and inline in clusters
// that resolve names. Weights and priorities by the client's place are placement.ts.

import type { Locality as EnvoyLocality } from '../envoy/gen/types/envoy/config/core/v3/Locality.js';
import type { ClusterLoadAssignment } from '../envoy/gen/types/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { LbEndpoint } from '../envoy/gen/types/envoy/config/endpoint/v3/LbEndpoint.js';
import type { LocalityLbEndpoints } from '../envoy/gen/types/envoy/config/endpoint/v3/LocalityLbEndpoints.js';
import type { Endpoint } from '../mesh/endpoint.js';
import { isIp } from '../mesh/make-endpoint.js';
import { labelOf } from '../mesh/place.js';
import type { Locality } from '../mesh/proxy.js';
import { type Group, group, type Placement, placed, weightOf } from './placement.js';

export type Labels = Readonly<Record<string, string>>;

/** Which endpoints a cluster has. */
export interface EndpointFilter {
  /** Labels of the subset; empty for all. */
  labels: Labels;
  /** Whether those not ready are sent too, marked UNHEALTHY. */
  unhealthy: boolean;
}

/** A whole assignment. Without endpoints it is empty: Envoy must not wait for it (mesh-semantics 2.7). */
export function loadAssignment(
  clusterName: string,
  endpoints: readonly Endpoint[],
  options: { filter: EndpointFilter; placement?: Placement | undefined },
): ClusterLoadAssignment {
  const groups = assignedGroups(endpoints, options).map(messageOf);
  return { cluster_name: clusterName, ...(groups.length > 0 && { endpoints: groups }) };
}

/** The endpoints of an assignment by locality and priority, in their order. */
export function assignedGroups(
  endpoints: readonly Endpoint[],
  { filter, placement }: { filter: EndpointFilter; placement?: Placement | undefined },
): readonly Group[] {
  // Envoy resolves no names in EDS: it would refuse the whole assignment.
  const usable = endpoints.filter(({ address, unixSocket }) => unixSocket || isIp(address));
  return groupsOf(usable, filter, placement);
}

/**
 * The endpoints that pass the filter, by locality in order of its name; weights of groups are sums. `placement`: what
 * the client's place makes of that.
 */
export function localityLbEndpoints(
  endpoints: readonly Endpoint[],
  filter: EndpointFilter,
  placement?: Placement,
): LocalityLbEndpoints[] {
  return groupsOf(endpoints, filter, placement).map(messageOf);
}

function groupsOf(
  endpoints: readonly Endpoint[],
  filter: EndpointFilter,
  placement: Placement | undefined,
): readonly Group[] {
  const byLocality = new Map<string, Endpoint[]>();
  const wanted = Object.entries(filter.labels);
  let members: Endpoint[] = [];
  for (const endpoint of endpoints) {
    if (!endpoint.healthy && !filter.unhealthy) continue;
    if (!hasLabels(endpoint, wanted)) continue;
    if (members[0]?.locality !== endpoint.locality) {
      const key = localityKey(endpoint.locality);
      members = byLocality.get(key) ?? [];
      byLocality.set(key, members);
    }
    members.push(endpoint);
  }
  const groups = [...byLocality]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => group((members[0] as Endpoint).locality, members));
  return placement ? placed(groups, placement) : groups;
}

/** encode-assignment.ts writes the same. */
function messageOf({ locality, endpoints, weight, priority }: Group): LocalityLbEndpoints {
  return {
    locality: envoyLocality(locality),
    lb_endpoints: endpoints.map(lbEndpoint),
    load_balancing_weight: { value: weight },
    ...(priority > 0 && { priority }),
  };
}

/** Whether an endpoint has all labels wanted; those of its locality count too. */
function hasLabels(endpoint: Endpoint, wanted: readonly (readonly [string, string])[]): boolean {
  return wanted.every(([key, value]) => labelOf(endpoint, key) === value);
}

/** One address and port, or a unix socket, as Envoy's core.Address. */
export function envoyAddress(endpoint: Pick<Endpoint, 'address' | 'port' | 'unixSocket'>) {
  if (endpoint.unixSocket) return { pipe: { path: endpoint.address } };
  return { socket_address: { address: endpoint.address, port_value: endpoint.port } };
}

function lbEndpoint(endpoint: Endpoint): LbEndpoint {
  const fields = { workload: { stringValue: workloadText(endpoint) } };
  return {
    endpoint: { address: envoyAddress(endpoint) },
    health_status: endpoint.healthy ? 'HEALTHY' : 'UNHEALTHY',
    metadata: { filter_metadata: { istio: { fields } } },
    load_balancing_weight: { value: weightOf(endpoint) },
  };
}

/** Whether two endpoints certainly have the same message but for their addresses. */
export function isAlike(a: Endpoint, b: Endpoint): boolean {
  return (
    a.healthy === b.healthy &&
    a.weight === b.weight &&
    a.namespace === b.namespace &&
    a.labels === b.labels &&
    a.workloadName === b.workloadName
  );
}

/**
 * `name;namespace;canonical service;canonical revision;cluster`, what Istio's telemetry reads of the peer when it
 * has no other word of it. The revision `latest` and the cluster of a single-cluster mesh are left empty.
 */
export function workloadText({ workloadName, namespace, labels }: Endpoint): string {
  const service =
    labels['service.istio.io/canonical-name'] ??
    labels['app.kubernetes.io/name'] ??
    labels['app'] ??
    workloadName;
  const revision =
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    '';
  return `${workloadName};${namespace};${service};${revision === 'latest' ? '' : revision};`;
}

function localityKey({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`;
}

function envoyLocality({ region, zone, subzone }: Locality): EnvoyLocality {
  return {
    ...(region && { region }),
    ...(zone && { zone }),
    ...(subzone && { sub_zone: subzone }),
  };
}
