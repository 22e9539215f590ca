// ServerTLSSettings: TLS that a proxy terminates for its clients, of a Gateway's server and of a Sidecar's ingress.
// What of it belongs together is in server-tls-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { bool, string, strings } from './values.js';

/** A version of TLS as Istio writes it. */
export const tlsVersion = () =>
  enumeration(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const);

/** What is done with TLS of clients. */
export const serverTlsMode = () =>
  enumeration([
    'PASSTHROUGH',
    'SIMPLE',
    'MUTUAL',
    'AUTO_PASSTHROUGH',
    'ISTIO_MUTUAL',
    'OPTIONAL_MUTUAL',
  ] as const);

/** TLS towards clients (Istio API, ServerTLSSettings). */
export const serverTls = message({
  httpsRedirect: bool.describe('plain HTTP is answered with a redirect (301) to https'),
  mode: serverTlsMode().describe(
    'what is done with TLS: passed on by SNI, or terminated with a client certificate or without',
  ),
  serverCertificate: string.describe('file on the host of the proxy: the certificate chain'),
  privateKey: string.describe('file on the host of the proxy: its key'),
  caCertificates: string.describe('file on the host of the proxy: CAs of client certificates'),
  caCrl: string.describe('file on the host of the proxy: revoked client certificates'),
  credentialName: string.describe('Secret with the certificate, in the namespace of the proxy'),
  credentialNames: strings.describe('several Secrets, such as one for RSA and one for ECDSA'),
  caCertCredentialName: string.describe('Secret with the CAs of client certificates'),
  tlsCertificates: list(
    message({
      serverCertificate: string.describe('file: the certificate chain'),
      privateKey: string.describe('file: its key'),
      caCertificates: noEffect(string, 'The CAs are those beside the list.'),
    }),
  ).describe('several certificates in files, such as one for RSA and one for ECDSA'),
  subjectAltNames: strings.describe('names that a client certificate may have; any when absent'),
  verifyCertificateSpki: strings.describe('hashes of keys that client certificates may have'),
  verifyCertificateHash: strings.describe('hashes of client certificates that are accepted'),
  minProtocolVersion: tlsVersion().describe('lowest version of TLS; TLSV1_2 when absent'),
  maxProtocolVersion: tlsVersion().describe('highest version of TLS; TLSV1_3 when absent'),
  cipherSuites: strings.describe('cipher suites; those of Envoy when absent'),
  ecdhCurves: strings.describe('curves; those of Envoy when absent'),
  insecureSkipVerify: noEffect(bool, 'Istio does not honour it for servers either.'),
});

export type ServerTls = z.output<typeof serverTls>;
