// The rules of DestinationRule beyond its schema, after Istio's validation. Those of a traffic policy are in
// traffic-policy-check.ts.
import type { DestinationRuleSpec } from './destination-rule.js';
import type { Check } from './finding.js';
import { isAnyCaseLabel } from './names.js';
import { checkSelectorLabels } from './selector-check.js';
import { checkTrafficPolicy } from './traffic-policy-check.js';
import { checkExportTo, checkHost, checkLabels } from './value-check.js';

/** Checks a DestinationRule beyond its schema. */
export const checkDestinationRule: Check<DestinationRuleSpec> = (spec, findings, { namespace }) => {
  checkHost(findings, ['host'], spec.host, 'wildcard');
  checkTrafficPolicy(findings, ['trafficPolicy'], spec.trafficPolicy);
  const names = new Set<string>();
  for (const [index, subset] of (spec.subsets ?? []).entries()) {
    const path = ['subsets', index];
    if (!isAnyCaseLabel(subset.name)) {
      findings.invalid([...path, 'name'], 'the name of a subset is a DNS label');
    } else if (names.has(subset.name)) {
      findings.invalid([...path, 'name'], `there are two subsets ${subset.name}`);
    }
    names.add(subset.name);
    checkLabels(findings, [...path, 'labels'], subset.labels);
    checkTrafficPolicy(findings, [...path, 'trafficPolicy'], subset.trafficPolicy);
  }
  checkExportTo(findings, spec.exportTo, { namespace, none: false });
  const selector = spec.workloadSelector;
  if (!selector) return;
  checkSelectorLabels(findings, ['workloadSelector', 'matchLabels'], selector.matchLabels);
  if (Object.keys(selector.matchLabels ?? {}).length === 0) {
    findings.warn(['workloadSelector'], 'a selector without labels is for the whole namespace');
  }
  if (spec.exportTo?.some((entry) => entry !== '.' && entry !== namespace)) {
    findings.invalid(['exportTo'], 'with a workloadSelector, only the own namespace is allowed');
  }
};
