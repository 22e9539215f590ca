// The protocol of a port, from what its kind declares. What an undeclared protocol turns out to be is sniffed by
// Envoy, which is not decided here.
import type { Protocol } from './service.js';

const byName: Readonly<Record<string, Protocol>> = {
  tcp: 'TCP',
  udp: 'UDP',
  grpc: 'GRPC',
  'grpc-web': 'GRPC-Web',
  http: 'HTTP',
  http_proxy: 'HTTP',
  http2: 'HTTP2',
  https: 'HTTPS',
  tls: 'TLS',
  mongo: 'Mongo',
  redis: 'Redis',
  mysql: 'MySQL',
};

/** Values of appProtocol that Kubernetes defines (Service API, ServicePort.appProtocol). */
const byKubernetesName: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** SMTP, DNS, MySQL and MongoDB: the server speaks first, so that sniffing would wait for ever. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** What a v1 Service says of one port. */
export interface DeclaredPort {
  port: number;
  name?: string;
  protocol?: string;
  appProtocol?: string;
}

/**
 * Protocol of a port of a v1 Service: UDP, else appProtocol, else the part of the name before the first `-` (Istio
 * docs, Protocol Selection). SCTP counts as UDP: neither can have a TCP listener.
 */
export function kubernetesProtocol(declared: DeclaredPort): Protocol {
  if (declared.protocol === 'UDP' || declared.protocol === 'SCTP') return 'UDP';
  const kubernetes = byKubernetesName[declared.appProtocol ?? ''];
  if (kubernetes !== undefined) return kubernetes;
  const name = (declared.appProtocol ?? declared.name ?? '').toLowerCase();
  if (name.startsWith('grpc-web')) return 'GRPC-Web';
  return named(name.split('-', 1)[0] ?? '') ?? undeclared(declared.port);
}

/** Protocol of a port of a ServiceEntry: its `protocol` alone; as in Istio the name of the port does not count. */
export function serviceEntryProtocol(port: number, protocol: string | undefined): Protocol {
  return named((protocol ?? '').toLowerCase()) ?? undeclared(port);
}

function named(name: string): Protocol | undefined {
  return Object.hasOwn(byName, name) ? byName[name] : undefined;
}

function undeclared(port: number): Protocol {
  return serverFirstPorts.has(port) ? 'TCP' : 'Auto';
}
