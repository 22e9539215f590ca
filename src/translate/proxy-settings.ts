// What MeshConfig.defaultConfig says about HTTP of every proxy: proxyHeaders and connectionSettings, as fields of the
// HTTP connection manager. What of them is part of routes and of the router filter is read there.
import type { HttpConnectionManager } from '../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { toDuration } from './duration.js';

type ProxyConfig = NonNullable<MeshSettings['config']['defaultConfig']>;
/** MeshConfig.defaultConfig.proxyHeaders. */
export type ProxyHeaders = NonNullable<ProxyConfig['proxyHeaders']>;
type ConnectionSettings = NonNullable<ProxyConfig['connectionSettings']>;

const noHeaders: ProxyHeaders = {};

/** Which headers proxies add and how they name themselves. */
export function proxyHeaders(settings: MeshSettings): ProxyHeaders {
  return settings.config.defaultConfig?.proxyHeaders ?? noHeaders;
}

/** x-envoy-attempt-count, unless MeshConfig turns it off. */
export function countsAttempts(settings: MeshSettings): boolean {
  return proxyHeaders(settings).attemptCount?.disabled !== true;
}

/** Headers of connection managers: inbound ones name themselves `istio-envoy`, outbound ones Envoy's `envoy`. */
export function headerFields(
  settings: MeshSettings,
  direction: 'inbound' | 'outbound',
): HttpConnectionManager {
  const { server, requestId, xForwardedPort } = proxyHeaders(settings);
  const serverName = server?.value || (direction === 'inbound' ? 'istio-envoy' : '');
  return {
    ...(server?.disabled
      ? { server_header_transformation: 'PASS_THROUGH' as const }
      : serverName && { server_name: serverName }),
    ...(requestId?.disabled && { generate_request_id: { value: false } }),
    ...(xForwardedPort?.enabled && { append_x_forwarded_port: true }),
    ...(direction === 'inbound' && clientCertFields(proxyHeaders(settings))),
  };
}

/**
 * Headers of a router's connection managers. What the client says of certificates is replaced by what it showed
 * (Istio, gatewayTopology.forwardClientCertDetails: SANITIZE_SET).
 */
export function gatewayHeaderFields(settings: MeshSettings): HttpConnectionManager {
  const { server, requestId, xForwardedPort, setCurrentClientCertDetails } = proxyHeaders(settings);
  const mode = settings.config.defaultConfig?.gatewayTopology?.forwardClientCertDetails;
  const forwardedClientCert = mode === undefined || mode === 'UNDEFINED' ? 'SANITIZE_SET' : mode;
  return {
    ...(server?.disabled
      ? { server_header_transformation: 'PASS_THROUGH' as const }
      : { server_name: server?.value || 'istio-envoy' }),
    ...(requestId?.disabled && { generate_request_id: { value: false } }),
    ...(xForwardedPort?.enabled && { append_x_forwarded_port: true }),
    ...clientCertFields({
      forwardedClientCert,
      setCurrentClientCertDetails: { cert: true, ...setCurrentClientCertDetails },
    }),
  };
}

/** What of the peer's certificate is passed on: appended, with subject, URI and DNS names, when nothing is said. */
function clientCertFields(headers: ProxyHeaders): HttpConnectionManager {
  const { forwardedClientCert: mode = 'UNDEFINED', setCurrentClientCertDetails: own } = headers;
  const how = mode === 'UNDEFINED' ? 'APPEND_FORWARD' : mode;
  if (how !== 'APPEND_FORWARD' && how !== 'SANITIZE_SET') {
    return { forward_client_cert_details: how };
  }
  const { subject = true, uri = true, dns = true, cert = false, chain = false } = own ?? {};
  return {
    forward_client_cert_details: how,
    set_current_client_cert_details: {
      subject: { value: subject },
      uri,
      dns,
      ...(cert && { cert }),
      ...(chain && { chain }),
    },
  };
}

/** Limits of connections and requests from clients; they go before those of `manager`. */
export function withConnectionSettings(
  manager: HttpConnectionManager,
  settings: MeshSettings,
): HttpConnectionManager {
  const own = settings.config.defaultConfig?.connectionSettings;
  if (own === undefined) return manager;
  const http2 = { ...manager.http2_protocol_options, ...http2Fields(own) };
  const common = commonFields(own);
  return {
    ...manager,
    ...timeouts(own),
    ...(Object.keys(common).length > 0 && { common_http_protocol_options: common }),
    ...((manager.http2_protocol_options || Object.keys(http2).length > 0) && {
      http2_protocol_options: http2,
    }),
    ...(own.httpMergeSlashes !== undefined && { merge_slashes: own.httpMergeSlashes }),
    ...escapedSlashes(own),
  };
}

function timeouts(own: ConnectionSettings): HttpConnectionManager {
  return {
    ...(own.httpStreamIdleTimeout !== undefined && {
      stream_idle_timeout: toDuration(own.httpStreamIdleTimeout),
    }),
    ...(own.httpRequestTimeout !== undefined && {
      request_timeout: toDuration(own.httpRequestTimeout),
    }),
    ...(own.httpRequestHeadersTimeout !== undefined && {
      request_headers_timeout: toDuration(own.httpRequestHeadersTimeout),
    }),
    ...(own.httpDrainTimeout !== undefined && { drain_timeout: toDuration(own.httpDrainTimeout) }),
  };
}

function commonFields(
  own: ConnectionSettings,
): NonNullable<HttpConnectionManager['common_http_protocol_options']> {
  const underscores = underscoreActions[own.httpHeadersWithUnderscoresAction ?? ''];
  return {
    ...(own.httpIdleTimeout !== undefined && { idle_timeout: toDuration(own.httpIdleTimeout) }),
    ...(own.httpMaxConnectionDuration !== undefined && {
      max_connection_duration: toDuration(own.httpMaxConnectionDuration),
    }),
    ...(own.httpMaxStreamDuration !== undefined && {
      max_stream_duration: toDuration(own.httpMaxStreamDuration),
    }),
    ...(underscores && { headers_with_underscores_action: underscores }),
  };
}

const underscoreActions: Readonly<
  Record<string, 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER' | undefined>
> = {
  HEADERS_WITH_UNDERSCORES_ALLOW: 'ALLOW',
  HEADERS_WITH_UNDERSCORES_REJECT_REQUEST: 'REJECT_REQUEST',
  HEADERS_WITH_UNDERSCORES_DROP_HEADER: 'DROP_HEADER',
};

function http2Fields(
  own: ConnectionSettings,
): NonNullable<HttpConnectionManager['http2_protocol_options']> {
  const { httpMaxConcurrentStreams: streams, http2InitialStreamWindowSize: stream } = own;
  const connection = own.http2InitialConnectionWindowSize;
  return {
    ...(streams !== undefined && { max_concurrent_streams: { value: streams } }),
    ...(stream !== undefined && { initial_stream_window_size: { value: stream } }),
    ...(connection !== undefined && { initial_connection_window_size: { value: connection } }),
  };
}

function escapedSlashes({
  httpPathWithEscapedSlashesAction: action = 'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED',
}: ConnectionSettings): HttpConnectionManager {
  if (action === 'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED') return {};
  return { path_with_escaped_slashes_action: action };
}
