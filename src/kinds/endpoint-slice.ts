// EndpointSlice of discovery.k8s.io/v1. Kubernetes has no `spec` here: the top-level fields form it.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { bool, int32, string, stringMap, strings } from './values.js';

/** Kubernetes' reference to the object behind an address, usually a Pod. */
export const objectReference = message({
  kind: string,
  namespace: string,
  name: string,
  uid: string,
  apiVersion: string,
  resourceVersion: string,
  fieldPath: string,
});

const hints = message({
  forZones: list(message({ name: string }, 'name')),
  forNodes: list(message({ name: string }, 'name')),
});

const endpoint = message(
  {
    addresses: strings.describe('addresses of one endpoint; the first is used'),
    conditions: message({
      ready: bool.describe('HEALTHY, or UNHEALTHY when false; absent counts as true'),
      serving: noEffect(bool, 'It counts with persistent sessions only.'),
      terminating: bool.describe('the endpoint is left out'),
    }).describe('health of the endpoint'),
    hostname: string.describe('name below that of a headless service, where sidecars answer DNS'),
    targetRef: noEffect(objectReference, 'fairlead does not read Pods.'),
    deprecatedTopology: noEffect(stringMap, 'Kubernetes has replaced it by zone and nodeName.'),
    nodeName: noEffect(string, 'fairlead does not know nodes.'),
    zone: string.describe('zone of the locality of the endpoint'),
    hints: noEffect(hints, 'Only kube-proxy reads it.'),
  },
  'addresses',
);

const endpointPort = message({
  name: string.describe('name of the port of the service'),
  port: int32.describe('port of the endpoints'),
  protocol: enumeration(['TCP', 'UDP', 'SCTP']).describe('TCP when absent'),
  appProtocol: noEffect(string, 'The Service says the protocol.'),
});

/** Opening of the page in docs/kinds/. */
export const endpointSliceDoc = [
  'Endpoints of a Service, which the label `kubernetes.io/service-name` names. The fields stand',
  'beside `metadata`; there is no `spec`.',
].join('\n');

/** The fields of an EndpointSlice. */
export const endpointSliceSpec = message(
  {
    addressType: enumeration(['IPv4', 'IPv6', 'FQDN']).describe('FQDN slices are ignored'),
    endpoints: list(endpoint).describe('the endpoints'),
    ports: list(endpointPort).describe('ports of all endpoints of the slice'),
  },
  'addressType',
);

export type EndpointSliceSpec = z.output<typeof endpointSliceSpec>;
