// DestinationRules: merging of rules for one host within a namespace, and the look-up from a client's namespace.
// Applying a traffic policy is translation.

import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { Resource } from '../kinds/resource.js';
import { memoize, sameOr } from '../lib/memo.js';
import { changedKeys, patched } from '../lib/patched-map.js';
import { isBackendPolicy, overBackendPolicy } from './backend-policy.js';
import { hasLabels } from './has-labels.js';
import {
  compareSpecificity,
  type HostIndex,
  hostIndex,
  mostSpecific,
  resolveHost,
} from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import type { DestinationRule } from './rules.js';
import type { Service } from './service.js';

/** A rule with the exportTo that it was written with; empty = the default of the mesh, if that names no namespaces. */
interface ExportedRule {
  exportTo: ReadonlySet<string>;
  rule: DestinationRule;
}

type RulesByHost = HostIndex<readonly ExportedRule[]>;

/** The rules of one namespace, by who asks. */
interface NamespaceRules {
  /** For clients of the same namespace. */
  local: RulesByHost;
  /** For clients of others. */
  exported: RulesByHost;
  /** For clients of the same namespace when it is the root namespace: those that are private. */
  private: RulesByHost;
  /** For the clients of the same namespace that they select, oldest first. */
  selecting: readonly SelectingRule[];
  /** All entries of exportTo. */
  exportedTo: readonly string[];
}

/** A rule with a workloadSelector. */
export interface SelectingRule {
  labels: Readonly<Record<string, string>>;
  rule: DestinationRule;
}

/** All DestinationRules, to be asked with findDestinationRule. */
export interface DestinationRules {
  byNamespace: ReadonlyMap<string, NamespaceRules>;
  /** Namespaces whose clients may find other rules than the clients of all the rest. */
  namespaces: ReadonlySet<string>;
  rootNamespace: string;
}

type Groups = ReadonlyMap<string, readonly Resource[]>;

/** Indexes rules that are grouped by namespace, oldest first in each. */
export const destinationRules = memoize(
  (groups: Groups, settings: MeshSettings): DestinationRules => {
    const last = lastIndex(settings);
    last.rules = amendedIndex(last, groups, settings) ?? indexAll(groups, settings);
    last.groups = groups;
    return last.rules;
  },
);

/** The index made last, and of what. */
interface LastIndex {
  groups?: Groups;
  rules?: DestinationRules;
}

const lastIndex = memoize((_settings: MeshSettings): LastIndex => ({}));

function indexAll(groups: Groups, settings: MeshSettings): DestinationRules {
  const byNamespace = new Map<string, NamespaceRules>();
  const namespaces = new Set<string>();
  for (const [namespace, resources] of groups) {
    const rules = namespaceRules(settings, resources);
    byNamespace.set(namespace, rules);
    namespaces.add(namespace);
    for (const entry of rules.exportedTo) namespaces.add(entry);
  }
  return { byNamespace, namespaces, rootNamespace: settings.rootNamespace };
}

/** The index of before with the rules of some namespaces anew; undefined where more may have changed. */
function amendedIndex(
  { groups: before, rules }: LastIndex,
  groups: Groups,
  settings: MeshSettings,
): DestinationRules | undefined {
  const changed = before && changedKeys(before, groups);
  if (changed === undefined || rules === undefined) return undefined;
  const changes = new Map<string, NamespaceRules>();
  for (const namespace of changed) {
    const old = rules.byNamespace.get(namespace);
    const next = namespaceRules(settings, groups.get(namespace) ?? []);
    if (sameOr(old?.exportedTo, next.exportedTo) !== old?.exportedTo) return undefined;
    changes.set(namespace, next);
  }
  return { ...rules, byNamespace: patched(rules.byNamespace, changes) };
}

/**
 * The rule in force for calls from `clientNamespace` to `service`: of the client's namespace, else of the service's,
 * else of the root namespace; in each the most specific host (Istio docs, "Cross namespace configuration"). Clients
 * in the root namespace first look at its private rules only, so that its mesh-wide rules do not hide the service's.
 * `selecting`: rules that select the client by its labels (selectingRules); in its namespace they go before the others
 * for the same host, and not before one for a more specific host.
 */
