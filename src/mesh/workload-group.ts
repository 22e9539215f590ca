// Sidecars that name a WorkloadGroup are WorkloadEntries while they are connected: which ones, and what is in them.
// Who is connected, and for how long somebody who left still counts, is known in src/registrations.ts.
import type { Resource } from '../kinds/resource.js';
import type { WorkloadEntrySpec } from '../kinds/workload-entry.js';
import type { WorkloadGroupSpec } from '../kinds/workload-group.js';
import { memoize } from '../lib/memo.js';
import type { MeshInput } from './mesh.js';
import { isProbed } from './probe.js';
import type { Proxy as ConnectedProxy, Locality } from './proxy.js';
import type { Problem } from './rules.js';
import { asUnhealthy, type WorkloadEntry } from './workload-index.js';

/** What the probe of a workload last came to. */
export interface Health {
  healthy: boolean;
  /** Since when, in epoch ms. */
  sinceMs: number;
  /** Why it is not well; empty when it is. */
  message: string;
}

/** A sidecar that asks to be registered. */
export interface Registration {
  proxy: ConnectedProxy;
  /** The service account was proven, so that the one of the group may be held against it. */
  verified: boolean;
  /** Absent while nothing is known. */
  health?: Health;
}

/** What registrations come to. */
export interface RegisteredWorkloads {
  /** Sorted by namespace and name; the same objects while group and sidecar are. */
  entries: readonly WorkloadEntry[];
  /** By `namespace/name` of the entry: node.id of its sidecar. */
  owners: ReadonlyMap<string, string>;
  /** By the same: the health of those that are probed; undefined while nothing is known, which counts as not well. */
  health: ReadonlyMap<string, Health | undefined>;
  /** Sidecars that are not registered, and why. */
  problems: readonly { proxy: string; problem: Problem }[];
}

/** The annotation that names the group, as Istio writes it. */
const groupAnnotation = 'istio.io/autoRegistrationGroup';
const localityLabel = 'istio-locality';
const nameMax = 253;

/**
 * The name of a sidecar's WorkloadEntry, `GROUP-IP` or `GROUP-IP-NETWORK` with colons as dashes (Istio,
 * pilot/pkg/autoregistration); undefined for a sidecar that names no group or has no address.
 */
export function registeredName({
  workloadGroup,
  ips,
  network,
}: ConnectedProxy): string | undefined {
  const ip = ips[0];
  if (workloadGroup === '' || ip === undefined) return undefined;
  const parts = [workloadGroup, ip.replaceAll(':', '-'), ...(network === '' ? [] : [network])];
  // The address tells entries apart, so it is the beginning that is cut off.
  return parts.join('-').slice(-nameMax);
}

/** The WorkloadEntries of registrations; those that users wrote themselves are not among them. */
export function registeredWorkloads(
  registrations: readonly Registration[],
  resources: MeshInput,
): RegisteredWorkloads {
  if (registrations.length === 0) return nobody;
  const groups = byName(resources.byKind('WorkloadGroup'));
  const written = byName(resources.byKind('WorkloadEntry'));
  const entries = new Map<string, WorkloadEntry>();
  const owners = new Map<string, string>();
  const healths = new Map<string, Health | undefined>();
  const problems: { proxy: string; problem: Problem }[] = [];
  for (const { proxy, verified, health } of registrations) {
    const name = registeredName(proxy);
    const group = groups.get(`${proxy.namespace}/${proxy.workloadGroup}`) as Group | undefined;
    const problem = reason(proxy, verified, { name, group });
    if (problem !== undefined) problems.push({ proxy: proxy.id, problem });
    if (problem !== undefined || name === undefined || group === undefined) continue;
    const key = `${proxy.namespace}/${name}`;
    if (written.has(key)) continue;
    const entry = registeredEntry(proxy, group);
    const probed = isProbed(group, proxy);
    // As in Istio, nobody is told of one that is not known to be well.
    entries.set(key, probed && !health?.healthy ? asUnhealthy(entry) : entry);
    if (probed) healths.set(key, health);
    owners.set(key, proxy.id);
  }
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return { entries: sorted.map(([, entry]) => entry), owners, health: healths, problems };
}

type Group = Resource<WorkloadGroupSpec>;

const nobody: RegisteredWorkloads = {
  entries: [],
  owners: new Map(),
  health: new Map(),
  problems: [],
};

/** The WorkloadGroup that a sidecar names, if it is there. */
export function groupOf(resources: MeshInput, proxy: ConnectedProxy): Group | undefined {
  const groups = byName(resources.byKind('WorkloadGroup'));
  return groups.get(`${proxy.namespace}/${proxy.workloadGroup}`) as Group | undefined;
}

/** The resources with registered workloads among their WorkloadEntries. */
export function withRegistered(
  resources: MeshInput,
  { entries }: Pick<RegisteredWorkloads, 'entries'>,
): MeshInput {
  if (entries.length === 0) return resources;
  const all = [...resources.byKind('WorkloadEntry'), ...entries];
  return { byKind: (kind) => (kind === 'WorkloadEntry' ? all : resources.byKind(kind)) };
}

const byName = memoize(
  (resources: readonly Resource[]): ReadonlyMap<string, Resource> =>
    new Map(resources.map((resource) => [`${resource.namespace}/${resource.name}`, resource])),
);

function reason(
  proxy: ConnectedProxy,
  verified: boolean,
  { name, group }: { name: string | undefined; group: Resource | undefined },
): Problem | undefined {
  const key = `${proxy.namespace}/${proxy.workloadGroup}`;
  const not = (message: string): Problem => ({
    code: 'not-registered',
    severity: 'warning',
    message: `${proxy.name}.${proxy.namespace} is not registered: ${message}`,
    path: [],
  });
  if (group === undefined) return not(`there is no WorkloadGroup ${key}`);
  const resource = { kind: group.kind, namespace: group.namespace, name: group.name };
  if (name === undefined) return { ...not('it says no address (INSTANCE_IPS)'), resource };
  const { serviceAccount } = (group.spec as WorkloadGroupSpec).template;
  if (!verified || !serviceAccount || serviceAccount === proxy.serviceAccount) return undefined;
  const message = `the group is of service account ${serviceAccount}, not "${proxy.serviceAccount}"`;
  return { ...not(message), resource, path: ['spec', 'template', 'serviceAccount'] };
}

/** Labels: the template's, then the group's, then the sidecar's own, as in Istio. */
const registeredEntry = memoize(
  (
    proxy: ConnectedProxy,
    { apiVersion, name: groupName, age, spec }: Resource<WorkloadGroupSpec>,
  ): Resource<WorkloadEntrySpec> => {
    const { template, metadata } = spec;
    const { [localityLabel]: _, ...own } = proxy.labels;
    const locality = localityText(proxy.locality) || template.locality;
    const network = proxy.network || template.network;
    const labels = { ...template.labels, ...metadata?.labels, ...own };
    return {
      kind: 'WorkloadEntry',
      apiVersion,
      namespace: proxy.namespace,
      name: registeredName(proxy)!,
      labels,
      annotations: { [groupAnnotation]: groupName, ...metadata?.annotations },
      // Their order must not depend on who came first; names tell them apart.
      age: { ...age, firstSeen: Number.MAX_SAFE_INTEGER },
      spec: {
        ...template,
        address: proxy.ips[0]!,
        labels,
        ...(locality && { locality }),
        ...(network && { network }),
      },
    };
  },
);

function localityText({ region, zone, subzone }: Locality): string {
  return [region, zone, subzone].join('/').replace(/\/+$/, '');
}
