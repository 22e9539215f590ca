// Findings about DestinationRules: hosts that no service has, subsets that select nothing, policies that do not count.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { analyzeTrafficPolicies } from './analyze-traffic-policies.js';
import { groupsThatMayHave, mayHaveLabels } from './group-labels.js';
import { hostCovers, isWildcard, resolveHost } from './host-name.js';
import type { Mesh } from './mesh.js';
import { compareText } from './order.js';
import type { Service } from './service.js';
import { selects, selectWorkloads, workloadIndex } from './workload-index.js';

type Rule = Resource<DestinationRuleSpec>;

/** Unknown hosts, empty subsets, and what is lost where two rules of a namespace have one host. */
export function analyzeDestinationRules(mesh: Mesh): Problem[] {
  const covered = new Map<string, Covered>();
  return [...mesh.parts.rulesByNamespace.values()].flatMap((resources) => {
    const firstPolicies = new Map<string, Rule>();
    // Those that stand for BackendTLSPolicies have their own findings (gateway-api/).
    const written = (resources as readonly Rule[]).filter(({ kind }) => kind === 'DestinationRule');
    return written.flatMap((rule) => {
      const host = resolveHost(rule.spec.host, rule.namespace, mesh.settings.domainSuffix);
      const found = covered.get(host) ?? coveredBy(mesh, host);
      covered.set(host, found);
      return [
        ...duplicatePolicy(rule, host, firstPolicies),
        ...unknownHost(rule, host, found.services),
        ...emptySubsets(mesh, rule, found),
        ...unmatchedSelector(mesh, rule),
        ...analyzeTrafficPolicies(mesh, rule, found.services),
      ];
    });
  });
}

type Labels = Readonly<Record<string, string>>;

/** The services that a host of rules stands for; all rules of the host share it. */
interface Covered {
  services: readonly Service[];
  /** Filled in when a rule asks for it. */
  workloads?: Workloads;
}

/** The labels that there are behind services. */
interface Workloads {
  /** Of their endpoints, each once. */
  labels: readonly Labels[];
  /** `key=value` of any. */
  pairs: ReadonlySet<string>;
  /** Of groups whose instances may come. */
  groups: readonly Labels[];
}

function coveredBy(mesh: Mesh, host: string): Covered {
  if (!isWildcard(host)) return { services: mesh.servicesByHostname.get(host) ?? [] };
  return { services: mesh.services.filter(({ hostname }) => hostCovers(host, hostname)) };
}

function workloadsOf(mesh: Mesh, covered: Covered): Workloads {
  if (covered.workloads !== undefined) return covered.workloads;
  const labels = new Set<Labels>();
  const groups = new Set<Labels>();
  for (const service of covered.services) {
    for (const endpoints of mesh.endpoints.get(service)?.byPort.values() ?? []) {
      for (const endpoint of endpoints) labels.add(endpoint.labels);
    }
    const { selector = {}, namespace } = service;
    for (const group of groupsThatMayHave(mesh, namespace, selector)) groups.add(group);
  }
  const pairs = new Set([...labels].flatMap((own) => Object.entries(own).map(pairText)));
  covered.workloads = { labels: [...labels], pairs, groups: [...groups] };
  return covered.workloads;
}

function pairText([key, value]: readonly [string, string]): string {
  return `${key}=${value}`;
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
function emptySubsets(mesh: Mesh, rule: Rule, covered: Covered): Problem[] {
  if (!rule.spec.subsets?.length) return [];
  const { labels, pairs, groups } = workloadsOf(mesh, covered);
  if (labels.length === 0) return [];
  return rule.spec.subsets.flatMap((subset, i): Problem[] => {
    const wanted = subset.labels ?? {};
    if (Object.keys(wanted).length === 0) return [];
    const known = Object.entries(wanted).every((pair) => pairs.has(pairText(pair)));
    if (known && labels.some((own) => selects(wanted, own))) return [];
    if (groups.some((group) => mayHaveLabels(group, wanted))) return [];
    return [
      {
        code: 'empty-subset',
        severity: 'warning',
        message: `no endpoint of ${rule.spec.host} has the labels of subset ${subset.name}: ${listLabels(wanted)}`,
        resource: idOf(rule),
        path: ['spec', 'subsets', i, 'labels'],
      },
    ];
  });
}

function listLabels(labels: Labels): string {
  const shown = Object.entries(labels).slice(0, 5).map(pairText);
  return shown.join(', ').slice(0, 200);
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
      path: ['spec', 'workloadSelector', 'matchLabels'],
    },
  ];
}

function idOf({ kind, namespace, name }: Rule) {
  return { kind, namespace, name };
}
