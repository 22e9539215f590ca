// The rules of locality and zone aware load balancing, after Istio's validation. DestinationRule and MeshConfig share
// them; that failover needs outlier detection is found over the mesh (mesh/analyze-traffic-policies.ts).
import type { Findings } from './finding.js';
import type { FieldPath } from './problem.js';
import type { LocalityLbSetting, ZoneAwareLbSetting } from './traffic-policy.js';

/** Labels whose order localities themselves give. */
const ofLocality: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

/** Checks locality load balancing. */
export function checkLocalityLb(
  findings: Findings,
  path: FieldPath,
  setting: LocalityLbSetting | undefined,
): void {
  if (!setting) return;
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && failover.length > 0) {
    findings.invalid([...path, 'failover'], 'failover and distribute exclude each other');
  }
  const sources = distribute.map(({ from = '' }) => from);
  checkLocalities(findings, sources, (index) => [...path, 'distribute', index, 'from']);
  for (const [index, { to = {} }] of distribute.entries()) {
    const at = [...path, 'distribute', index, 'to'];
    const weights = Object.values(to);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (weights.some((weight) => weight < 1 || weight > 100)) {
      findings.invalid(at, 'each percentage is from 1 to 100');
    } else if (sum !== 100) findings.invalid(at, `the sum of percentages must be 100, not ${sum}`);
    const targets = Object.keys(to);
    checkLocalities(findings, targets, (i) => [...at, targets[i] ?? '']);
  }
  checkFailover(findings, [...path, 'failover'], failover);
  if (failover.length > 0) {
    checkPriority(findings, [...path, 'failoverPriority'], failoverPriority, 'failover');
  }
}

/** Checks zone aware load balancing. */
export function checkZoneAwareLb(
  findings: Findings,
  path: FieldPath,
  setting: ZoneAwareLbSetting | undefined,
): void {
  if (!setting) return;
  checkFailover(findings, [...path, 'failover'], setting.failover);
  const { failoverPriority = [] } = setting;
  checkPriority(findings, [...path, 'failoverPriority'], failoverPriority, 'zoneAwareLbSetting');
}

function checkPriority(
  findings: Findings,
  path: FieldPath,
  labels: readonly string[],
  other: string,
): void {
  for (const [index, label] of labels.entries()) {
    if (ofLocality.has(label))
      findings.invalid([...path, index], `${other} goes by ${label} itself`);
  }
}

function checkFailover(
  findings: Findings,
  path: FieldPath,
  failover: readonly { from?: string; to?: string }[] = [],
): void {
  for (const [index, { from = '', to = '' }] of failover.entries()) {
    const at = [...path, index];
    if (from === to) findings.invalid(at, 'from and to must be different regions');
    if (/[/*]/.test(from + to)) findings.invalid(at, 'from and to are regions, without / and *');
  }
}

/** Each is `region/zone/subzone`, shorter ones and `*` at the end stand for all below; no two may overlap. */
function checkLocalities(
  findings: Findings,
  localities: readonly string[],
  at: (index: number) => FieldPath,
): void {
  const steps = localities.map((locality) => locality.replace(/\/?\*$/, '').split('/'));
  for (const [index, locality] of localities.entries()) {
    if (locality.slice(0, -1).includes('*')) {
      findings.invalid(at(index), '* stands at the end, once');
      continue;
    }
    const own = steps[index] ?? [];
    if (locality !== '*' && own.includes('')) {
      findings.invalid(at(index), 'a locality is region, region/zone or region/zone/subzone');
    }
    const other = steps.findIndex((their, i) => i < index && overlap(their, own));
    if (other >= 0) {
      const text = `${locality.slice(0, 80)} overlaps ${localities[other]?.slice(0, 80)}`;
      findings.invalid(at(index), text);
    }
  }
}

/** Whether one of the two is within the other; no step at all (`*`) is everything. */
function overlap(a: readonly string[], b: readonly string[]): boolean {
  const shared = Math.min(isAll(a) ? 0 : a.length, isAll(b) ? 0 : b.length);
  return a.slice(0, shared).every((step, i) => step === b[i]);
}

function isAll(steps: readonly string[]): boolean {
  return steps.length === 1 && steps[0] === '';
}
