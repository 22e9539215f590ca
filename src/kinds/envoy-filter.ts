// EnvoyFilter of networking.istio.io: changes to the Envoy configuration itself. The rules that need more than one
// field, and the check of patches against Envoy's protos, are in envoy-filter-check.ts.
import { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message, named } from './schema.js';
import { targetRef } from './target-ref.js';
import { int32, labels, string, stringMap, struct, uint32 } from './values.js';

const filterMatch = message(
  {
    name: string.describe('name of a network filter'),
    subFilter: message({ name: string.describe('name of an HTTP filter') }, 'name').describe(
      'an HTTP filter within the connection manager',
    ),
  },
  'name',
);

const listenerMatch = message({
  portNumber: uint32.describe(
    'port of the listener; in virtualInbound and virtualOutbound, the destination port of the chain',
  ),
  portName: noEffect(string, 'Istio does not read it either.'),
  filterChain: message({
    name: string.describe('name of the chain'),
    sni: string.describe('one of the server names that the chain matches'),
    transportProtocol: string.describe('`raw_buffer` or `tls`, as the chain matches it'),
    applicationProtocols: string.describe('all of these, separated by commas'),
    filter: filterMatch.describe('the filter that is changed, or beside which one is put'),
    destinationPort: uint32.describe('as the chain matches it'),
  }).describe('the chains that are changed; all when absent'),
  listenerFilter: string.describe('name of a listener filter'),
  name: string.describe('`virtualInbound`, `0.0.0.0_8080`, `10.0.0.1_9000` ...'),
});

const routeMatch = message({
  portNumber: uint32.describe('port of the route configuration'),
  portName: string.describe('name of the port of an HTTPS server of a gateway'),
  gateway: string.describe('`NAMESPACE/NAME` of the Gateway of an HTTPS server'),
  vhost: message({
    name: string.describe('`HOST:PORT`'),
    domainName: string.describe('one of its domains'),
    route: message({
      name: string.describe('as the VirtualService names it, else `default`'),
      action: enumeration(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']).describe(
        'what the route does',
      ),
    }).describe('the routes that are changed, or beside which one is put'),
  }).describe('the virtual hosts that are changed'),
  name: string.describe('`80`, `http_proxy`, `inbound|8080||` ...'),
});

const clusterMatch = message({
  portNumber: uint32.describe('of the service; of the workload for inbound clusters'),
  service: string.describe('fully qualified host'),
  subset: string.describe('name of the subset'),
  name: string.describe('the whole name; nothing else is looked at then'),
});

const match = message({
  context: enumeration([
    'ANY',
    'SIDECAR_INBOUND',
    'SIDECAR_OUTBOUND',
    'GATEWAY',
    'WAYPOINT',
  ]).describe('what comes into sidecars, what goes out of them, or gateways'),
  proxy: message({
    proxyVersion: string.describe(
      'a regular expression on ISTIO_VERSION of the node metadata, which `fairlead bootstrap` sets to the release that ' +
        'fairlead follows; without that, nothing matches',
    ),
    metadata: stringMap.describe('of the node, equal values'),
  }).describe('the proxies that it is for'),
  listener: listenerMatch.describe('the listeners that are changed; all when absent'),
  routeConfiguration: routeMatch.describe('the route configurations; all when absent'),
  cluster: clusterMatch.describe('the clusters; all when absent'),
  waypoint: noEffect(struct, 'fairlead has no waypoints.'),
});

const operations = [
  'MERGE',
  'ADD',
  'REMOVE',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
  'REPLACE',
  'MERGE_AND_REPLACE_LIST',
] as const;

const patch = message(
  {
    operation: enumeration(operations).describe(
      'MERGE is that of protobuf: lists are appended; INSERT_* go by the filter or route that is matched',
    ),
    value: named('Envoy message', z.record(z.string(), z.unknown())).describe(
      "what is added, or merged in, by the names of Envoy's protos",
    ),
    filterClass: noEffect(
      enumeration(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']),
      'Istio does not read it either; ADD puts a filter before the terminal one.',
    ),
  },
  'operation',
);

const applyTo = enumeration([
  'LISTENER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'ROUTE_CONFIGURATION',
  'VIRTUAL_HOST',
  'HTTP_ROUTE',
  'CLUSTER',
  'EXTENSION_CONFIG',
  'BOOTSTRAP',
  'LISTENER_FILTER',
]).describe('what is changed or added');

/** Opening of the page in docs/kinds/. */
export const envoyFilterDoc = [
  'Changes to the Envoy configuration that fairlead makes, matched on its names, which are those of Istio. Filters of',
  'the root namespace are for all namespaces. They are applied by priority, those of the root namespace before others,',
  'then by age and name. A patch that matches nothing at any connected proxy is a problem `patch-matches-nothing`; one',
  'that would spoil a resource is left out alone, `patch-refused`. Extensions that fairlead has no proto of are passed',
  'on for Envoy to read.',
].join('\n');

/** The spec of an EnvoyFilter. */
export const envoyFilterSpec = message({
  workloadSelector: message({
    labels: labels.describe('labels of the workloads; all of the namespace when absent'),
  }).describe('the proxies that it is for'),
  targetRefs: list(targetRef).describe('gateways that it is for'),
  configPatches: list(
    message(
      {
        applyTo,
        match: match.describe('where; everywhere when absent'),
        patch: patch.describe('the change'),
      },
      'applyTo',
      'patch',
    ),
  ).describe('in the order in which they are applied'),
  priority: int32.describe('lower ones are applied first; 0 when absent'),
});

export type EnvoyFilterSpec = z.output<typeof envoyFilterSpec>;
