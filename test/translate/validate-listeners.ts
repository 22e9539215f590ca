// Asks a real Envoy whether it would take a set of listeners, as static resources of a bootstrap.
import { toJson, verify } from '../../src/envoy/codec.js';
import type { Listener } from '../../src/envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { LISTENER } from '../../src/envoy/resource.js';
import { validateBootstrap } from '../envoy/envoy-process.js';

/** Everything that the codec or Envoy has against the listeners; empty when they are good. */
export function objections(listeners: readonly Listener[]): string[] {
  const unknown = listeners.flatMap((listener) => verify(LISTENER, listener));
  const refused = validateBootstrap({
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
    },
    static_resources: {
      clusters: [{ name: 'xds', type: 'STATIC', connect_timeout: '1s' }],
      listeners: listeners.map((listener) => toJson(LISTENER, listener)),
    },
  });
  return refused === undefined ? unknown : [...unknown, refused];
}
