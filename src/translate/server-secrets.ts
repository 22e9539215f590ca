// The secrets that TLS towards clients names: certificates from Secrets, with their values, and files by their names.
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { SecretMaterial, Secrets } from '../mesh/secret.js';
import {
  certificateSecret as certificateFileSecret,
  rootSecret as rootFileSecret,
} from './file-secrets.js';
import { credentialRootName, credentialSecretName } from './names.js';
import type { CertificateSource, Credentials, RootSource } from './server-credentials.js';

/** What SDS sends for credentials that have been found (credentialsOf). */
export function secretsFor(
  { certificates, root }: Credentials,
  secrets: Secrets | undefined,
  settings: MeshSettings,
): Secret[] {
  return [
    ...certificates.flatMap((source) => certificateOf(source, secrets, settings) ?? []),
    ...((root && rootOf(root, secrets, settings)) ?? []),
  ];
}

function certificateOf(
  source: CertificateSource,
  secrets: Secrets | undefined,
  settings: MeshSettings,
): Secret | undefined {
  if (!('credential' in source)) {
    return certificateFileSecret(settings, source.certificateFile, source.keyFile);
  }
  const material = secrets?.get(source.credential);
  return material && certificateSecret(material, source.credential);
}

function rootOf(
  source: RootSource,
  secrets: Secrets | undefined,
  settings: MeshSettings,
): Secret[] | undefined {
  if (!('credential' in source)) return [rootFileSecret(settings, source.rootFile)];
  const material = secrets?.get(source.secret);
  return material && [rootSecret(material, source.credential)];
}

/** The certificate of a Secret under the name that a credentialName gives it; the same object for the same Secret. */
const certificateSecret = memoize(
  ({ certificate }: SecretMaterial, credential: string): Secret => ({
    name: credentialSecretName(credential),
    tls_certificate: {
      certificate_chain: { inline_string: certificate?.chain ?? '' },
      private_key: { inline_string: certificate?.key ?? '' },
    },
  }),
);

/** The CAs in a Secret, under the name of the credential that they belong to. */
const rootSecret = memoize(
  ({ ca = '', crl }: SecretMaterial, credential: string): Secret => ({
    name: credentialRootName(credential),
    validation_context: {
      trusted_ca: { inline_string: ca },
      ...(crl !== undefined && { crl: { inline_string: crl } }),
    },
  }),
);
