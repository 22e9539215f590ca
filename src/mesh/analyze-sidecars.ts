// Findings about Sidecars: two for the same workloads, selectors and hosts that match nothing.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import type { SidecarSpec } from '../kinds/sidecar.js';
import { memoize, sameOr } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import { isWildcard, resolveHost } from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import type { VirtualService } from './rules.js';
import { selectWorkloads, workloadIndex } from './workload-index.js';

type Sidecar = Resource<SidecarSpec>;

type Read = Parts<'settings' | 'sidecars' | 'servicesByHostname' | 'virtualServices' | 'workloads'>;

/** Everything about Sidecars, oldest first. */
export function analyzeSidecars(parts: Read): readonly Problem[] {
  const { settings, sidecars, servicesByHostname, workloads } = parts;
  if (sidecars.length === 0) return [];
  const ruled = ruledHosts(parts.virtualServices);
  return findProblems(settings, sidecars, servicesByHostname, workloads, ruled);
}

/** Of VirtualServices; the same set while their hosts are. */
const ruledHosts = amendable(
  (rules: readonly VirtualService[]): ReadonlySet<string> =>
    new Set(rules.flatMap(({ hosts }) => hosts)),
  ({ result, changes }) => {
    const areSame = changes.every(
      ({ before, after }) => sameOr(before.hosts, after.hosts) === before.hosts,
    );
    return areSame ? result : undefined;
  },
);

type Services = Read['servicesByHostname'];
type Workloads = Read['workloads'];

const findProblems = memoize(
  (
    settings: MeshSettings,
    sidecars: readonly Resource[],
    services: Services,
    workloads: Workloads,
    ruled: ReadonlySet<string>,
  ): readonly Problem[] => {
    const firstOfNamespace = new Map<string, Sidecar>();
    const selectedBy = new Map<object, Sidecar>();
    return (sidecars as readonly Sidecar[]).flatMap((sidecar) => [
      ...workloadProblems(workloads, sidecar, { firstOfNamespace, selectedBy }),
      ...egressProblems(services, sidecar, ruled),
      ...proxyProblems(services, sidecar, settings),
    ]);
  },
);

interface Seen {
  firstOfNamespace: Map<string, Sidecar>;
  selectedBy: Map<object, Sidecar>;
}

function finding(
  { kind, namespace, name }: Sidecar,
  found: Pick<Problem, 'code' | 'severity' | 'message'>,
  path: FieldPath,
): Problem {
  return { ...found, resource: { kind, namespace, name }, path };
}

function workloadProblems(workloads: Workloads, sidecar: Sidecar, seen: Seen): Problem[] {
  const { namespace, spec } = sidecar;
  const labels = spec.workloadSelector?.labels ?? {};
  if (Object.keys(labels).length === 0) {
    const older = seen.firstOfNamespace.get(namespace);
    if (older === undefined) {
      seen.firstOfNamespace.set(namespace, sidecar);
      return [];
    }
    const message = `${older.name} has no workloadSelector either, and the oldest counts`;
    return [finding(sidecar, { code: 'duplicate-sidecar', severity: 'warning', message }, [])];
  }
  const path = ['spec', 'workloadSelector', 'labels'];
  const all = workloads.get(namespace) ?? [];
  const selected = selectWorkloads(workloadIndex(all), labels);
  if (selected.length === 0) {
    const message = `no WorkloadEntry of ${namespace} has these labels; sidecars of others may`;
    return [finding(sidecar, { code: 'unmatched-selector', severity: 'info', message }, path)];
  }
  for (const workload of selected) {
    const older = seen.selectedBy.get(workload);
    if (older !== undefined) {
      const message = `${older.name} selects the workload ${workload.name} too, and the oldest counts`;
      return [finding(sidecar, { code: 'sidecar-conflict', severity: 'warning', message }, path)];
    }
    seen.selectedBy.set(workload, sidecar);
  }
  return [];
}

/** Hosts without wildcards that no service has; wildcards may be meant for what is to come. */
function egressProblems(
  byHostname: Services,
  sidecar: Sidecar,
  ruled: ReadonlySet<string>,
): Problem[] {
  return (sidecar.spec.egress ?? []).flatMap(({ hosts = [] }, i) =>
    hosts.flatMap((entry, j): Problem[] => {
      const [owner = '', host = ''] = entry.split('/');
      if (owner.startsWith('~') || host === '*' || isWildcard(host)) return [];
      const namespace = owner === '.' ? sidecar.namespace : owner;
      const services = byHostname.get(host) ?? [];
      if (services.some((service) => owner === '*' || service.namespace === namespace)) return [];
      // What a rule gives routes to is seen as well.
      if (ruled.has(host)) return [];
      const [other] = services;
      const where = owner === '*' ? 'of the mesh' : `of ${namespace}`;
      const hint = other === undefined ? '' : `; one of ${other.namespace} has`;
      const message = `no service ${where} has the host ${host}${hint}`;
      const path = ['spec', 'egress', i, 'hosts', j];
      return [finding(sidecar, { code: 'unknown-host', severity: 'info', message }, path)];
    }),
  );
}

function proxyProblems(services: Services, sidecar: Sidecar, settings: MeshSettings): Problem[] {
  const proxy = sidecar.spec.outboundTrafficPolicy?.egressProxy;
  if (proxy === undefined) return [];
  const host = resolveHost(proxy.host, sidecar.namespace, settings.domainSuffix);
  if (services.has(host)) return [];
  const message = `no service of the mesh has the host ${host}`;
  const path = ['spec', 'outboundTrafficPolicy', 'egressProxy', 'host'];
  return [finding(sidecar, { code: 'unknown-host', severity: 'error', message }, path)];
}
