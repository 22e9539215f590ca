// The codes that Istio's `istioctl analyze` has for what a problem says, for people who look them up or filter by them.
// Problems that Istio has no message for have none.
import type { Problem, Severity } from './problem.js';
import type { ProblemCode } from './problem-codes.js';

/** One code, or the code of each kind of resource, or of each severity. */
type IstioCode = string | Readonly<Partial<Record<string, string>>>;

/**
 * Problem code -> Istio's code (istio.io, "Configuration analysis messages"). What Istio's validation refuses is
 * IST0106, what it warns of IST0133.
 */
export const istioCodes: Readonly<Partial<Record<ProblemCode, IstioCode>>> = {
  'unknown-field': { error: 'IST0106' },
  'wrong-type': { error: 'IST0106' },
  'invalid-value': { error: 'IST0106', warning: 'IST0133' },
  'missing-field': { error: 'IST0106' },
  deprecated: 'IST0002',
  'unknown-host': { VirtualService: 'IST0101', DestinationRule: 'IST0174' },
  'unknown-subset': 'IST0101',
  'unknown-port': { VirtualService: 'IST0101' },
  'unknown-gateway': 'IST0101',
  'host-not-in-gateway': 'IST0132',
  'subset-not-for-gateway': 'IST0140',
  'gateway-port-not-in-service': 'IST0162',
  'gateway-conflict': 'IST0145',
  'shared-certificate': 'IST0138',
  'invalid-credential': 'IST0161',
  'port-required': 'IST0112',
  'duplicate-host': { VirtualService: 'IST0109' },
  'unreachable-rule': 'IST0130',
  'ineffective-match': 'IST0131',
  'ineffective-setting': 'IST0133',
  'empty-subset': 'IST0173',
  'unmatched-selector': { Sidecar: 'IST0101', default: 'IST0127' },
  'duplicate-sidecar': 'IST0111',
  'sidecar-conflict': 'IST0110',
  'default-cas': 'IST0128',
  'addresses-required': 'IST0134',
  'service-entry-conflict': 'IST0177',
  'workload-conflict': 'IST0137',
  'undeclared-protocol': { Service: 'IST0118' },
  'patch-order': 'IST0151',
};

/** Istio's code for a problem; undefined where it has none. */
export function istioCode(problem: {
  code: string;
  severity: Severity;
  resource?: Problem['resource'];
  istio?: string;
}): string | undefined {
  if (problem.istio !== undefined) return problem.istio;
  const found = istioCodes[problem.code as ProblemCode];
  if (found === undefined || typeof found === 'string') return found;
  return found[problem.resource?.kind ?? ''] ?? found[problem.severity] ?? found['default'];
}

/** All codes that a problem code can have, for the page of problems. */
export function istioCodesOf(code: ProblemCode): readonly string[] {
  const found = istioCodes[code];
  const further = furtherCodes[code] ?? [];
  const own = found === undefined ? [] : typeof found === 'string' ? [found] : Object.values(found);
  return [...new Set([...own.filter((text) => text !== undefined), ...further])].sort();
}

/** Codes that findings set themselves: Istio has two where the place or the reason differs. */
const furtherCodes: Readonly<Partial<Record<ProblemCode, readonly string[]>>> = {
  'invalid-value': ['IST0125', 'IST0165'],
  'invalid-credential': ['IST0101'],
  'ineffective-setting': ['IST0128', 'IST0129'],
  'no-effect': ['IST0152', 'IST0153', 'IST0154'],
  'unknown-annotation': ['IST0107', 'IST0108'],
  'unverified-server': ['IST0128', 'IST0129'],
  'default-cas': ['IST0129'],
  'addresses-required': ['IST0150'],
  'not-implemented': ['IST0149'],
  'protocol-conflict': ['IST0116'],
  'undeclared-protocol': ['IST0150'],
};
