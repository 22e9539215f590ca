// Secrets (SDS) that name files of the proxy's host: Envoy reads the files itself, and again when others are moved into
// their place, which it does for secrets only. Contents of secrets that fairlead holds are not here.

import type { SdsSecretConfig } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/SdsSecretConfig.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { toDuration } from './duration.js';
import { certificateSecretName, rootSecretName } from './names.js';

/** Envoy reads files anew when something is moved into their folder, as Kubernetes and `mv` do. */
function folderOf(path: string): { path: string } {
  const end = path.lastIndexOf('/');
  return { path: end < 0 ? '.' : path.slice(0, end) || '/' };
}

/** A file as Envoy's data source. */
export const file = (filename: string) => ({ filename });

/** A secret asked for over ADS, waited for without a limit. */
export const overAds = (name: string): SdsSecretConfig => ({
  name,
  sds_config: { ads: {}, initial_fetch_timeout: toDuration(0), resource_api_version: 'V3' },
});

/** The CAs in a file. */
export const rootSecret = memoize(
  (_settings: MeshSettings, path: string): Secret => ({
    name: rootSecretName(path),
    validation_context: { trusted_ca: file(path), watched_directory: folderOf(path) },
  }),
);

/** A certificate and its key, each in a file. */
export const certificateSecret = memoize(
  (_settings: MeshSettings, certificate: string, key: string): Secret => ({
    name: certificateSecretName(certificate, key),
    tls_certificate: {
      certificate_chain: file(certificate),
      private_key: file(key),
      watched_directory: folderOf(certificate),
    },
  }),
);
