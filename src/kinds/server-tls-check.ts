// The rules of TLS towards clients beyond its schema, after Istio's validation of ServerTLSSettings.
import { CIPHER_SUITES, ECDH_CURVES } from '../lib/tls-names.js';
import type { Findings } from './finding.js';
import type { FieldPath } from './problem.js';
import type { ServerTls } from './server-tls.js';

const versions = ['TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'];
const hash = /^(?:[0-9a-fA-F]{64}|(?:[0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2})$/;
const spki = /^[A-Za-z0-9+/]{43}=$/;

type TlsParameters = Pick<
  ServerTls,
  | 'minProtocolVersion'
  | 'maxProtocolVersion'
  | 'cipherSuites'
  | 'ecdhCurves'
  | 'verifyCertificateHash'
  | 'verifyCertificateSpki'
>;

/** Checks the TLS of one server. */
export function checkServerTls(findings: Findings, path: FieldPath, tls: ServerTls): void {
  checkCredentials(findings, path, tls);
  checkTlsParameters(findings, path, tls);
}

/** Checks versions, cipher suites, curves and hashes, whatever the certificates come from. */
export function checkTlsParameters(findings: Findings, path: FieldPath, tls: TlsParameters): void {
  checkParameters(findings, path, tls);
  for (const [i, entry] of (tls.verifyCertificateHash ?? []).entries()) {
    if (!hash.test(entry)) {
      findings.invalid([...path, 'verifyCertificateHash', i], 'a hash is SHA-256 in hexadecimal');
    }
  }
  for (const [i, entry] of (tls.verifyCertificateSpki ?? []).entries()) {
    if (!spki.test(entry)) {
      findings.invalid([...path, 'verifyCertificateSpki', i], 'a hash is SHA-256 in base64');
    }
  }
}

const certificateFields = [
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'credentialName',
  'credentialNames',
  'tlsCertificates',
] as const;

function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function checkCredentials(findings: Findings, path: FieldPath, tls: ServerTls): void {
  const { mode = 'PASSTHROUGH' } = tls;
  if (mode === 'ISTIO_MUTUAL') {
    for (const field of certificateFields) {
      if (isSet(tls[field])) findings.invalid([...path, field], `ISTIO_MUTUAL has no ${field}`);
    }
    return;
  }
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    for (const field of [...certificateFields, 'caCrl'] as const) {
      if (isSet(tls[field])) {
        findings.warn([...path, field], `${mode} does not terminate TLS: ${field} is not used`);
      }
    }
    return;
  }
  checkOneSource(findings, path, tls);
  const needsCa = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  // A Secret may hold the CAs beside the certificate, or in NAME-cacert.
  const hasSecret = isSet(tls.credentialName) || isSet(tls.credentialNames);
  if (needsCa && !hasSecret && !tls.caCertificates && !tls.caCertCredentialName) {
    findings.missing([...path, 'caCertificates'], `${mode} needs caCertificates`);
  }
  if (!hasSecret) checkCrl(findings, path, tls);
}

/** A list of revoked certificates of clients is for modes that ask for one. */
export function checkCrl(
  findings: Findings,
  path: FieldPath,
  { mode, caCrl }: Pick<ServerTls, 'mode' | 'caCrl'>,
): void {
  if (mode !== 'SIMPLE' || !caCrl) return;
  findings.invalid([...path, 'caCrl'], 'SIMPLE asks for no certificates of clients: no caCrl');
}

/** Certificates come from one Secret, several, files, or several files. */
function checkOneSource(findings: Findings, path: FieldPath, tls: ServerTls): void {
  const sources = (
    ['credentialName', 'credentialNames', 'tlsCertificates', 'serverCertificate'] as const
  ).filter((field) => isSet(tls[field]));
  for (const field of sources.slice(1)) {
    const message = `${field} goes not with ${sources[0]}`;
    // A file without the one that belongs to it is nothing that could be meant instead.
    if (field === 'serverCertificate' && !tls.privateKey) findings.warn([...path, field], message);
    else findings.invalid([...path, field], message);
  }
  if (tls.caCertCredentialName && tls.caCertificates) {
    findings.invalid(
      [...path, 'caCertCredentialName'],
      'caCertCredentialName goes not with caCertificates',
    );
  }
  const [source] = sources;
  if (source === undefined && !tls.privateKey) {
    findings.missing(path, `TLS of mode ${tls.mode} needs credentialName, or files`);
  } else if (source === undefined || source === 'serverCertificate') {
    for (const field of ['serverCertificate', 'privateKey'] as const) {
      if (!tls[field]) findings.missing([...path, field], `${tls.mode} needs ${field}`);
    }
  }
  for (const field of ['credentialNames', 'tlsCertificates'] as const) {
    if ((tls[field]?.length ?? 0) > 2) {
      findings.invalid([...path, field], 'there are at most two: one for RSA and one for ECDSA');
    }
  }
  for (const [i, one] of (tls.tlsCertificates ?? []).entries()) {
    for (const field of ['serverCertificate', 'privateKey'] as const) {
      if (!one[field]) {
        findings.missing([...path, 'tlsCertificates', i, field], `${field} must be given`);
      }
    }
  }
}

function checkParameters(findings: Findings, path: FieldPath, tls: TlsParameters): void {
  const min = versions.indexOf(tls.minProtocolVersion ?? '');
  const max = versions.indexOf(tls.maxProtocolVersion ?? '');
  if (max >= 0 && min > max) {
    findings.invalid([...path, 'minProtocolVersion'], 'the lowest version is above the highest');
  }
  if (max >= 0 && max < versions.indexOf('TLSV1_2') && min < 0) {
    const why =
      'no client can connect: the lowest version is TLSV1_2 unless minProtocolVersion says so';
    findings.warn([...path, 'maxProtocolVersion'], why);
  }
  const seen = new Set<string>();
  for (const [i, suite] of (tls.cipherSuites ?? []).entries()) {
    const at = [...path, 'cipherSuites', i];
    if (!CIPHER_SUITES.has(suite)) {
      findings.warn(at, `"${suite.slice(0, 60)}" is not a cipher suite of Envoy; it is left out`);
    } else if (seen.has(suite)) findings.warn(at, `${suite} stands twice`);
    seen.add(suite);
  }
  for (const [i, curve] of (tls.ecdhCurves ?? []).entries()) {
    if (!ECDH_CURVES.has(curve)) {
      findings.warn(
        [...path, 'ecdhCurves', i],
        `"${curve.slice(0, 60)}" is not a curve of Envoy; it is left out`,
      );
    }
  }
}
