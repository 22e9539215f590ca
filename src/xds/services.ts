// The gRPC services of discovery as data: one aggregated service, and one for each type that has its own. Messages
// pass through as bytes; envoy/discovery.ts reads and writes them.
import type * as grpc from '@grpc/grpc-js';
import {
  CLUSTER,
  ENDPOINT,
  EXTENSION_CONFIG,
  LISTENER,
  ROUTE,
  RUNTIME,
  SCOPED_ROUTE,
  SECRET,
  VIRTUAL_HOST,
} from '../envoy/resource.js';
import type { Variant } from './status.js';

/** A service with a method for each variant that it has. `onlyType` undefined: the aggregated one. */
export interface DiscoveryService {
  readonly service: string;
  readonly onlyType: string | undefined;
  readonly methods: Readonly<Partial<Record<Variant, string>>>;
}

const single = (service: string, onlyType: string, word: string): DiscoveryService => ({
  service: `envoy.service.${service}`,
  onlyType,
  methods: { sotw: `Stream${word}`, delta: `Delta${word}` },
});

/**
 * All of them, as Envoy's protos name them (envoy/service/…/v3). Their unary Fetch methods are polling over REST,
 * which this server does not do: gRPC answers UNIMPLEMENTED.
 */
export const discoveryServices: readonly DiscoveryService[] = [
  {
    service: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
    onlyType: undefined,
    methods: { sotw: 'StreamAggregatedResources', delta: 'DeltaAggregatedResources' },
  },
  single('listener.v3.ListenerDiscoveryService', LISTENER, 'Listeners'),
  single('route.v3.RouteDiscoveryService', ROUTE, 'Routes'),
  single('cluster.v3.ClusterDiscoveryService', CLUSTER, 'Clusters'),
  single('endpoint.v3.EndpointDiscoveryService', ENDPOINT, 'Endpoints'),
  single('secret.v3.SecretDiscoveryService', SECRET, 'Secrets'),
  single('extension.v3.ExtensionConfigDiscoveryService', EXTENSION_CONFIG, 'ExtensionConfigs'),
  single('route.v3.ScopedRoutesDiscoveryService', SCOPED_ROUTE, 'ScopedRoutes'),
  {
    service: 'envoy.service.route.v3.VirtualHostDiscoveryService',
    onlyType: VIRTUAL_HOST,
    methods: { delta: 'DeltaVirtualHosts' },
  },
  single('runtime.v3.RuntimeDiscoveryService', RUNTIME, 'Runtime'),
];

/** A bidirectional method whose messages are bytes. */
export type BytesCall = grpc.ServerDuplexStream<Buffer, Buffer>;

const passThrough = (bytes: Buffer): Buffer => bytes;

/** The grpc-js definition of one bidirectional method with bytes as messages. */
export function bytesMethod(
  service: string,
  method: string,
): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${service}/${method}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  };
}
