// The HTTP connection manager: the network filter of every chain that speaks HTTP. Outbound ones take their routes by
// RDS, inbound ones carry them inline (inbound-route.ts), as in Istio; which filters it has is http-filters/order.ts.
import type { Filter } from '../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { HttpConnectionManager } from '../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import type { GatewayOptions } from '../mesh/gateway.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { filterAccessLog } from './access-log.js';
import { any } from './any.js';
import { toDuration } from './duration.js';
import { httpFilters } from './http-filters/order.js';
import { http1Options } from './http-protocol-options.js';
import {
  gatewayHeaderFields,
  headerFields,
  proxyHeaders,
  withConnectionSettings,
} from './proxy-settings.js';

/** What an outbound connection manager depends on. */
export interface OutboundHttp {
  /** Without direction and delimiter, e.g. `0.0.0.0_8080`. */
  statName: string;
  /** RDS name. */
  route: string;
  grpcWeb: boolean;
  /** Accepts `GET http://host/path`, which clients of an HTTP proxy send. */
  absoluteUrls?: boolean;
}

/** What an inbound connection manager depends on. */
export interface InboundHttp {
  /** Complete but for the delimiter, e.g. `inbound_0.0.0.0_8080`. */
  statPrefix: string;
  route: RouteConfiguration;
  /** The port is declared HTTP2, GRPC or GRPC-Web. */
  http2: boolean;
  grpcWeb: boolean;
}

/** The connection manager of an outbound chain, with routes by RDS over ADS. */
export function outboundHttpFilter(http: OutboundHttp, settings: MeshSettings): Filter {
  const manager: HttpConnectionManager = {
    ...shared(settings),
    ...headerFields(settings, 'outbound'),
    stat_prefix: delimited(`outbound_${http.statName}`),
    rds: rdsOverAds(http.route),
    http_filters: httpFilters({ ...http, quiet: isQuiet(settings) }),
  };
  if (http.absoluteUrls) {
    const http1 = manager.http_protocol_options;
    manager.http_protocol_options = { ...http1, allow_absolute_url: { value: true } };
  }
  return filter(withConnectionSettings(manager, settings));
}

function rdsOverAds(route: string): NonNullable<HttpConnectionManager['rds']> {
  return {
    config_source: {
      ads: {},
      // Without a limit: a listener must not go into force without its routes (Istio sends 0 too).
      initial_fetch_timeout: toDuration(0),
      resource_api_version: 'V3',
    },
    route_config_name: route,
  };
}

/** The connection manager of an inbound chain. It shows itself as `istio-envoy`, and the peer's certificate in XFCC. */
export function inboundHttpFilter(http: InboundHttp, settings: MeshSettings): Filter {
  const manager: HttpConnectionManager = {
    ...shared(settings),
    ...headerFields(settings, 'inbound'),
    stat_prefix: delimited(http.statPrefix),
    route_config: http.route,
    http_filters: httpFilters({ ...http, quiet: isQuiet(settings) }),
  };
  if (http.http2) manager.http2_protocol_options = {};
  return filter(withConnectionSettings(manager, settings));
}

/** What the connection manager of a router's chain depends on. */
export interface GatewayHttp {
  /** The name of the listener. */
  statName: string;
  /** RDS name. */
  route: string;
  grpcWeb: boolean;
  options: GatewayOptions;
  /** The port at which HTTP/3 is offered besides; absent: nowhere. */
  http3Port?: number | undefined;
  /** The chain is of QUIC. */
  overQuic?: boolean;
}

/**
 * The connection manager of a router. What clients say about themselves counts only as far as proxies in front are
 * trusted (gatewayTopology): their address is that of the connection, and certificates they name are left out.
 */
export function gatewayHttpFilter(http: GatewayHttp, settings: MeshSettings): Filter {
  const { options, http3Port, overQuic } = http;
  const topology = settings.config.defaultConfig?.gatewayTopology;
  const manager: HttpConnectionManager = {
    ...shared(settings),
    ...gatewayHeaderFields(settings),
    ...(overQuic && { codec_type: 'HTTP3', http3_protocol_options: {} }),
    use_remote_address: { value: true },
    ...(topology?.numTrustedProxies && { xff_num_trusted_hops: topology.numTrustedProxies }),
    stat_prefix: delimited(`outbound_${http.statName}`),
    rds: rdsOverAds(http.route),
    http_filters: httpFilters({
      grpcWeb: http.grpcWeb,
      quiet: isQuiet(settings),
      ...(options.compression && { compression: options.compression }),
      ...(options.sessions && { sessions: true }),
      ...(http3Port && { http3Port }),
    }),
  };
  return filter(withConnectionSettings(manager, settings));
}

function isQuiet(settings: MeshSettings): boolean {
  return proxyHeaders(settings).envoyDebugHeaders?.disabled === true;
}

function shared(settings: MeshSettings): HttpConnectionManager {
  const http1 = {
    ...http1Options(settings),
    ...(settings.node?.http10 && { accept_http_10: true }),
  };
  return {
    codec_type: 'AUTO',
    // False keeps headers such as x-envoy-upstream-rq-timeout-ms that the application sets.
    use_remote_address: { value: false },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    stream_idle_timeout: toDuration(0),
    proxy_100_continue: true,
    ...(Object.keys(http1).length > 0 && { http_protocol_options: http1 }),
    access_log: filterAccessLog(settings),
    ...pathNormalization(settings),
  };
}

/** MeshConfig.pathNormalization; DEFAULT is BASE. */
function pathNormalization(settings: MeshSettings): HttpConnectionManager {
  const keep = { path_with_escaped_slashes_action: 'KEEP_UNCHANGED' } as const;
  switch (settings.config.pathNormalization?.normalization) {
    case 'NONE':
      return { ...keep, normalize_path: { value: false } };
    case 'MERGE_SLASHES':
      return { ...keep, normalize_path: { value: true }, merge_slashes: true };
    case 'DECODE_AND_MERGE_SLASHES':
      return {
        normalize_path: { value: true },
        merge_slashes: true,
        path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
      };
    default:
      return { ...keep, normalize_path: { value: true } };
  }
}

/** Istio ends prefixes with `;`, where the stats_tags of the bootstrap cut. */
function delimited(prefix: string): string {
  return `${prefix};`;
}

function filter(manager: HttpConnectionManager): Filter {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: any(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      manager,
    ),
  };
}
