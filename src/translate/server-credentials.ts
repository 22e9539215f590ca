// Where a server of a Gateway, or a port of a Sidecar, has its certificates from, in the names of SDS, and whether they are there. The secrets
// themselves are server-secrets.ts.

import type { ServerTls } from '../mesh/gateway.js';
import type { MeshCertificate } from '../mesh/proxy-view.js';
import type { Secrets } from '../mesh/secret.js';
import {
  certificateSecretName,
  credentialRootName,
  credentialSecretName,
  rootSecretName,
} from './names.js';

/** A certificate with its key: of a Secret, or files on the host of the proxy. */
export type CertificateSource =
  | { credential: string }
  | { certificateFile: string; keyFile: string };

/** CAs: of a Secret, or a file on the host of the proxy. */
export type RootSource =
  /** `secret`: the Secret that holds them; `credential`: the one that they belong to, which names them. */
  { credential: string; secret: string } | { rootFile: string };

/** The certificates of a server. */
export interface Credentials {
  certificates: readonly CertificateSource[];
  /** What client certificates are checked against. */
  root?: RootSource;
}

/** Credentials, or why there are none: a sentence for users, and the field of the TLS settings that it is about. `missing`: there is no such Secret. */
export type FoundCredentials =
  | Credentials
  | {
      problem: string;
      field: 'mode' | 'credentialName' | 'credentialNames' | 'caCertCredentialName';
      missing?: true;
    };

/** SDS name of a certificate. */
export function certificateName(source: CertificateSource): string {
  return 'credential' in source
    ? credentialSecretName(source.credential)
    : certificateSecretName(source.certificateFile, source.keyFile);
}

/** SDS name of CAs. */
export function rootName(source: RootSource): string {
  return 'credential' in source
    ? credentialRootName(source.credential)
    : rootSecretName(source.rootFile);
}

/** SDS names of all that belongs to credentials. */
export function secretNames({ certificates, root }: Credentials): string[] {
  return [...certificates.map(certificateName), ...(root ? [rootName(root)] : [])];
}

/** The credentials of TLS by files alone. */
export function fileCredentials(tls: ServerTls): Credentials {
  const { caCertificates } = tls;
  const certificates = certificateFiles(tls);
  return checksClients(tls) && caCertificates
    ? { certificates, root: { rootFile: caCertificates } }
    : { certificates };
}

function checksClients({ mode }: ServerTls): boolean {
  return mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
}

/** The credentials of TLS that is terminated; a Secret that is not there, or holds something else, is a problem. */
export function credentialsOf(
  tls: ServerTls,
  secrets: Secrets | undefined,
  own?: MeshCertificate,
): FoundCredentials {
  if (tls.mode === 'ISTIO_MUTUAL') return ownCredentials(own);
  const names = tls.credentialNames?.length
    ? tls.credentialNames
    : tls.credentialName
      ? [tls.credentialName]
      : [];
  for (const name of names) {
    const field = tls.credentialNames?.length ? 'credentialNames' : 'credentialName';
    const secret = secrets?.get(name);
    if (secret === undefined) {
      return { problem: `there is no Secret ${name}`, field, missing: true };
    }
    if (secret.certificate === undefined) {
      return { problem: `the Secret ${name} has no certificate with its key`, field };
    }
  }
  const certificates =
    names.length > 0 ? names.map((credential) => ({ credential })) : certificateFiles(tls);
  if (!checksClients(tls)) return { certificates };
  const root = rootOf(tls, names[0], secrets);
  return 'problem' in root ? root : { certificates, root };
}

/** ISTIO_MUTUAL: the certificate that the proxy has in the mesh. */
function ownCredentials(own: MeshCertificate | undefined): FoundCredentials {
  if (own === undefined) {
    const problem = 'the proxy names no certificate of the mesh (TLS_SERVER_CERT_CHAIN and others)';
    return { problem, field: 'mode' };
  }
  return {
    certificates: [{ certificateFile: own.chain, keyFile: own.key }],
    root: { rootFile: own.root },
  };
}

function certificateFiles(tls: ServerTls): CertificateSource[] {
  const listed = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls];
  return listed.map(({ serverCertificate = '', privateKey = '' }) => ({
    certificateFile: serverCertificate,
    keyFile: privateKey,
  }));
}

/** A Secret of its own, a file, the Secret `NAME-cacert`, or the CAs in the Secret of the certificate. */
function rootOf(
  { caCertCredentialName, caCertificates }: ServerTls,
  credential: string | undefined,
  secrets: Secrets | undefined,
): RootSource | Extract<FoundCredentials, { problem: string }> {
  if (caCertCredentialName) {
    const field = 'caCertCredentialName';
    const secret = secrets?.get(caCertCredentialName);
    if (secret === undefined) {
      return { problem: `there is no Secret ${caCertCredentialName}`, field, missing: true };
    }
    if (secret.ca) return { credential: caCertCredentialName, secret: caCertCredentialName };
    return { problem: `the Secret ${caCertCredentialName} has no ca.crt`, field };
  }
  if (caCertificates) return { rootFile: caCertificates };
  if (credential !== undefined) {
    for (const secret of [`${credential}-cacert`, credential]) {
      if (secrets?.get(secret)?.ca) return { credential, secret };
    }
  }
  const problem = `there are no CAs for client certificates: ca.crt in the Secret ${credential}, or a Secret ${credential}-cacert`;
  return { problem, field: 'credentialName' };
}
