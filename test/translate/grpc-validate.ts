// What a real gRPC client says to a configuration: @grpc/grpc-js-xds' own checks of each resource, the ones that make it
// send a NACK. Traffic is test/grpc.
import { createRequire } from 'node:module';
import { register } from '@grpc/grpc-js-xds';
import { encode } from '../../src/envoy/codec.js';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../../src/envoy/resource.js';

interface Checker {
  decode(
    context: object,
    resource: { type_url: string; value: Buffer },
  ): { name: string; error?: string };
}

register();
const load = createRequire(import.meta.url);
const checkers: Readonly<Record<TypeUrl, Checker>> = {
  [CLUSTER]: checker('cluster', 'ClusterResourceType'),
  [ENDPOINT]: checker('endpoint', 'EndpointResourceType'),
  [LISTENER]: checker('listener', 'ListenerResourceType'),
  [ROUTE]: checker('route-config', 'RouteConfigurationResourceType'),
};

/** The package does not export them: they are read from its files. */
function checker(file: string, name: string): Checker {
  const path = `@grpc/grpc-js-xds/build/src/xds-resource-type/${file}-resource-type.js`;
  return (load(path) as Record<string, { get(): Checker }>)[name]!.get();
}

/** What the client refuses, one line each. */
export function grpcRefusals(resources: ResourcesByType): string[] {
  const context = { bootstrap: { certificateProviders: {} }, server: {} };
  return [...resources].flatMap(([typeUrl, messages]) =>
    [...messages].flatMap(([name, message]) => {
      const value = Buffer.from(encode(typeUrl, message));
      const { error } = checkers[typeUrl]!.decode(context, { type_url: typeUrl, value });
      return error === undefined ? [] : `${name}: ${error}`;
    }),
  );
}
