// Findings about DestinationRules: hosts that no service has, subsets that select nothing, policies that do not count.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { analyzeTrafficPolicies } from './analyze-traffic-policies.js';
import { groupLabels, mayHaveLabels } from './group-labels.js';
import { hostCovers, isWildcard, resolveHost } from './host-name.js';
import type { Mesh } from './mesh.js';
import { compareText } from './order.js';
import type { Service } from './service.js';
import { selects, selectWorkloads, workloadIndex } from './workload-index.js';

type Rule = Resource<DestinationRuleSpec>;

/** Unknown hosts, empty subsets, and what is lost where two rules of a namespace have one host. */
export function analyzeDestinationRules(mesh: Mesh): Problem[] {
  const covered = new Map<string, readonly Service[]>();
  return [...mesh.parts.rulesByNamespace.values()].flatMap((resources) => {
    const firstPolicies = new Map<string, Rule>();
    // Those that stand for BackendTLSPolicies have their own findings (gateway-api/).
    const written = (resources as readonly Rule[]).filter(({ kind }) => kind === 'DestinationRule');
    return written.flatMap((rule) => {
      const host = resolveHost(rule.spec.host, rule.namespace, mesh.settings.domainSuffix);
      const services = servicesOf(mesh, host, covered);
      return [
        ...duplicatePolicy(rule, host, firstPolicies),
        ...unknownHost(rule, host, services),
        ...emptySubsets(mesh, rule, services),
        ...unmatchedSelector(mesh, rule),
        ...analyzeTrafficPolicies(mesh, rule, services),
      ];
    });
  });
}

/** `covered`: those of each wildcard, which many rules may share. */
function servicesOf(
  mesh: Mesh,
  host: string,
  covered: Map<string, readonly Service[]>,
): readonly Service[] {
  if (!isWildcard(host)) return mesh.servicesByHostname.get(host) ?? [];
  const known = covered.get(host);
  const services = known ?? mesh.services.filter(({ hostname }) => hostCovers(host, hostname));
  covered.set(host, services);
  return services;
}

function duplicatePolicy(rule: Rule, host: string, first: Map<string, Rule>): Problem[] {
  if (rule.spec.trafficPolicy === undefined) return [];
  // Rules for other clients do not meet.
  const key = `${host} ${clientsOf(rule)}`;
  const older = first.get(key);
  if (older === undefined) {
    first.set(key, rule);
    return [];
  }
  return [
    {
      code: 'duplicate-host',
      severity: 'warning',
      message: `${older.namespace}/${older.name} has a trafficPolicy for ${host}; only the subsets of this one count`,
      resource: idOf(rule),
      path: ['spec', 'trafficPolicy'],
    },
  ];
}

/** Equal texts for rules that are for the same clients. */
function clientsOf({ spec: { exportTo = [], workloadSelector } }: Rule): string {
  if (workloadSelector === undefined) return [...exportTo].sort().join();
  const labels = Object.entries(workloadSelector.matchLabels ?? {});
  return JSON.stringify(labels.sort(([a], [b]) => compareText(a, b)));
}

function unknownHost(rule: Rule, host: string, services: readonly Service[]): Problem[] {
  if (services.length > 0) return [];
  const message = isWildcard(host)
    ? `no service of the mesh has a host like ${host}`
    : `no service of the mesh has the host ${host}`;
  return [
    {
      code: 'unknown-host',
      severity: 'warning',
      message,
      resource: idOf(rule),
      path: ['spec', 'host'],
    },
  ];
}

/** A subset without endpoints, of a service that has some: most likely a wrong label. */
function emptySubsets(mesh: Mesh, rule: Rule, services: readonly Service[]): Problem[] {
  if (!rule.spec.subsets?.length) return [];
  const endpoints = services.flatMap((service) => [
    ...(mesh.endpoints.get(service)?.byPort.values() ?? []),
  ]);
  const labels = new Set(endpoints.flat().map((endpoint) => endpoint.labels));
  if (labels.size === 0) return [];
  const groups = services.flatMap(({ selector = {}, namespace }) =>
    groupLabels(mesh, namespace).filter((group) => mayHaveLabels(group, selector)),
  );
  return rule.spec.subsets.flatMap((subset, i): Problem[] => {
    const wanted = subset.labels ?? {};
    if (Object.keys(wanted).length === 0) return [];
    if ([...labels].some((own) => selects(wanted, own))) return [];
    if (groups.some((group) => mayHaveLabels(group, wanted))) return [];
    return [
      {
        code: 'empty-subset',
        severity: 'warning',
        message: `no endpoint of ${rule.spec.host} has the labels of subset ${subset.name}`,
        resource: idOf(rule),
        path: ['spec', 'subsets', i],
      },
    ];
  });
}

function unmatchedSelector(mesh: Mesh, rule: Rule): Problem[] {
  const labels = rule.spec.workloadSelector?.matchLabels ?? {};
  if (Object.keys(labels).length === 0) return [];
  const all = mesh.parts.sourcesByNamespace.workloads.get(rule.namespace) ?? [];
  if (selectWorkloads(workloadIndex(all), labels).length > 0) return [];
  return [
    {
      code: 'unmatched-selector',
      severity: 'info',
      message: `no WorkloadEntry of ${rule.namespace} has these labels; sidecars of others may`,
      resource: idOf(rule),
      path: ['spec', 'workloadSelector'],
    },
  ];
}

function idOf({ kind, namespace, name }: Rule) {
  return { kind, namespace, name };
}
