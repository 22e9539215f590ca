// Endpoints of Kubernetes' core group (v1), the older form of EndpointSlice. The top-level field `subsets` forms
// the spec.
import type { z } from 'zod';
import { objectReference } from './endpoint-slice.js';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { port, string } from './values.js';

const endpointAddress = message(
  {
    ip: string.describe('address of the endpoint'),
    hostname: string.describe('name below that of a headless service, where sidecars answer DNS'),
    nodeName: noEffect(string, 'fairlead does not know nodes.'),
    targetRef: noEffect(objectReference, 'fairlead does not read Pods.'),
  },
  'ip',
);

const endpointsPort = message(
  {
    name: string.describe('name of the port of the service'),
    port: port.describe('port of the endpoints'),
    protocol: enumeration(['TCP', 'UDP', 'SCTP']).describe('TCP when absent'),
    appProtocol: noEffect(string, 'The Service says the protocol.'),
  },
  'port',
);

const subset = message({
  addresses: list(endpointAddress).describe('endpoints that are ready'),
  notReadyAddresses: list(endpointAddress).describe('endpoints that are not ready'),
  ports: list(endpointsPort).describe('ports of all endpoints of the subset'),
});

/** Opening of the page in docs/kinds/. */
export const endpointsDoc = [
  'Endpoints of the Service of the same name, in the older form. The field stands beside',
  '`metadata`; there is no `spec`.',
].join('\n');

/** The fields of an Endpoints object. */
export const endpointsSpec = message({
  subsets: list(subset).describe('groups of endpoints with the same ports'),
});

export type EndpointsSpec = z.output<typeof endpointsSpec>;
