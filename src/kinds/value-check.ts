// Checks of values that several kinds have in common. Each reports to a Findings; none throws.
import type { Findings } from './finding.js';
import {
  hostProblem,
  isAnyCaseLabel,
  labelKeyProblem,
  labelValueProblem,
  wildcardHostProblem,
} from './names.js';
import type { FieldPath } from './problem.js';

/** Reports `problem` at `path`, if there is one. */
export function report(findings: Findings, path: FieldPath, problem: string | undefined): void {
  if (problem !== undefined) findings.invalid(path, problem);
}

/** Istio's ValidateDuration: at least one millisecond, in whole milliseconds. */
export function checkDuration(findings: Findings, path: FieldPath, ms: number | undefined): void {
  if (ms === undefined) return;
  if (ms < 1) findings.invalid(path, 'a duration must be at least 1ms');
  else if (!Number.isInteger(ms)) findings.invalid(path, 'a duration must be whole milliseconds');
}

/** As checkDuration, where 0 turns the limit off. */
export function checkDurationOrZero(
  findings: Findings,
  path: FieldPath,
  ms: number | undefined,
): void {
  if (ms !== 0) checkDuration(findings, path, ms);
}

/** Keys and values of labels. */
export function checkLabels(
  findings: Findings,
  path: FieldPath,
  labels: Readonly<Record<string, string>> | undefined,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    report(findings, [...path, key], labelKeyProblem(key) ?? labelValueProblem(value));
  }
}

/** Istio's rules of exportTo: `.`, `*`, `~` (where allowed) or namespaces, none twice, `*` and `~` alone. */
export function checkExportTo(
  findings: Findings,
  exportTo: readonly string[] | undefined,
  { namespace, none }: { namespace: string; none: boolean },
): void {
  const seen = new Set<string>();
  for (const [index, entry] of (exportTo ?? []).entries()) {
    const path = ['exportTo', index];
    const known = entry === '.' || entry === '*' || (entry === '~' && none);
    if (!known && !isAnyCaseLabel(entry)) {
      const forms = none ? '., *, ~ or a namespace' : '., * or a namespace';
      findings.invalid(path, `"${entry.slice(0, 60)}" is not one of: ${forms}`);
    }
    const resolved = entry === '.' ? namespace : entry;
    if (seen.has(resolved)) findings.invalid(path, `"${entry.slice(0, 60)}" stands twice`);
    seen.add(resolved);
  }
  const alone = ['*', '~'].find((entry) => seen.has(entry));
  if (alone !== undefined && (exportTo?.length ?? 0) > 1) {
    findings.invalid(['exportTo'], `"${alone}" must stand alone`);
  }
}

/** A host with or without wildcards. */
export function checkHost(
  findings: Findings,
  path: FieldPath,
  host: string,
  form: 'plain' | 'wildcard',
): void {
  report(findings, path, form === 'plain' ? hostProblem(host) : wildcardHostProblem(host));
}

/** At most one of the fields may be set; says so at each one but the first. Gives the names of those set. */
export function checkOneOf<T extends object>(
  findings: Findings,
  path: FieldPath,
  value: T,
  names: readonly (keyof T & string)[],
): string[] {
  const set = names.filter((name) => value[name] !== undefined);
  for (const name of set.slice(1)) {
    findings.invalid([...path, name], `${name} and ${set[0]} exclude each other`);
  }
  return set;
}

interface Expression {
  operator?: string | undefined;
  values?: readonly string[] | undefined;
}

/** Checks the expressions of a selector of Kubernetes. */
export function checkSelector(
  findings: Findings,
  path: FieldPath,
  selector: { matchExpressions?: readonly Expression[] | undefined } | undefined,
): void {
  for (const [i, { operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const at = [...path, 'matchExpressions', i];
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) findings.missing([...at, 'values'], `${operator} needs values`);
    } else if (operator !== 'Exists' && operator !== 'DoesNotExist') {
      findings.invalid([...at, 'operator'], 'In, NotIn, Exists or DoesNotExist');
    }
  }
}
