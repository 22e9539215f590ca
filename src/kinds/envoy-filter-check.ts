// The rules of EnvoyFilter beyond its schema, after Istio's validation, and the check of each patch against Envoy's
// protos, so that a slip is found where it was written and not by an Envoy.
import { patchType } from '../envoy/patch-type.js';
import { type JsonMistake, readJson } from '../envoy/read-json.js';
import type { EnvoyFilterSpec } from './envoy-filter.js';
import type { Check, Finding, Findings } from './finding.js';
import type { FieldPath } from './problem.js';
import { regexProblem } from './regex-check.js';
import { checkSelectorLabels, checkTargetRefs } from './selector-check.js';
import { didYouMean } from './suggest.js';

type Patch = NonNullable<EnvoyFilterSpec['configPatches']>[number];
type ApplyTo = Patch['applyTo'];
type Operation = Patch['patch']['operation'];

const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';
/** Its name before Envoy's API v3. */
const OLD_HTTP_CONNECTION_MANAGER = 'envoy.http_connection_manager';

const merges: readonly Operation[] = ['MERGE', 'MERGE_AND_REPLACE_LIST'];
const inserts: readonly Operation[] = ['ADD', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST'];
const whole: readonly Operation[] = [...merges, ...inserts, 'REMOVE'];
const filters: readonly Operation[] = [...merges, ...inserts, 'REMOVE', 'REPLACE'];

/** What can be done to each thing; the rest has no effect, as in Istio. `anchor`: some need a filter to go by. */
const targets: Readonly<
  Record<ApplyTo, { match?: Matcher; operations: readonly Operation[]; anchor?: true }>
> = {
  LISTENER: { match: 'listener', operations: whole },
  FILTER_CHAIN: { match: 'listener', operations: whole },
  LISTENER_FILTER: { match: 'listener', operations: filters, anchor: true },
  NETWORK_FILTER: { match: 'listener', operations: filters, anchor: true },
  HTTP_FILTER: { match: 'listener', operations: filters, anchor: true },
  ROUTE_CONFIGURATION: { match: 'routeConfiguration', operations: merges },
  VIRTUAL_HOST: { match: 'routeConfiguration', operations: [...whole, 'REPLACE'] },
  HTTP_ROUTE: { match: 'routeConfiguration', operations: whole },
  CLUSTER: { match: 'cluster', operations: whole },
  EXTENSION_CONFIG: { operations: inserts },
  BOOTSTRAP: { operations: [] },
};

/** Istio has a code for some operations where they have no effect. */
const istioCodeOf: Readonly<Partial<Record<Operation, { istio: string }>>> = {
  REPLACE: { istio: 'IST0152' },
  ADD: { istio: 'IST0153' },
  REMOVE: { istio: 'IST0154' },
};

const matchers = ['listener', 'routeConfiguration', 'cluster'] as const;
type Matcher = (typeof matchers)[number];

/** Checks an EnvoyFilter beyond its schema. */
export const checkEnvoyFilter: Check<EnvoyFilterSpec> = (spec, findings) => {
  const { workloadSelector, targetRefs = [], configPatches = [] } = spec;
  checkSelectorLabels(findings, ['workloadSelector', 'labels'], workloadSelector?.labels);
  if (workloadSelector && Object.keys(workloadSelector.labels ?? {}).length === 0) {
    findings.warn(['workloadSelector'], 'a selector without labels is for the whole namespace');
  }
  if (workloadSelector && targetRefs.length > 0) {
    findings.invalid(['targetRefs'], 'targetRefs and workloadSelector exclude each other');
  }
  checkTargetRefs(findings, ['targetRefs'], { refs: targetRefs, other: 'warned of' });
  for (const [i, entry] of configPatches.entries()) {
    const path = ['configPatches', i];
    checkMatch(findings, [...path, 'match'], entry);
    checkOperation(findings, path, entry);
    checkValue(findings, [...path, 'patch', 'value'], entry);
  }
};

function checkMatch(findings: Findings, path: FieldPath, { applyTo, match }: Patch): void {
  const { proxyVersion = '' } = match?.proxy ?? {};
  const problem = proxyVersion === '' ? undefined : versionProblem(proxyVersion);
  if (problem) findings.invalid([...path, 'proxy', 'proxyVersion'], problem);
  const { match: matcher } = targets[applyTo];
  const given = matchers.filter((name) => match?.[name] !== undefined);
  for (const name of given.slice(1)) {
    findings.invalid([...path, name], `${name} and ${given[0]} exclude each other`);
  }
  if (given[0] !== undefined && matcher !== undefined && given[0] !== matcher) {
    findings.invalid([...path, given[0]], `${applyTo} is matched by ${matcher}`);
  }
  if (match?.waypoint && match.context !== 'WAYPOINT') {
    findings.invalid([...path, 'waypoint'], 'waypoint is for context WAYPOINT');
  }
  checkFilterMatch(findings, [...path, 'listener', 'filterChain', 'filter'], { applyTo, match });
}

function checkFilterMatch(
  findings: Findings,
  path: FieldPath,
  { applyTo, match }: Pick<Patch, 'applyTo' | 'match'>,
): void {
  const filter = match?.listener?.filterChain?.filter;
  if (filter === undefined) return;
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') {
    findings.warn(path, `a filter to match has no effect on ${applyTo}`);
  }
  if (filter.name === '') findings.missing([...path, 'name'], 'the filter must have a name');
  if (filter.subFilter === undefined) return;
  const sub = [...path, 'subFilter'];
  if (applyTo !== 'HTTP_FILTER') findings.invalid(sub, 'subFilter is for HTTP_FILTER');
  else if (filter.name === OLD_HTTP_CONNECTION_MANAGER) {
    findings.warn([...path, 'name'], `no filter has this name now; use ${HTTP_CONNECTION_MANAGER}`);
  } else if (filter.name !== HTTP_CONNECTION_MANAGER) {
    findings.invalid([...path, 'name'], `subFilter goes with ${HTTP_CONNECTION_MANAGER}`);
  }
  if (filter.subFilter.name === '') findings.missing([...sub, 'name'], 'it must have a name');
}

