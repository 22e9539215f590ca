// The Secrets that DestinationRules name (tls.credentialName): which proxies may use them, and whether they are there.
// A cluster depends on that only, so that a new certificate leaves it alone; the secrets are sent apart.
import type { DestinationRule, Problem, TrafficPolicy } from '../mesh/rules.js';
import type { Secrets } from '../mesh/secret.js';
import type { Credentials } from './server-credentials.js';

type Tls = NonNullable<TrafficPolicy['tls']>;

/** What a Secret is good for: has it a certificate, and which Secret has the CAs. */
type Holdings = Readonly<Record<string, { certificate: boolean; ca: string }>>;

/**
 * What is there of the Secrets that a rule names, as text: equal texts make equal clusters. Undefined: the proxy has
 * no right to any. Gateways have; sidecars only by rules with a workloadSelector (Istio API, credentialName).
 */
export function credentialKey(
  rule: DestinationRule | undefined,
  { isRouter, secrets }: { isRouter: boolean; secrets: Secrets | undefined },
): string | undefined {
  if (rule === undefined || !(isRouter || rule.selectsWorkloads)) return undefined;
  const holdings: Record<string, Holdings[string]> = {};
  for (const name of credentialNames(rule)) {
    const ca = [`${name}-cacert`, name].find((each) => secrets?.get(each)?.ca) ?? '';
    holdings[name] = { certificate: secrets?.get(name)?.certificate !== undefined, ca };
  }
  return JSON.stringify(holdings);
}

function credentialNames({ trafficPolicy, subsets }: DestinationRule): readonly string[] {
  const policies = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)];
  const settings = policies.flatMap((policy) => [
    policy?.tls,
    ...(policy?.portLevelSettings ?? []).map(({ tls }) => tls),
  ]);
  return [...new Set(settings.flatMap((tls) => tls?.credentialName || []))].sort();
}

/**
 * The credentials of TLS to a service; `missing` says what a Secret lacks. Undefined where none is named, or the proxy
 * has no right to it.
 */
export function upstreamCredentials(
  tls: Tls | undefined,
  key: string | undefined,
): Credentials | { missing: string } | undefined {
  const credential = tls?.credentialName;
  if (!credential || key === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) {
    return undefined;
  }
  const { certificate, ca } = (JSON.parse(key) as Holdings)[credential] ?? {
    certificate: false,
    ca: '',
  };
  if (tls.mode === 'MUTUAL' && !certificate) {
    return { missing: `there is no Secret ${credential} with tls.crt and tls.key` };
  }
  if (ca === '' && !tls.insecureSkipVerify) {
    return { missing: `there is no ca.crt in a Secret ${credential} or ${credential}-cacert` };
  }
  return {
    certificates: tls.mode === 'MUTUAL' ? [{ credential }] : [],
    ...(!tls.insecureSkipVerify && { root: { credential, secret: ca } }),
  };
}

/** The problem of a cluster without its Secret. */
export function missingCredential(
  missing: string | undefined,
  rule: DestinationRule | undefined,
): Problem | undefined {
  const resource = rule?.sources[0];
  if (missing === undefined || resource === undefined) return undefined;
  const message = `nothing is sent to ${rule?.host}: ${missing}`;
  const isOfHost = Boolean(rule?.trafficPolicy?.tls?.credentialName);
  const path = isOfHost ? ['spec', 'trafficPolicy', 'tls', 'credentialName'] : ['spec'];
  return { code: 'invalid-credential', severity: 'error', message, resource, path };
}
