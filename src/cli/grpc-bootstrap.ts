// The bootstrap of a gRPC program that speaks xDS itself (GRPC_XDS_BOOTSTRAP), as Istio's agent writes it: where the
// control plane is and who the program is. Envoy's bootstrap is bootstrap.ts.
import { GRPC_SERVER_LISTENER_TEMPLATE } from '../translate/names.js';
import { type BootstrapOptions, buildNode } from './bootstrap.js';

/** The options of an Envoy's bootstrap that mean something to gRPC. */
export type GrpcBootstrapOptions = Pick<
  BootstrapOptions,
  | 'name'
  | 'namespace'
  | 'ips'
  | 'labels'
  | 'serviceAccount'
  | 'workloadName'
  | 'clusterId'
  | 'network'
  | 'locality'
  | 'cluster'
  | 'metadata'
  | 'xds'
  | 'xdsTls'
>;

/**
 * The bootstrap as a JSON object (gRFC A27). The control plane is called in plain text, or over TLS where files are
 * given (gRFC A65). Throws RangeError for a token or another server name, which gRPC's bootstrap has no place for.
 */
export function buildGrpcBootstrap(options: GrpcBootstrapOptions): Record<string, unknown> {
  const metadata = { GENERATOR: 'grpc', ...options.metadata };
  const { metadata: built, ...node } = buildNode({ ...options, type: 'sidecar', metadata });
  // A program's traffic is not intercepted.
  const { INTERCEPTION_MODE: _, ...rest } = built as Record<string, unknown>;
  return {
    xds_servers: [
      {
        server_uri: options.xds,
        channel_creds: [channelCredentials(options.xdsTls)],
        server_features: ['xds_v3'],
      },
    ],
    // gRPC for Node refuses a node without locality.
    node: { locality: {}, ...node, metadata: rest },
    server_listener_resource_name_template: GRPC_SERVER_LISTENER_TEMPLATE,
  };
}

function channelCredentials(tls: GrpcBootstrapOptions['xdsTls']): object {
  if (tls?.token !== undefined || tls?.serverName !== undefined) {
    throw new RangeError('a gRPC bootstrap holds neither a token nor a server name');
  }
  const config = {
    ...(tls?.caFile !== undefined && { ca_certificate_file: tls.caFile }),
    ...(tls?.certFile !== undefined && { certificate_file: tls.certFile }),
    ...(tls?.keyFile !== undefined && { private_key_file: tls.keyFile }),
  };
  return Object.keys(config).length > 0 ? { type: 'tls', config } : { type: 'insecure' };
}

/** The bootstrap as text. */
export function grpcBootstrapText(options: GrpcBootstrapOptions): string {
  return `${JSON.stringify(buildGrpcBootstrap(options), null, 2)}\n`;
}
