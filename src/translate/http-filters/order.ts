// The one place that decides which HTTP filters a connection manager has and in which order. A filter's own
// configuration is in the file named after it; what a route adds to it is made with the route.
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import type { GatewayOptions } from '../../mesh/gateway.js';
import { alternativeService } from './alternative-service.js';
import { compressor } from './compressor.js';
import { CORS } from './cors.js';
import { FAULT } from './fault.js';
import { GRPC_STATS } from './grpc-stats.js';
import { GRPC_WEB } from './grpc-web.js';
import { QUIET_ROUTER, ROUTER } from './router.js';
import { STATEFUL_SESSION } from './stateful-session.js';

/** What the choice of filters depends on. */
export interface HttpFilterNeeds {
  /** A service behind this connection manager speaks gRPC-Web. */
  grpcWeb: boolean;
  /** Headers `x-envoy-*` are not added (MeshConfig defaultConfig.proxyHeaders.envoyDebugHeaders). */
  quiet?: boolean;
  /** Responses are compressed by the first of these that the client accepts. */
  compression?: GatewayOptions['compression'];
  /** A route behind this connection manager keeps sessions. */
  sessions?: boolean;
  /** The port at which HTTP/3 is offered too. */
  http3Port?: number;
}

/**
 * Istio's order (mesh-wide; its own filters for metadata exchange, ALPN and telemetry have no place in stock Envoy):
 *
 * | filter     | why here                                                                       |
 * | ---------- | ------------------------------------------------------------------------------ |
 * | (authentication, authorization) | before anything that acts on a request; not built yet      |
 * | grpc_web   | before grpc_stats, which then sees plain gRPC; only where a service wants it   |
 * | grpc_stats | counts what the client sent, whatever the filters behind it do                 |
 * | fault      | before cors, so that a preflight can be delayed or aborted too, as in Istio    |
 * | cors       | answers preflights itself; nothing behind it but the router                    |
 * | compressor | before cors and router, so that it sees every response; only where a Gateway asks for it |
 * | alt-svc    | on every response; only where HTTP/3 is offered                                 |
 * | stateful_session | chooses the endpoint of the request, so last before the router; only where a route asks for it |
 * | router     | terminal                                                                       |
 */
export function httpFilters(needs: HttpFilterNeeds): HttpFilter[] {
  const router = needs.quiet ? QUIET_ROUTER : ROUTER;
  return [
    ...(needs.grpcWeb ? [GRPC_WEB] : []),
    GRPC_STATS,
    FAULT,
    ...(needs.compression ?? []).map(compressor),
    CORS,
    ...(needs.http3Port === undefined ? [] : [alternativeService(needs.http3Port)]),
    ...(needs.sessions ? [STATEFUL_SESSION] : []),
    router,
  ];
}
