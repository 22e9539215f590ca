// TLS that a proxy terminates, by certificates in files of its host (Sidecar.ingress tls). TLS between sidecars is not
// here.
import type { TransportSocket } from '../envoy/gen/types/envoy/config/core/v3/TransportSocket.js';
import type { CertificateValidationContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.js';
import type { CommonTlsContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CommonTlsContext.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { TlsParameters } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/TlsParameters.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ServerTls } from '../mesh/proxy-view.js';
import { any } from './any.js';
import { certificateSecret, file, overAds, rootSecret } from './file-secrets.js';
import { certificateSecretName, rootSecretName } from './names.js';

/** The transport socket of a filter chain. Application protocols are offered on every port, as in Istio. */
export function serverTlsSocket(tls: ServerTls, settings: MeshSettings): TransportSocket {
  const parameters = tlsParameters(tls, settings);
  const common: CommonTlsContext = {
    alpn_protocols: ['h2', 'http/1.1'],
    ...(Object.keys(parameters).length > 0 && { tls_params: parameters }),
    tls_certificate_sds_secret_configs: [
      overAds(certificateSecretName(tls.serverCertificate ?? '', tls.privateKey ?? '')),
    ],
    ...(checksClients(tls) && validation(tls)),
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: common,
      require_client_certificate: { value: tls.mode === 'MUTUAL' },
    }),
  };
}

/** The secrets that it names. */
export function serverTlsSecrets(tls: ServerTls, settings: MeshSettings): Secret[] {
  const { serverCertificate = '', privateKey = '', caCertificates } = tls;
  const own = certificateSecret(settings, serverCertificate, privateKey);
  return checksClients(tls) && caCertificates ? [own, rootSecret(settings, caCertificates)] : [own];
}

function checksClients({ mode }: ServerTls): boolean {
  return mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
}

function validation(tls: ServerTls): CommonTlsContext {
  const { verifyCertificateSpki: keys = [], verifyCertificateHash: hashes = [] } = tls;
  const context: CertificateValidationContext = {
    ...(tls.caCrl && { crl: file(tls.caCrl) }),
    ...(keys.length > 0 && { verify_certificate_spki: keys }),
    ...(hashes.length > 0 && { verify_certificate_hash: hashes }),
  };
  return {
    combined_validation_context: {
      default_validation_context: context,
      validation_context_sds_secret_config: overAds(rootSecretName(tls.caCertificates ?? '')),
    },
  };
}

const versions = {
  TLSV1_0: 'TLSv1_0',
  TLSV1_1: 'TLSv1_1',
  TLSV1_2: 'TLSv1_2',
  TLSV1_3: 'TLSv1_3',
} as const;

/** MeshConfig.tlsDefaults, then what the port says. */
function tlsParameters(tls: ServerTls, settings: MeshSettings): TlsParameters {
  const { tlsDefaults = {} } = settings.config;
  const least = [tls.minProtocolVersion, tlsDefaults.minProtocolVersion].find(isVersion);
  const most = [tls.maxProtocolVersion].find(isVersion);
  const ciphers = tls.cipherSuites?.length ? tls.cipherSuites : (tlsDefaults.cipherSuites ?? []);
  const curves = tls.ecdhCurves?.length ? tls.ecdhCurves : (tlsDefaults.ecdhCurves ?? []);
  return {
    ...(least && { tls_minimum_protocol_version: versions[least] }),
    ...(most && { tls_maximum_protocol_version: versions[most] }),
    ...(ciphers.length > 0 && { cipher_suites: ciphers }),
    ...(curves.length > 0 && { ecdh_curves: curves }),
  };
}

function isVersion(text: string | undefined): text is keyof typeof versions {
  return text !== undefined && Object.hasOwn(versions, text);
}
