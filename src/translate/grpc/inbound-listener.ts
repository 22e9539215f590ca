// The listeners of gRPC servers that speak xDS (gRFC A36): for each port that the workload serves, under each address
// that its program may listen at. Calls are let through in plain text, as everywhere while there are no identities
// (mTLS is a later capability).
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { HttpConnectionManager } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import { memoize } from '../../lib/memo.js';
import type { InboundScope } from '../../mesh/proxy-view.js';
import { any } from '../any.js';
import { ROUTER } from '../http-filters/router.js';
import { socketAddress } from '../listener-address.js';
import { grpcServerListenerName } from '../names.js';
import { type GrpcListener, speaksGrpc } from './listener.js';

/** Where servers listen, besides the workload's own addresses. */
const usualAddresses = ['0.0.0.0', '::', '127.0.0.1', '::1'];

const manager: HttpConnectionManager = {
  // Inline, as Istio sends it; the route leaves a call where it is (gRFC A36).
  route_config: {
    name: 'inbound',
    virtual_hosts: [
      { domains: ['*'], routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }] },
    ],
  },
  http_filters: [ROUTER],
};

/**
 * `xds.istio.io/grpc/lds/inbound/ADDRESS:PORT` for each port of the workload that may carry gRPC and each address. A
 * server asks for the one that it listens at, and serves only when that comes.
 */
export function grpcServerListeners(inbound: InboundScope): readonly GrpcListener[] {
  const ports = inbound.ports
    .filter(({ port }) => speaksGrpc(port))
    .map(({ targetPort }) => targetPort);
  const addresses = new Set([...usualAddresses, ...inbound.ips]);
  return [...new Set(ports)].flatMap((port) =>
    [...addresses].map((address) => {
      const listener = serverListener(address, port);
      return { name: listener.name ?? '', short: false, listener };
    }),
  );
}

const serverListener = memoize((address: string, port: number): Listener => {
  return {
    name: grpcServerListenerName(address, port),
    // gRPC serves only if this is the address that it listens at (gRFC A36).
    address: socketAddress(address, port),
    filter_chains: [
      {
        name: 'inbound-plaintext',
        filters: [
          {
            name: 'inbound-hcmplaintext',
            typed_config: any(
              'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              manager,
            ),
          },
        ],
      },
    ],
  };
});
