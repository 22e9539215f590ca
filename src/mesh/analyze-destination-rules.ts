// Findings about DestinationRules: hosts that no service has, subsets that select nothing, policies that do not count.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import { changedKeys } from '../lib/patched-map.js';
import { analyzeTrafficPolicies } from './analyze-traffic-policies.js';
import type { Parts } from './analyzed-parts.js';
import { findEach } from './find-each.js';
import { groupsThatMayHave, mayHaveLabels } from './group-labels.js';
import { hostCovers, isWildcard, resolveHost } from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import { compareText } from './order.js';
import type { Service } from './service.js';
import { selects, selectWorkloads, workloadIndex } from './workload-index.js';

type Rule = Resource<DestinationRuleSpec>;

/** Unknown hosts, empty subsets, and what is lost where two rules of a namespace have one host. */
export const analyzeDestinationRules = findEach({
  items: ({ rulesByNamespace, settings }: Read) =>
    [...rulesByNamespace.values()].flatMap((resources) => placedRules(resources, settings)),
  questions,
  find: (placed, ask) => {
    const { rule, host } = placed;
    const services = ask.servicesOf(host);
    return [
      ...duplicatePolicy(placed),
      ...unknownHost(rule, host, services),
      ...emptySubsets(placed, ask),
      ...unmatchedSelector(rule, ask),
      ...analyzeTrafficPolicies(ask.settings(), rule, services),
    ];
  },
  touched: (before, after) => {
    const changed = changedKeys(before.endpoints, after.endpoints);
    if (changed === undefined || !sameBesidesEndpoints(before, after)) return () => true;
    const hosts = new Set(changed.map(({ hostname }) => hostname));
    return ({ host }) => hosts.has(host) || (hosts.size > 0 && isWildcard(host));
  },
});

type Read = Parts<
  | 'settings'
  | 'rulesByNamespace'
  | 'services'
  | 'servicesByHostname'
  | 'endpoints'
  | 'workloads'
  | 'workloadGroups'
>;

function sameBesidesEndpoints(a: Read, b: Read): boolean {
  return (
    a.services === b.services &&
    a.servicesByHostname === b.servicesByHostname &&
    a.workloads === b.workloads &&
    a.workloadGroups === b.workloadGroups
  );
}

/** A rule among those of its namespace. */
interface PlacedRule {
  rule: Rule;
  /** Fully qualified. */
  host: string;
  /** One of the same host and clients, of which the trafficPolicy counts. */
  older: Rule | undefined;
}

const placedRules = memoize(
  (resources: readonly Resource[], settings: MeshSettings): readonly PlacedRule[] => {
    const first = new Map<string, Rule>();
    // Those that stand for BackendTLSPolicies have their own findings (gateway-api/).
    const written = (resources as readonly Rule[]).filter(({ kind }) => kind === 'DestinationRule');
    return written.map((rule) => {
      const host = resolveHost(rule.spec.host, rule.namespace, settings.domainSuffix);
      if (rule.spec.trafficPolicy === undefined) return placedRule(rule, host);
      // Rules for other clients do not meet.
      const key = `${host} ${clientsOf(rule)}`;
      const older = first.get(key);
      if (older === undefined) first.set(key, rule);
      return placedRule(rule, host, older);
    });
  },
);

/** The same object while the rules are, so that what was found about it stands. */
const placedRule = memoize(
  (rule: Rule, host: string, older?: Rule): PlacedRule => ({ rule, host, older }),
);

type Labels = Readonly<Record<string, string>>;

/** All rules of a host share the answers. */
function questions({ settings, services, endpoints, workloads, ...parts }: Read) {
  const wild = new Map<string, readonly Service[]>();
  const servicesOf = (host: string): readonly Service[] => {
    if (!isWildcard(host)) return parts.servicesByHostname.get(host) ?? none;
    const covered = wild.get(host) ?? services.filter(({ hostname }) => hostCovers(host, hostname));
    wild.set(host, covered);
    return covered;
  };
  const labels = new Map<string, readonly Labels[]>();
  const groups = new Map<string, readonly Labels[]>();
  return {
    settings: () => settings,
    servicesOf,
    /** Of endpoints of the host, each once. */
    labelsBehind: (host: string): readonly Labels[] => {
      const known = labels.get(host);
      if (known !== undefined) return known;
      const found = new Set<Labels>();
      for (const service of servicesOf(host)) {
        for (const some of endpoints.get(service)?.byPort.values() ?? []) {
          for (const endpoint of some) found.add(endpoint.labels);
        }
      }
      const all = [...found];
      labels.set(host, all);
      return all;
    },
    /** Of groups whose instances may come. */
    groupsBehind: (host: string): readonly Labels[] => {
      const known = groups.get(host);
      if (known !== undefined) return known;
      const found = servicesOf(host).flatMap(({ selector = {}, namespace }) =>
        groupsThatMayHave(parts.workloadGroups, namespace, selector),
      );
      const all = [...new Set(found)];
      groups.set(host, all);
      return all;
    },
    hasWorkload: (namespace: string, wanted: Labels): boolean =>
      selectWorkloads(workloadIndex(workloads.get(namespace) ?? none), wanted).length > 0,
  };
}

type Questions = ReturnType<typeof questions>;

const none: readonly never[] = [];

/** `key=value` of any. */
function pairsOf(labels: readonly Labels[]): ReadonlySet<string> {
  return new Set(labels.flatMap((own) => Object.entries(own).map(pairText)));
}

/** Behind a wildcard there may be all workloads of the mesh, and any number of rules may have it. */
const pairsOfMany = memoize(pairsOf);

function pairText([key, value]: readonly [string, string]): string {
  return `${key}=${value}`;
}

function duplicatePolicy({ rule, host, older }: PlacedRule): Problem[] {
  if (older === undefined) return [];
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
function emptySubsets({ rule, host }: PlacedRule, ask: Questions): Problem[] {
  if (!rule.spec.subsets?.length) return [];
  const labels = ask.labelsBehind(host);
  if (labels.length === 0) return [];
  const pairs = isWildcard(host) ? pairsOfMany(labels) : pairsOf(labels);
  const groups = ask.groupsBehind(host);
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

function unmatchedSelector(rule: Rule, ask: Questions): Problem[] {
  const labels = rule.spec.workloadSelector?.matchLabels ?? {};
  if (Object.keys(labels).length === 0) return [];
  if (ask.hasWorkload(rule.namespace, labels)) return [];
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
