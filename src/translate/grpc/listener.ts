// The API listeners of gRPC clients: one for each name and port that a client may call a service by. They say which
// filters run and where routes come from, nothing is bound. Listeners of gRPC servers are in inbound-listener.ts.
import { isIP } from 'node:net';
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { HttpConnectionManager } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import { memoize } from '../../lib/memo.js';
import { isWildcard } from '../../mesh/host-name.js';
import type { Service, ServicePort } from '../../mesh/service.js';
import { any } from '../any.js';
import { FAULT } from '../http-filters/fault.js';
import { ROUTER } from '../http-filters/router.js';
import { socketAddress } from '../listener-address.js';
import { listenerProtocol } from '../listener-protocol.js';
import { grpcListenerName, outboundClusterName } from '../names.js';

/** A listener with the name that it is asked for by. */
export interface GrpcListener {
  name: string;
  /** The name is short for another one, and gives way to a service that has it as its own. */
  short: boolean;
  listener: Listener;
}

/**
 * The listeners of a service for clients of a DNS domain (`NAMESPACE.svc.cluster.local`): `HOST:PORT` of its hostname
 * and, as Istio's grpcgen finds them, of the short forms within the client's own namespace: `name`,
 * `name.namespace`, `name.namespace.svc`. Names of other namespaces are to be written in full.
 */
export const grpcListeners = memoize(
  (service: Service, dnsDomain: string): readonly GrpcListener[] => {
    if (isWildcard(service.hostname)) return [];
    const hosts = [service.hostname, ...shortNames(service.hostname, dnsDomain)];
    return service.ports.filter(speaksGrpc).flatMap(({ number }) =>
      hosts.map((host, i) => {
        const name = grpcListenerName(host, number);
        return { name, short: i > 0, listener: apiListener(service, name, number) };
      }),
    );
  },
);

/** Whether a port may carry gRPC: it is HTTP of any sort, or undeclared. */
export function speaksGrpc({ protocol }: ServicePort): boolean {
  const kind = listenerProtocol(protocol);
  return kind === 'http' || kind === 'auto';
}

function shortNames(hostname: string, dnsDomain: string): string[] {
  if (!hostname.endsWith(`.${dnsDomain}`)) return [];
  const name = hostname.slice(0, -dnsDomain.length - 1);
  if (name.includes('.')) return [];
  const [namespace = ''] = dnsDomain.split('.');
  const svc = dnsDomain.startsWith(`${namespace}.svc.`) ? [`${name}.${namespace}.svc`] : [];
  return [name, `${name}.${namespace}`, ...svc];
}

function apiListener(service: Service, name: string, port: number): Listener {
  const manager: HttpConnectionManager = {
    rds: {
      config_source: { ads: {} },
      route_config_name: outboundClusterName(service.hostname, port),
    },
    // gRPC refuses filters that it does not know (gRFC A39), so these and no others.
    http_filters: [FAULT, ROUTER],
  };
  const address = service.addresses.find((each) => isIP(each) !== 0) ?? '0.0.0.0';
  return {
    name,
    address: socketAddress(address, port),
    api_listener: {
      api_listener: any(
        'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
        manager,
      ),
    },
  };
}
