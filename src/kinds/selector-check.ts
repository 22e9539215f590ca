// What selects the proxies that a resource is for: labels of workloads, and references to Gateways. After Istio's
// validation, which lets values pass that no label of Kubernetes can have.
import type { Findings } from './finding.js';
import { labelKeyProblem, labelValueProblem } from './names.js';
import type { FieldPath } from './problem.js';
import type { TargetRef } from './target-ref.js';

type Labels = Readonly<Record<string, string>> | undefined;

/** Says which labels of a selector no workload is likely to have. */
export function warnOfLabels(findings: Findings, path: FieldPath, labels: Labels): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const problem = labelKeyProblem(key) ?? labelValueProblem(value);
    if (problem) findings.warn([...path, key], `${problem}: nothing may be selected`);
  }
}

/** Checks the labels of a selector: wildcards and empty keys are refused. */
export function checkSelectorLabels(findings: Findings, path: FieldPath, labels: Labels): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key === '') findings.invalid([...path, key], 'the key of a label must not be empty');
    else if (`${key}${value}`.includes('*')) {
      findings.invalid([...path, key], 'a selector has no wildcards');
    } else warnOfLabels(findings, path, { [key]: value });
  }
}

/** Group and kind of what may be a target; Services and GatewayClasses are of waypoints. */
const targets = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
]);

/** Kubernetes' limit on their number. */
const targetsMax = 16;

/** Checks references to what a policy is for. `other` says what becomes of a kind that is no target. */
export function checkTargetRefs(
  findings: Findings,
  path: FieldPath,
  { refs, other }: { refs: readonly TargetRef[]; other: 'refused' | 'warned of' },
): void {
  if (refs.length > targetsMax) findings.invalid(path, `there are at most ${targetsMax} targets`);
  for (const [index, ref] of refs.entries()) {
    checkTargetRef(findings, [...path, index], { ref, other });
  }
}

/** Checks one reference, as `checkTargetRefs`. */
export function checkTargetRef(
  findings: Findings,
  path: FieldPath,
  { ref, other }: { ref: TargetRef; other: 'refused' | 'warned of' },
): void {
  const { group = '', kind, name, namespace } = ref;
  if (name === '') findings.missing([...path, 'name'], 'the target must have a name');
  if (namespace) findings.invalid([...path, 'namespace'], 'a target is of the same namespace');
  if (targets.has(`${group}/${kind}`)) return;
  const message = `${group.slice(0, 80)}/${kind.slice(0, 60)} cannot be a target; a Gateway is of gateway.networking.k8s.io`;
  if (other === 'refused') findings.invalid([...path, 'kind'], message);
  else findings.warn([...path, 'kind'], message);
}
