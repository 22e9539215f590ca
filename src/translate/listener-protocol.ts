// What a declared protocol means for listeners: HTTP, opaque TCP, or to be found out from the first bytes.
import type { Protocol } from '../mesh/service.js';

/** `http`: connection manager; `tcp`: tcp_proxy; `auto`: both, by sniffing; `none`: no listener (UDP). */
export type ListenerProtocol = 'http' | 'tcp' | 'auto' | 'none';

const listenerProtocols: Readonly<Record<Protocol, ListenerProtocol>> = {
  HTTP: 'http',
  HTTP2: 'http',
  GRPC: 'http',
  'GRPC-Web': 'http',
  HTTPS: 'tcp',
  TLS: 'tcp',
  TCP: 'tcp',
  Mongo: 'tcp',
  Redis: 'tcp',
  MySQL: 'tcp',
  UDP: 'none',
  Auto: 'auto',
};

/** How listeners treat a protocol. */
export function listenerProtocol(protocol: Protocol): ListenerProtocol {
  return listenerProtocols[protocol];
}

/** True for ports that can be told apart by server name. */
export function isTls(protocol: Protocol): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

/** True where HTTP/2 is declared. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || isGrpc(protocol);
}

/** True for gRPC in both its forms. */
export function isGrpc(protocol: Protocol): boolean {
  return protocol === 'GRPC' || protocol === 'GRPC-Web';
}

/**
 * Protocols whose servers speak first: a listener with HTTP on the same port would hold the connection back, waiting
 * for the client. So they share a port with nothing else (Istio, isConflictWithWellKnownPort).
 */
export function isServerFirst(protocol: Protocol): boolean {
  return protocol === 'Mongo' || protocol === 'MySQL';
}