function versionProblem(regex: string): string | undefined {
  const problem = regexProblem(regex);
  if (problem !== undefined) return problem;
  try {
    new RegExp(regex);
    return undefined;
  } catch {
    return 'this expression of RE2 is not one of JavaScript, which is what compares versions here';
  }
}

function checkOperation(findings: Findings, path: FieldPath, { applyTo, match, patch }: Patch) {
  const { operation, value } = patch;
  const at = [...path, 'patch', 'operation'];
  const { operations, anchor } = targets[applyTo];
  if (operation !== 'REMOVE' && value === undefined) {
    findings.missing([...path, 'patch'], `${operation} needs a value`);
  }
  if (applyTo === 'BOOTSTRAP') {
    const message = 'the bootstrap is made by `fairlead bootstrap`, not by the control plane';
    findings.list.push(noEffect([...path, 'applyTo'], message));
  } else if (!operations.includes(operation)) {
    const message = `${operation} has no effect on ${applyTo}, as in Istio`;
    findings.list.push({ ...noEffect(at, message), ...istioCodeOf[operation] });
  }
  const anchored =
    applyTo === 'LISTENER_FILTER' ? match?.listener?.listenerFilter : anchorOf(match);
  if (anchor && !anchored && (operation === 'REMOVE' || operation === 'REPLACE')) {
    const field = applyTo === 'HTTP_FILTER' ? 'subFilter' : 'filter';
    const name = applyTo === 'LISTENER_FILTER' ? 'listenerFilter' : field;
    findings.list.push(noEffect(at, `${operation} must name the filter in match (${name})`));
  }

  function anchorOf(given: Patch['match']): unknown {
    const filter = given?.listener?.filterChain?.filter;
    return applyTo === 'HTTP_FILTER' ? filter?.subFilter : filter;
  }
}

function noEffect(path: FieldPath, message: string): Finding {
  return { code: 'no-effect', severity: 'warning', message, path };
}

function checkValue(findings: Findings, path: FieldPath, { applyTo, patch }: Patch): void {
  if (patch.value === undefined) return;
  const { mistakes, defaults } = readJson(patchType[applyTo], patch.value);
  for (const mistake of mistakes) findings.list.push(findingOf(mistake, path));
  for (const at of merges.includes(patch.operation) ? defaults : []) {
    const message = 'a merge leaves it as it is: to protobuf this is no value';
    findings.list.push({ ...noEffect([...path, ...at], message), severity: 'info' });
  }
  if (mistakes.length > 0 || !inserts.includes(patch.operation)) return;
  const named = patch.value as { name?: unknown };
  const needsName = applyTo !== 'FILTER_CHAIN' && applyTo !== 'HTTP_ROUTE';
  if (needsName && applyTo !== 'BOOTSTRAP' && (named.name ?? '') === '') {
    findings.missing(path, 'what is added must have a name');
  }
}

function findingOf({ kind, path, message, candidates }: JsonMistake, base: FieldPath): Finding {
  const at = [...base, ...path];
  if (kind === 'unknown-type') {
    return { code: 'invalid-value', severity: 'warning', message, path: at };
  }
  if (kind === 'wrong-value') return { code: 'wrong-type', severity: 'error', message, path: at };
  const hint = didYouMean(String(path.at(-1)), candidates);
  return { code: 'unknown-field', severity: 'error', message: `${message}${hint}`, path: at };
}