export function findDestinationRule(
  rules: DestinationRules,
  clientNamespace: string,
  service: Service,
  selecting: readonly SelectingRule[] = [],
): DestinationRule | undefined {
  if (rules.byNamespace.size === 0) return undefined;
  return (
    ownRule(rules, clientNamespace, service, selecting) ??
    exportedRule(rules, service.namespace, clientNamespace, service) ??
    exportedRule(rules, rules.rootNamespace, clientNamespace, service)
  );
}

function ownRule(
  rules: DestinationRules,
  namespace: string,
  service: Service,
  selecting: readonly SelectingRule[],
): DestinationRule | undefined {
  const own = rules.byNamespace.get(namespace);
  if (own === undefined) return undefined;
  const index = namespace === rules.rootNamespace ? own.private : own.local;
  const found = mostSpecific(index, service.hostname)?.at(-1)?.rule;
  if (selecting.length === 0) return found;
  const selected = mostSpecific(indexSelecting(selecting), service.hostname);
  if (!selected || !found) return selected ?? found;
  return compareSpecificity(selected.host, found.host) <= 0 ? selected : found;
}

/** The rules of the client's namespace whose workloadSelector selects it; the same array for equal answers. */
export function selectingRules(
  rules: DestinationRules,
  { namespace, labels }: { namespace: string; labels: Readonly<Record<string, string>> },
): readonly SelectingRule[] {
  const selecting = rules.byNamespace.get(namespace)?.selecting ?? noRules;
  if (selecting.length === 0) return noRules;
  const selected = selecting.filter(({ labels: wanted }) => hasLabels(labels, wanted));
  return selected.length === 0 ? noRules : sameSelection(selecting, ...selected);
}

const noRules: readonly SelectingRule[] = [];

const sameSelection = memoize(
  (_all: readonly SelectingRule[], ...selected: readonly SelectingRule[]) => selected,
);

/** Of two for one host the older counts. */
const indexSelecting = memoize(
  (selecting: readonly SelectingRule[]): HostIndex<DestinationRule> =>
    hostIndex(new Map([...selecting].reverse().map(({ rule }) => [rule.host, rule]))),
);

function exportedRule(
  rules: DestinationRules,
  owner: string,
  clientNamespace: string,
  service: Service,
): DestinationRule | undefined {
  const index = rules.byNamespace.get(owner)?.exported;
  const found = index && mostSpecific(index, service.hostname);
  // As in Istio, rules of one host that could not be merged stand side by side, and the youngest counts.
  return found?.findLast(
    ({ exportTo }) => exportTo.size === 0 || exportTo.has('*') || exportTo.has(clientNamespace),
  )?.rule;
}

const namespaceRules = memoize(
  (settings: MeshSettings, resources: readonly Resource[]): NamespaceRules => {
    const local = new Map<string, ExportedRule[]>();
    const exported = new Map<string, ExportedRule[]>();
    const privateOnly = new Map<string, ExportedRule[]>();
    const selecting: SelectingRule[] = [];
    const [some, all] = partition(resources as readonly Resource<DestinationRuleSpec>[]);
    for (const resource of some) {
      const labels = resource.spec.workloadSelector?.matchLabels ?? {};
      addSelecting(selecting, labels, convert(settings, resource).rule);
    }
    for (const resource of all) {
      const incoming = convert(settings, resource);
      const { exportTo } = incoming;
      const own = ['*', '.', resource.namespace].some((entry) => exportTo.has(entry));
      if (exportTo.size === 0 || own) addRule(local, incoming);
      if (isPrivate(exportTo, resource.namespace, settings)) addRule(privateOnly, incoming);
      else addRule(exported, incoming);
      // As in Istio, where rules with a selector count as exported to `.`: what covers that is merged with them.
      if (exportTo.has('.') || isBackendPolicy(incoming.rule))
        addToSelecting(selecting, incoming.rule);
    }
    return {
      local: hostIndex(local),
      exported: hostIndex(exported),
      private: hostIndex(privateOnly),
      selecting,
      exportedTo: [
        ...new Set([...some, ...all].flatMap((each) => [...convert(settings, each).exportTo])),
      ],
    };
  },
);

/** Those with a workloadSelector, and those without, each in their order. */
function partition(resources: readonly Resource<DestinationRuleSpec>[]) {
  const some = resources.filter(({ spec }) => spec.workloadSelector !== undefined);
  const all = resources.filter(({ spec }) => spec.workloadSelector === undefined);
  return [some, all] as const;
}

