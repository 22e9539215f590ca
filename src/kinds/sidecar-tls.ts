// TLS that a proxy terminates (Istio API, ServerTLSSettings), as a Sidecar has it: certificates are files of the
// workload's host. What only gateways have of it is refused there, see sidecar-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { list, message } from './schema.js';
import { serverTlsMode, tlsVersion } from './server-tls.js';
import { bool, string, strings, struct } from './values.js';

const refused = 'Istio refuses it for Sidecars.';

/** TLS of a port that a sidecar serves. */
export const sidecarTlsSettings = message({
  mode: serverTlsMode().describe(
    'SIMPLE; MUTUAL: clients must have a certificate; OPTIONAL_MUTUAL: one that a client has must be good; ' +
      'PASSTHROUGH, also when absent: TLS does not end at the sidecar',
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
  minProtocolVersion: tlsVersion().describe("tls_minimum_protocol_version; Envoy's when absent"),
  maxProtocolVersion: tlsVersion().describe("tls_maximum_protocol_version; Envoy's when absent"),
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
});

export type SidecarTlsSettings = z.output<typeof sidecarTlsSettings>;
