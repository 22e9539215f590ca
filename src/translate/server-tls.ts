// TLS that a proxy terminates for its clients: the transport socket of a filter chain, of a Sidecar's ingress or a
// Gateway's server. Certificates come by SDS, so that a new one leaves the listener alone; where they are from is
// server-credentials.ts. TLS between sidecars is not here.
import type { TransportSocket } from '../envoy/gen/types/envoy/config/core/v3/TransportSocket.js';
import type { CertificateValidationContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.js';
import type { CommonTlsContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CommonTlsContext.js';
import type { DownstreamTlsContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/DownstreamTlsContext.js';
import type { TlsParameters } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/TlsParameters.js';
import { CIPHER_SUITES, ECDH_CURVES } from '../lib/tls-names.js';
import type { ServerTls } from '../mesh/gateway.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { any } from './any.js';
import { file, overAds } from './file-secrets.js';
import { sanMatcher } from './san-matcher.js';
import { type Credentials, certificateName, rootName } from './server-credentials.js';

/** What a transport socket is made of; plain data. */
export interface ServerTlsPlan {
  settings: ServerTls;
  credentials: Credentials;
  /** Application protocols that are offered. */
  alpn: readonly string[];
  /** The least version where nothing says another; Envoy's when absent. */
  leastVersion?: 'TLSV1_2';
}

/** TLS over TCP. */
export function serverTlsSocket(plan: ServerTlsPlan, settings: MeshSettings): TransportSocket {
  const parameters = tlsParameters(plan, settings);
  const context = tlsContext(plan, plan.alpn);
  if (Object.keys(parameters).length > 0) context.common_tls_context!.tls_params = parameters;
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context),
  };
}

/** TLS within QUIC, which is always 1.3, for HTTP/3. */
export function quicSocket(plan: ServerTlsPlan): TransportSocket {
  return {
    name: 'envoy.transport_sockets.quic',
    typed_config: any('envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport', {
      downstream_tls_context: tlsContext(plan, ['h3']),
    }),
  };
}

function tlsContext(
  { settings, credentials }: ServerTlsPlan,
  alpn: readonly string[],
): DownstreamTlsContext {
  const common: CommonTlsContext = {
    ...(alpn.length > 0 && { alpn_protocols: [...alpn] }),
    tls_certificate_sds_secret_configs: credentials.certificates.map((source) =>
      overAds(certificateName(source)),
    ),
    ...validation(settings, credentials),
  };
  return {
    common_tls_context: common,
    require_client_certificate: {
      value: settings.mode === 'MUTUAL' || settings.mode === 'ISTIO_MUTUAL',
    },
  };
}

function validation(settings: ServerTls, { root }: Credentials): CommonTlsContext {
  if (root === undefined) return {};
  const { subjectAltNames: names = [], caCrl } = settings;
  const { verifyCertificateSpki: keys = [], verifyCertificateHash: hashes = [] } = settings;
  const context: CertificateValidationContext = {
    ...(caCrl && { crl: file(caCrl) }),
    ...(names.length > 0 && { match_typed_subject_alt_names: names.map(sanMatcher) }),
    ...(keys.length > 0 && { verify_certificate_spki: keys }),
    ...(hashes.length > 0 && { verify_certificate_hash: hashes }),
    ...(settings.acceptUntrusted && { trust_chain_verification: 'ACCEPT_UNTRUSTED' }),
  };
  return {
    combined_validation_context: {
      default_validation_context: context,
      validation_context_sds_secret_config: overAds(rootName(root)),
    },
  };
}

const versions = {
  TLSV1_0: 'TLSv1_0',
  TLSV1_1: 'TLSv1_1',
  TLSV1_2: 'TLSv1_2',
  TLSV1_3: 'TLSv1_3',
} as const;

/** MeshConfig.tlsDefaults, then what the port says. Names that Envoy lacks are left out, as it refuses them. */
function tlsParameters(
  { settings: tls, leastVersion }: ServerTlsPlan,
  settings: MeshSettings,
): TlsParameters {
  const { tlsDefaults = {} } = settings.config;
  const given = [tls.minProtocolVersion, tlsDefaults.minProtocolVersion];
  const least = given.find(isVersion) ?? leastVersion;
  const most = [tls.maxProtocolVersion].find(isVersion);
  const ciphers = tls.cipherSuites?.length ? tls.cipherSuites : (tlsDefaults.cipherSuites ?? []);
  const curves = tls.ecdhCurves?.length ? tls.ecdhCurves : (tlsDefaults.ecdhCurves ?? []);
  const knownCiphers = known(ciphers, CIPHER_SUITES);
  const knownCurves = known(curves, ECDH_CURVES);
  return {
    ...(least && { tls_minimum_protocol_version: versions[least] }),
    ...(most && { tls_maximum_protocol_version: versions[most] }),
    ...(knownCiphers.length > 0 && { cipher_suites: knownCiphers }),
    ...(knownCurves.length > 0 && { ecdh_curves: knownCurves }),
  };
}

function known(names: readonly string[], all: ReadonlySet<string>): string[] {
  return [...new Set(names)].filter((name) => all.has(name));
}

function isVersion(text: string | undefined): text is keyof typeof versions {
  return text !== undefined && Object.hasOwn(versions, text);
}
