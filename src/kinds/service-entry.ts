// ServiceEntry of networking.istio.io: services that no other registry has. The rules that need more than one
// field are in service-entry-check.ts.
import type { z } from 'zod';
import { enumeration, list, message } from './schema.js';
import { labels, port, string, strings } from './values.js';
import { workloadEntrySpec } from './workload-entry.js';

const servicePort = message(
  {
    number: port.describe('port that clients call'),
    protocol: string.describe(
      'HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS ...; the name does not count, as in Istio',
    ),
    name: string.describe('name of the port'),
    targetPort: port.describe('port of the endpoints; `number` when absent'),
  },
  'number',
  'name',
);

/** Opening of the page in docs/kinds/. */
export const serviceEntryDoc = [
  'Services that no other registry has: hosts outside the mesh, or workloads on machines.',
  'Endpoints stand in the entry itself, or are WorkloadEntries that it selects. Annotations: that of',
  '`networking.istio.io/traffic-distribution` (PreferSameZone, PreferSameNode) makes near endpoints preferred;',
  '`istio.io/connect-strategy: RACE_FIRST_TCP_CONNECT` races connections to all addresses of a DNS name.',
].join('\n');

/** The spec of a ServiceEntry. */
export const serviceEntrySpec = message(
  {
    hosts: strings.describe('one service each'),
    addresses: strings.describe('virtual IP addresses or CIDR blocks of the service'),
    ports: list(servicePort).describe('ports of the service'),
    location: enumeration(['MESH_EXTERNAL', 'MESH_INTERNAL']).describe(
      'outside (default) or inside the mesh',
    ),
    resolution: enumeration(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']).describe(
      'ORIGINAL_DST (default), EDS, STRICT_DNS, LOGICAL_DNS or dynamic forward proxy cluster; the last looks up the ' +
        'host of each request and the server name of each TLS connection',
    ),
    endpoints: list(workloadEntrySpec).describe('endpoints of all the hosts'),
    workloadSelector: message({
      labels: labels.describe('WorkloadEntries of the namespace with these labels are endpoints'),
    }).describe('not together with endpoints'),
    exportTo: strings.describe('namespaces that see it: `.`, `*` or names'),
    subjectAltNames: strings.describe(
      'names the certificate of the server may have, where the DestinationRule names none',
    ),
  },
  'hosts',
);

export type ServiceEntrySpec = z.output<typeof serviceEntrySpec>;
