// Sidecar of networking.istio.io: what the sidecars of a namespace, or of some workloads, may call and how they serve.
// The rules that need more than one field are in sidecar-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { sidecarTlsSettings } from './sidecar-tls.js';
import { connectionPool } from './traffic-policy.js';
import { labels, port, string, strings, uint32 } from './values.js';
import { destination } from './virtual-service.js';

const targetPort = noEffect(uint32, 'Istio refuses it for Sidecars.');
const captureMode = () => enumeration(['DEFAULT', 'IPTABLES', 'NONE']);

const ingressPort = message(
  {
    number: port.describe('port of the workload'),
    protocol: string.describe('HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS ...'),
    name: string.describe('name of the port'),
    targetPort,
  },
  'number',
);

const ingress = message(
  {
    port: ingressPort.describe('an inbound filter chain; only those listed are made'),
    bind: string.describe(
      'IP address of the listener where the port is not captured; the first address of the workload when absent',
    ),
    captureMode: captureMode().describe(
      'NONE: a listener of its own is bound, and the application is called at 127.0.0.1 unless defaultEndpoint says ' +
        'another place; IPTABLES: the port is captured; by INTERCEPTION_MODE of the sidecar when absent',
    ),
    defaultEndpoint: string.describe(
      'where the application listens: `127.0.0.1:PORT`, `[::1]:PORT`, `0.0.0.0:PORT` or `:PORT` ' +
        '(the address that was called), `unix://PATH`; the port itself when absent',
    ),
    tls: sidecarTlsSettings.describe(
      'TLS that the sidecar terminates; the port is then HTTP (protocol HTTPS) or TCP (TLS)',
    ),
    connectionPool: connectionPool.describe('limits of the inbound cluster'),
  },
  'port',
);

const egressPort = message({
  number: uint32.describe(
    'services of the listed hosts are reached at this port only; 0 with a Unix socket, which reaches all their ports',
  ),
  protocol: string.describe(
    'HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS ...: what is spoken there, whatever the services say; HTTP_PROXY is an ' +
      'HTTP proxy for all ports of the hosts',
  ),
  name: string.describe('name of the port'),
  targetPort,
});

const egress = message({
  port: egressPort.describe('a listener for this port alone; the last entry may be without one'),
  bind: string.describe(
    'address of the listener of the port, without `port` of all listeners; `unix:///PATH` without a port number',
  ),
  captureMode: captureMode().describe(
    'NONE: the listener is really bound, at 127.0.0.1 without `bind`; IPTABLES: traffic is captured',
  ),
  hosts: strings.describe(
    'what is seen, as `NAMESPACE/HOST`: `.` is the own namespace, `*` any; `~NAMESPACE/HOST` excludes',
  ),
});

/** Opening of the page in docs/kinds/. */
export const sidecarDoc = [
  'What sidecars see of the mesh, and what they serve. One with a workloadSelector counts for the workloads that it',
  'selects, else the one of the namespace without a selector, else the one of the root namespace. They are not merged.',
].join('\n');

/** The spec of a Sidecar. */
export const sidecarSpec = message({
  workloadSelector: message({
    labels: labels.describe('labels of the workloads; all of the namespace when absent'),
  }).describe('the sidecars that it is for'),
  ingress: list(ingress).describe('ports served, instead of those that services select'),
  egress: list(egress).describe('services and rules that are seen; all when absent'),
  inboundConnectionPool: connectionPool.describe('limits of all inbound clusters'),
  outboundTrafficPolicy: message({
    mode: enumeration(['REGISTRY_ONLY', 'ALLOW_ANY']).describe('replaces that of the mesh'),
    egressProxy: destination.describe('where traffic to unknown hosts goes (ALLOW_ANY)'),
  }).describe('traffic to hosts that are not seen'),
});

export type SidecarSpec = z.output<typeof sidecarSpec>;
