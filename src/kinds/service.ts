// Service of Kubernetes' core group (v1): the whole spec, of which fairlead uses what a mesh needs.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { bool, int32, intOrString, port, string, stringMap, strings } from './values.js';

const kube = 'Only kube-proxy or a cloud load balancer reads it.';
const nodes = 'fairlead does not know nodes.';

const servicePort = message(
  {
    name: string.describe('name of the port; a prefix such as http- or tcp- sets the protocol'),
    protocol: enumeration(['TCP', 'UDP', 'SCTP']).describe('UDP and SCTP ports get no listener'),
    appProtocol: string.describe('protocol of the port; wins over the name'),
    port: port.describe('port that clients call; the second part of the cluster name'),
    targetPort: intOrString.describe('port of the endpoints, by number or by name'),
    nodePort: noEffect(int32, kube),
  },
  'port',
);

/** Opening of the page in docs/kinds/. */
export const serviceDoc = [
  'A Service of Kubernetes, the host `NAME.NAMESPACE.svc.cluster.local`. `status` is ignored.',
].join('\n');

/** The spec of a Service. */
export const serviceSpec = message({
  ports: list(servicePort).describe('ports of the service'),
  selector: stringMap.describe(
    'WorkloadEntries with these labels are endpoints; none: slices by hand',
  ),
  clusterIP: string.describe('address of the listener; None: headless'),
  clusterIPs: strings.describe('addresses, one per IP family'),
  type: enumeration(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).describe(
    'ExternalName: an alias of externalName; the others are alike here',
  ),
  externalName: string.describe('host name behind a service of type ExternalName'),
  publishNotReadyAddresses: bool.describe('endpoints that are not ready count as ready'),
  externalIPs: noEffect(strings, kube),
  sessionAffinity: noEffect(
    enumeration(['ClientIP', 'None']),
    'Istio does not read it; use consistentHash of a DestinationRule.',
  ),
  sessionAffinityConfig: noEffect(
    message({ clientIP: message({ timeoutSeconds: int32 }) }),
    'Istio does not read it; use consistentHash of a DestinationRule.',
  ),
  loadBalancerIP: noEffect(string, kube),
  loadBalancerSourceRanges: noEffect(strings, kube),
  loadBalancerClass: noEffect(string, kube),
  allocateLoadBalancerNodePorts: noEffect(bool, kube),
  externalTrafficPolicy: noEffect(enumeration(['Cluster', 'Local']), kube),
  internalTrafficPolicy: noEffect(enumeration(['Cluster', 'Local']), nodes),
  healthCheckNodePort: noEffect(int32, kube),
  ipFamilies: noEffect(strings, 'The addresses in clusterIPs say it.'),
  ipFamilyPolicy: noEffect(
    enumeration(['SingleStack', 'PreferDualStack', 'RequireDualStack']),
    'The addresses in clusterIPs say it.',
  ),
  trafficDistribution: string.describe(
    'PreferSameZone (PreferClose) or PreferSameNode: priorities by locality',
  ),
});

export type ServiceSpec = z.output<typeof serviceSpec>;
