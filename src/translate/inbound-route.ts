// The inline route configuration of an inbound chain: everything that arrives on the port goes to the application.
// It is not sent by RDS, as in Istio, because it changes only when the port does.
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { toDuration } from './duration.js';
import { DEFAULT_ROUTE, inboundVirtualHostName } from './names.js';
import { inboundRetryPolicy } from './retry-policy.js';

/** What the route depends on. */
export interface InboundRouteOptions {
  /** Cluster of the chain, which also names the route configuration. */
  cluster: string;
  /** Host and port of the service, for traces; port 0 and no host for unknown ports. */
  host: string;
  servicePort: number;
  grpc: boolean;
  settings: MeshSettings;
}

/** The route configuration of one inbound chain: no time-out, because the client's sidecar has the one that counts. */
export function inboundRouteConfiguration(options: InboundRouteOptions): RouteConfiguration {
  // Not for gRPC, whose streams it would disturb.
  const retries = options.grpc
    ? undefined
    : inboundRetryPolicy(options.settings.config.defaultInboundHttpRetryPolicy);
  return {
    name: options.cluster,
    virtual_hosts: [
      {
        name: inboundVirtualHostName(options.servicePort),
        domains: ['*'],
        routes: [
          {
            name: DEFAULT_ROUTE,
            match: { prefix: '/' },
            decorator: { operation: `${options.host}:${options.servicePort}/*` },
            route: {
              cluster: options.cluster,
              timeout: toDuration(0),
              max_stream_duration: {
                max_stream_duration: toDuration(0),
                grpc_timeout_header_max: toDuration(0),
              },
              ...(retries && { retry_policy: retries }),
            },
          },
        ],
      },
    ],
    validate_clusters: { value: false },
  };
}