function isPrivate(exportTo: ReadonlySet<string>, namespace: string, settings: MeshSettings) {
  if (exportTo.size === 0) {
    const byDefault = settings.defaultDestinationRuleExportTo;
    return byDefault.includes('.') && !byDefault.includes('*');
  }
  return exportTo.size === 1 && (exportTo.has('.') || exportTo.has(namespace));
}

/** Namespaces that the default names, with what stands beside them. */
function namedByDefault({ defaultDestinationRuleExportTo: byDefault }: MeshSettings) {
  const isNamed = byDefault.some((entry) => !['*', '.', '~'].includes(entry));
  return isNamed && !byDefault.includes('*') ? byDefault : [];
}

const convert = memoize(
  (settings: MeshSettings, resource: Resource<DestinationRuleSpec>): ExportedRule => {
    const { spec, kind, namespace, name } = resource;
    return {
      exportTo: new Set(spec.exportTo?.length ? spec.exportTo : namedByDefault(settings)),
      rule: {
        sources: [{ kind, namespace, name }],
        host: resolveHost(spec.host, namespace, settings.domainSuffix),
        ...(spec.trafficPolicy && { trafficPolicy: spec.trafficPolicy }),
        subsets: uniqueByName(spec.subsets ?? []),
      },
    };
  },
);

/**
 * Merges with the older rules of the same host that were exported to the same namespaces, or to fewer (as Istio does
 * by default); a rule that merges with none stands beside them. A BackendTLSPolicy merges with all: whoever sees one of
 * them must not call without TLS.
 */
function addRule(rules: Map<string, ExportedRule[]>, incoming: ExportedRule): void {
  const existing = rules.get(incoming.rule.host);
  if (existing === undefined) {
    rules.set(incoming.rule.host, [incoming]);
    return;
  }
  if (isBackendPolicy(incoming.rule)) {
    const both = existing.map(({ exportTo, rule }) => ({
      exportTo,
      rule: merged(rule, incoming.rule),
    }));
    rules.set(incoming.rule.host, [incoming, ...both]);
    return;
  }
  let standsBeside = true;
  for (const [i, older] of existing.entries()) {
    const covers = [...older.exportTo].every((entry) => incoming.exportTo.has(entry));
    const equal = covers && older.exportTo.size === incoming.exportTo.size;
    if (!equal && (!covers || older.exportTo.size === 0)) continue;
    existing[i] = { exportTo: older.exportTo, rule: merged(older.rule, incoming.rule) };
    standsBeside = false;
  }
  if (standsBeside) existing.push(incoming);
}

/** Merges with the older rule of the same host for the same labels; a rule for others stands beside it. */
function addSelecting(
  selecting: SelectingRule[],
  labels: SelectingRule['labels'],
  rule: DestinationRule,
): void {
  const twin = selecting.findIndex(
    (older) =>
      older.rule.host === rule.host &&
      hasLabels(older.labels, labels) &&
      hasLabels(labels, older.labels),
  );
  const older = selecting[twin];
  if (older) selecting[twin] = { labels, rule: merged(older.rule, rule) };
  else selecting.push({ labels, rule: forSome(rule) });
}

function addToSelecting(selecting: SelectingRule[], rule: DestinationRule): void {
  for (const [i, older] of selecting.entries()) {
    if (older.rule.host !== rule.host) continue;
    selecting[i] = { labels: older.labels, rule: merged(older.rule, rule) };
  }
}

const forSome = memoize(
  (rule: DestinationRule): DestinationRule => ({ ...rule, selectsWorkloads: true }),
);

/**
 * Subsets with new names are added; the traffic policy counts only where the older rule has none. That of a
 * BackendTLSPolicy, which comes last, counts section by section.
 */
const merged = memoize((older: DestinationRule, incoming: DestinationRule): DestinationRule => {
  const [own, below] = [older.trafficPolicy, incoming.trafficPolicy];
  const both = isBackendPolicy(incoming) && own && below && overBackendPolicy(own, below);
  const trafficPolicy = both || (own ?? below);
  return {
    ...older,
    sources: [...older.sources, ...incoming.sources],
    ...(trafficPolicy && { trafficPolicy }),
    subsets: uniqueByName([...older.subsets, ...incoming.subsets]),
  };
});

function uniqueByName<T extends { name: string }>(items: readonly T[]): readonly T[] {
  const names = new Set<string>();
  return items.filter(({ name }) => !names.has(name) && names.add(name));
}
