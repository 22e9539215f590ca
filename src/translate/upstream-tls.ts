// The transport socket of a cluster: TLS as a DestinationRule asks for it, and the PROXY header in front. Certificates
// are files of the sidecar's host, which Envoy reads itself, or of Secrets (upstream-credentials.ts); TLS between
// sidecars (ISTIO_MUTUAL) is not here.
import type { TransportSocket } from '../envoy/gen/types/envoy/config/core/v3/TransportSocket.js';
import type { UpstreamHttpProtocolOptions } from '../envoy/gen/types/envoy/config/core/v3/UpstreamHttpProtocolOptions.js';
import type { CertificateValidationContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.js';
import type { CommonTlsContext } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/CommonTlsContext.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { TrafficPolicy } from '../mesh/rules.js';
import type { Service } from '../mesh/service.js';
import { any } from './any.js';
import { certificateSecret, file, overAds, rootSecret } from './file-secrets.js';
import { certificateSecretName } from './names.js';
import { sanMatcher } from './san-matcher.js';
import { type Credentials, certificateName, rootName } from './server-credentials.js';
import type { EffectivePolicy } from './traffic-policy.js';

type Tls = NonNullable<TrafficPolicy['tls']>;

/** The CAs that a machine trusts, where Debian, Ubuntu, Alpine and the Envoy images keep them. */
const SYSTEM_CAS = '/etc/ssl/certs/ca-certificates.crt';

/** What a cluster needs for its connections to be as the policy has them. */
export interface UpstreamTransport {
  socket?: TransportSocket;
  /** SNI and the certificate's name are those of each request (auto_sni, auto_san_validation). */
  perRequest?: UpstreamHttpProtocolOptions;
}

/** What TLS depends on besides its settings. */
interface UpstreamTls {
  service: Pick<Service, 'subjectAltNames'>;
  http2: boolean;
  settings: MeshSettings;
  /** Those of its credentialName, where the proxy may use them. */
  credentials?: Credentials | undefined;
}

/** Whether TLS is by the name of each request and checks it. */
export function checksEachName({ tls }: EffectivePolicy): boolean {
  if (tls === undefined || !asksForTls(tls)) return false;
  return perRequestNames(tls)?.auto_san_validation === true;
}

/**
 * TLS of mode SIMPLE or MUTUAL, and the PROXY header. SNI and the names checked are those of the rule; without them
 * those of the ServiceEntry (names), else of the request's host (Istio API, ClientTLSSettings).
 */
export function upstreamTransport(
  policy: EffectivePolicy,
  upstream: UpstreamTls,
): UpstreamTransport {
  const tls = asksForTls(policy.tls, upstream.credentials) ? policy.tls : undefined;
  const inner = tls && tlsSocket(tls, upstream);
  const socket = policy.proxyProtocol ? proxyHeader(policy.proxyProtocol, inner) : inner;
  const perRequest = tls && perRequestNames(tls);
  return { ...(socket && { socket }), ...(perRequest && { perRequest }) };
}

/**
 * A credentialName is for gateways: without a workloadSelector a sidecar has no right to the secret, and Istio
 * leaves TLS out then.
 */
function asksForTls(tls: Tls | undefined, credentials?: Credentials): boolean {
  const mode = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
  return mode && (!tls.credentialName || credentials !== undefined);
}

function perRequestNames(tls: Tls): UpstreamHttpProtocolOptions | undefined {
  if (tls.sni) return undefined;
  const checked = !tls.insecureSkipVerify && !tls.subjectAltNames?.length;
  return { auto_sni: true, ...(checked && { auto_san_validation: true }) };
}

function tlsSocket(
  tls: Tls,
  { service, http2, settings, credentials }: UpstreamTls,
): TransportSocket {
  const { ecdhCurves = [], cipherSuites = [] } = settings.config.tlsDefaults ?? {};
  const common: CommonTlsContext = {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_2',
      tls_maximum_protocol_version: 'TLSv1_3',
      ...(ecdhCurves.length > 0 && { ecdh_curves: ecdhCurves }),
      ...(cipherSuites.length > 0 && { cipher_suites: cipherSuites }),
    },
    ...validation(tls, service, credentials),
    ...(http2 && { alpn_protocols: ['h2'] }),
  };
  if (credentials?.certificates.length) {
    common.tls_certificate_sds_secret_configs = credentials.certificates.map((source) =>
      overAds(certificateName(source)),
    );
  } else if (tls.mode === 'MUTUAL' && tls.clientCertificate && tls.privateKey) {
    const name = certificateSecretName(tls.clientCertificate, tls.privateKey);
    common.tls_certificate_sds_secret_configs = [overAds(name)];
  }
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: common,
      ...(tls.sni && { sni: tls.sni }),
    }),
  };
}

function validation(
  tls: Tls,
  service: UpstreamTls['service'],
  credentials?: Credentials,
): CommonTlsContext {
  if (tls.insecureSkipVerify) return { validation_context: {} };
  const names = tls.subjectAltNames?.length ? tls.subjectAltNames : (service.subjectAltNames ?? []);
  const context: CertificateValidationContext = {
    ...(tls.caCrl && { crl: file(tls.caCrl) }),
    ...(names.length > 0 && { match_typed_subject_alt_names: names.map(sanMatcher) }),
  };
  if (tls.caText !== undefined) {
    return { validation_context: { ...context, trusted_ca: { inline_string: tls.caText } } };
  }
  // The system's own file need not be watched, and a secret apart would only make clusters wait for it.
  const root =
    credentials?.root ?? (tls.caCertificates ? { rootFile: tls.caCertificates } : undefined);
  if (root === undefined) {
    return { validation_context: { ...context, trusted_ca: file(SYSTEM_CAS) } };
  }
  return {
    combined_validation_context: {
      default_validation_context: context,
      validation_context_sds_secret_config: overAds(rootName(root)),
    },
  };
}

/**
 * The secrets that a policy's TLS asks for: names of files, which Envoy reads, and reads again when others are moved
 * into their place. Envoy watches files of secrets only, so they are sent apart from the cluster.
 */
export function upstreamSecrets({ tls }: EffectivePolicy, settings: MeshSettings): Secret[] {
  if (tls === undefined || !asksForTls(tls)) return [];
  const { caCertificates, clientCertificate, privateKey } = tls;
  const secrets: Secret[] = [];
  if (caCertificates && !tls.insecureSkipVerify) secrets.push(rootSecret(settings, caCertificates));
  if (tls.mode === 'MUTUAL' && clientCertificate && privateKey) {
    secrets.push(certificateSecret(settings, clientCertificate, privateKey));
  }
  return secrets;
}

function proxyHeader(
  { version = 'V1' }: NonNullable<TrafficPolicy['proxyProtocol']>,
  inner: TransportSocket | undefined,
): TransportSocket {
  const plain: TransportSocket = {
    name: 'envoy.transport_sockets.raw_buffer',
    typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
  };
  return {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: any(
      'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
      { config: { version }, transport_socket: inner ?? plain },
    ),
  };
}
