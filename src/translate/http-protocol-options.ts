// The upstream side of HTTP: which version of HTTP is spoken to a service, and the limits of one connection.

import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { MatchPredicate } from '../envoy/gen/types/envoy/config/common/matcher/v3/MatchPredicate.js';
import type { Http1ProtocolOptions } from '../envoy/gen/types/envoy/config/core/v3/Http1ProtocolOptions.js';
import type { Http2ProtocolOptions } from '../envoy/gen/types/envoy/config/core/v3/Http2ProtocolOptions.js';
import type { HttpProtocolOptions as CommonOptions } from '../envoy/gen/types/envoy/config/core/v3/HttpProtocolOptions.js';
import type { UpstreamHttpProtocolOptions } from '../envoy/gen/types/envoy/config/core/v3/UpstreamHttpProtocolOptions.js';
import type { HttpProtocolOptions } from '../envoy/gen/types/envoy/extensions/upstreams/http/v3/HttpProtocolOptions.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyType } from '../mesh/proxy.js';
import type { Protocol } from '../mesh/service.js';
import { any } from './any.js';
import { toDuration } from './duration.js';
import { listenerProtocol } from './listener-protocol.js';
import { proxyHeaders } from './proxy-settings.js';
import type { ConnectionPool } from './traffic-policy.js';

/** The key of Envoy's HTTP options among a cluster's extension options, and their type. */
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type ExtensionOptions = NonNullable<Cluster['typed_extension_protocol_options']>;

export interface UpstreamHttp {
  protocol: Protocol;
  proxyType: ProxyType;
  direction: 'inbound' | 'outbound';
  pool: ConnectionPool | undefined;
  settings: MeshSettings;
  /** DestinationRule outlierDetectionHttpErrorCodes: statuses that count as errors, in place of all from 500. */
  errorCodes?: readonly number[] | undefined;
}

/**
 * typed_extension_protocol_options of a cluster; undefined where Envoy's defaults (HTTP/1.1, no limits) hold.
 * HTTP/2 for ports that declare it, the client's version for sniffed ports of sidecars. `perRequest`: names of TLS.
 */
export function httpProtocolOptions(
  upstream: UpstreamHttp,
  perRequest?: UpstreamHttpProtocolOptions,
): ExtensionOptions | undefined {
  const common = commonOptions(upstream.pool);
  const version = upstreamVersion(upstream);
  const errors = errorMatcher(upstream.errorCodes ?? []);
  const isHttp = ['http', 'auto'].includes(listenerProtocol(upstream.protocol));
  const http1 = isHttp ? http1Options(upstream.settings) : noOptions;
  const isDefault = version === 'http1' && common === undefined && perRequest === undefined;
  if (isDefault && errors === undefined && http1 === noOptions) return undefined;
  const options: HttpProtocolOptions = {};
  if (errors !== undefined) options.outlier_detection = { error_matcher: errors };
  if (perRequest !== undefined) options.upstream_http_protocol_options = perRequest;
  if (common !== undefined) options.common_http_protocol_options = common;
  if (version === 'client') {
    options.use_downstream_protocol_config = {
      http_protocol_options: http1,
      http2_protocol_options: {},
    };
  } else {
    options.explicit_http_config =
      version === 'http2'
        ? { http2_protocol_options: http2Options(upstream.pool) }
        : { http_protocol_options: http1 };
  }
  return asExtension(options);
}

/** Whether nothing but HTTP/2 is spoken to the service. */
export function speaksHttp2(upstream: UpstreamHttp): boolean {
  return upstreamVersion(upstream) === 'http2';
}

/** Options of the passthrough clusters: the client's version, connections closed after 5 idle minutes. */
export function passthroughHttpProtocolOptions(
  settings: MeshSettings,
  perRequest?: UpstreamHttpProtocolOptions,
): ExtensionOptions {
  return asExtension({
    common_http_protocol_options: { idle_timeout: toDuration(300_000) },
    use_downstream_protocol_config: {
      http_protocol_options: http1Options(settings),
      http2_protocol_options: {},
    },
    ...(perRequest && { upstream_http_protocol_options: perRequest }),
  });
}

const noOptions: Http1ProtocolOptions = {};

const preserveCase: Http1ProtocolOptions = {
  header_key_format: {
    stateful_formatter: {
      name: 'envoy.http.stateful_header_formatters.preserve_case',
      typed_config: any(
        'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
        {},
      ),
    },
  },
};

/** HTTP/1.1 on either side of a proxy: names of headers in lower case, or as they were written (proxyHeaders). */
export function http1Options(settings: MeshSettings): Http1ProtocolOptions {
  return proxyHeaders(settings).preserveHttp1HeaderCase ? preserveCase : noOptions;
}

function asExtension(options: HttpProtocolOptions): ExtensionOptions {
  return { [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, ...options } };
}

function upstreamVersion(upstream: UpstreamHttp): 'http1' | 'http2' | 'client' {
  const http = upstream.pool?.http;
  if (http?.useClientProtocol) return 'client';
  if (isHttp2(upstream.protocol)) return 'http2';
  // A sniffed port stays with the client's version even where an upgrade is asked for.
  if (upstream.protocol === 'Auto' && upstream.proxyType === 'sidecar') return 'client';
  return upstream.direction === 'outbound' && isUpgraded(upstream) ? 'http2' : 'http1';
}

/** The rule's h2UpgradePolicy decides; without one the mesh's does, for ports that declare HTTP. */
function isUpgraded({ pool, protocol, settings }: UpstreamHttp): boolean {
  const policy = pool?.http?.h2UpgradePolicy;
  if (policy === 'UPGRADE') return true;
  if (policy === 'DO_NOT_UPGRADE') return false;
  return protocol === 'HTTP' && settings.config.h2UpgradePolicy === 'UPGRADE';
}

function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}

function http2Options(pool: ConnectionPool | undefined): Http2ProtocolOptions {
  const options: Http2ProtocolOptions = {};
  const { maxConcurrentStreams, http2KeepAlive } = pool?.http ?? {};
  if (maxConcurrentStreams) options.max_concurrent_streams = { value: maxConcurrentStreams };
  if (http2KeepAlive) {
    const { interval, timeout } = http2KeepAlive;
    options.connection_keepalive = {
      ...(interval !== undefined && { interval: toDuration(interval) }),
      ...(timeout !== undefined && { timeout: toDuration(timeout) }),
    };
  }
  return options;
}

/** Any of the codes; one alone needs no `or`, which Envoy takes from two on. */
function errorMatcher(codes: readonly number[]): MatchPredicate | undefined {
  const rules = codes.map((code) => ({
    http_response_headers_match: {
      headers: [{ name: ':status', string_match: { exact: String(code) } }],
    },
  }));
  return rules.length > 1 ? { or_match: { rules } } : rules[0];
}

/** http.idleTimeout, else tcp.idleTimeout, is the idle time of pooled connections. */
function commonOptions(pool: ConnectionPool | undefined): CommonOptions | undefined {
  const options: CommonOptions = {};
  const idle = pool?.http?.idleTimeout ?? pool?.tcp?.idleTimeout;
  if (idle !== undefined) options.idle_timeout = toDuration(idle);
  const requests = pool?.http?.maxRequestsPerConnection;
  if (requests) options.max_requests_per_connection = { value: requests };
  const life = pool?.tcp?.maxConnectionDuration;
  if (life !== undefined) options.max_connection_duration = toDuration(life);
  return Object.keys(options).length > 0 ? options : undefined;
}
