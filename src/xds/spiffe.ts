// SPIFFE IDs of workloads in Istio's form, and the names of a certificate as Node prints them. Verifying certificates
// is the TLS layer's business.

/** `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT` (Istio's workload identity). */
export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Reads a SPIFFE ID of Istio's form; undefined for any other text. */
export function parseSpiffeId(uri: string): WorkloadIdentity | undefined {
  const match = /^spiffe:\/\/([^/?#]+)\/ns\/([^/?#]+)\/sa\/([^/?#]+)$/.exec(uri);
  if (match === null) return undefined;
  const [, trustDomain, namespace, serviceAccount] = match as unknown as [
    string,
    string,
    string,
    string,
  ];
  return { trustDomain, namespace, serviceAccount };
}

/** `URI:` names with the scheme spiffe, without `URI:`. */
export function spiffeUris(names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith('URI:spiffe://')).map((name) => name.slice(4));
}

/**
 * Splits Node's text of a certificate's subjectAltName. A value with a comma or another character that could mislead
 * is in JSON quotes there (CVE-2021-44532), and is never taken for two.
 */
export function subjectAltNames(text: string): string[] {
  const names: string[] = [];
  const one = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;
  for (let match = one.exec(text); match !== null && match[0] !== ''; match = one.exec(text)) {
    const [, kind, value] = match as unknown as [string, string, string];
    names.push(`${kind}:${value.startsWith('"') ? (JSON.parse(value) as string) : value}`);
  }
  return names;
}
