// TLS that a proxy terminates (Istio API, ServerTLSSettings), as a Sidecar has it: certificates are files of the
// workload's host. What only gateways have of it is refused there, see sidecar-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import type { Findings } from './finding.js';
import type { FieldPath } from './problem.js';
import { enumeration, list, message } from './schema.js';
import { bool, string, strings, struct } from './values.js';

const refused = 'Istio refuses it for Sidecars.';

/** Versions as Istio writes them. */
const version = () => enumeration(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']);

/** TLS of a port that a sidecar serves. */
export const sidecarTlsSettings = message(
  {
    mode: enumeration([
      'PASSTHROUGH',
      'SIMPLE',
      'MUTUAL',
      'AUTO_PASSTHROUGH',
      'ISTIO_MUTUAL',
      'OPTIONAL_MUTUAL',
    ]).describe(
      'SIMPLE; MUTUAL: clients must have a certificate; OPTIONAL_MUTUAL: one that a client has must be good',
    ),
    serverCertificate: string.describe('file with the certificate that is shown'),
    privateKey: string.describe('file with its key'),
    caCertificates: string.describe("file with the CAs of clients' certificates"),
    caCrl: string.describe('file with revoked certificates of clients'),
    verifyCertificateSpki: strings.describe(
      "verify_certificate_spki: base64 SHA-256 of clients' keys",
    ),
    verifyCertificateHash: strings.describe(
      "verify_certificate_hash: hex SHA-256 of clients' certificates",
    ),
    minProtocolVersion: version().describe("tls_minimum_protocol_version; Envoy's when absent"),
    maxProtocolVersion: version().describe("tls_maximum_protocol_version; Envoy's when absent"),
    cipherSuites: strings.describe(
      'cipher_suites up to TLS 1.2; those that Envoy lacks are left out',
    ),
    ecdhCurves: strings.describe('ecdh_curves'),
    subjectAltNames: noEffect(strings, refused),
    httpsRedirect: noEffect(bool, refused),
    credentialName: noEffect(string, refused),
    credentialNames: noEffect(strings, refused),
    caCertCredentialName: noEffect(string, refused),
    tlsCertificates: noEffect(list(struct), refused),
    insecureSkipVerify: noEffect(bool, 'It is for the client side; Istio does not read it here.'),
  },
  'mode',
);

export type SidecarTlsSettings = z.output<typeof sidecarTlsSettings>;

/** What Envoy's TLS library knows; one name that it does not know makes it refuse the whole listener. */
const cipherSuites = new Set([
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA'],
  ...['ECDHE-ECDSA-AES256-SHA', 'ECDHE-RSA-AES256-SHA'],
  ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'AES128-SHA', 'AES256-SHA'],
]);

/** Whether Envoy knows a cipher suite by this name. */
export function isCipherSuite(name: string): boolean {
  return cipherSuites.has(name);
}

/** Warns of cipher suites that are left out. */
export function checkCipherSuites(
  findings: Findings,
  path: FieldPath,
  names: readonly string[] = [],
): void {
  for (const [i, name] of names.entries()) {
    if (!isCipherSuite(name))
      findings.warn([...path, i], `Envoy has no cipher suite "${name.slice(0, 80)}"`);
  }
}
