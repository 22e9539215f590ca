// Servers of Gateways by what they do with a connection.
import { memoize } from '../lib/memo.js';
import type { Gateway, GatewayServer } from '../mesh/gateway.js';
import type { GatewayScope, ProxyView } from '../mesh/proxy-view.js';
import type { Secrets } from '../mesh/secret.js';

/** A server as it is at one router. */
export interface BoundServer {
  gateway: Gateway;
  server: GatewayServer;
  /** The port of the listener, which the gateway's Service may map the server's port to. */
  listenerPort: number;
}

/** The same object for the same server, so that its routes are not built again when something else changes. */
export const boundServer = memoize(
  (gateway: Gateway, server: GatewayServer, listenerPort: number): BoundServer => ({
    gateway,
    server,
    listenerPort,
  }),
);

/** What can share a port: plain HTTP by host, TLS by server name; anything else stands alone. */
export type ServerClass = 'http' | 'tls' | 'tcp';

/** The class of a server by its protocol. */
export function classOf({ port }: GatewayServer): ServerClass {
  switch (port.protocol) {
    case 'HTTPS':
    case 'TLS':
      return 'tls';
    case 'TCP':
    case 'MONGO':
    case 'MYSQL':
    case 'REDIS':
      return 'tcp';
    default:
      return 'http';
  }
}

/** Whether the proxy itself terminates TLS; the mode is PASSTHROUGH when absent, as in Istio. */
export function isTerminated({ tls }: GatewayServer): boolean {
  const mode = tls?.mode ?? 'PASSTHROUGH';
  return mode !== 'PASSTHROUGH' && mode !== 'AUTO_PASSTHROUGH';
}

/** All that the plan of a router is made of. */
export interface PlanContext {
  gateways: GatewayScope['gateways'];
  ports: GatewayScope['ports'];
  /** Those with TCP or TLS rules, oldest first. */
  virtualServices: GatewayScope['virtualServices'];
  services: ProxyView['outbound']['services'];
  settings: ProxyView['settings'];
  secrets: Secrets | undefined;
  proxy: ProxyView['proxy'];
}
