// Whether a patch is for a thing: Istio's matching, on Istio's names. The context of a patch is looked at in patch.ts.
import type { Cluster } from '../../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { FilterChain } from '../../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { Route } from '../../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteConfiguration } from '../../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import type { EnvoyFilterPatch } from '../../mesh/envoy-patch.js';
import {
  parseClusterName,
  parseGatewayRouteName,
  VIRTUAL_INBOUND_LISTENER,
  VIRTUAL_OUTBOUND_LISTENER,
} from '../names.js';

type Patch = EnvoyFilterPatch;

/** Whether a cluster is meant; `hosts` are the services of an inbound one. */
export function matchesCluster(
  { cluster: match }: Patch,
  cluster: Cluster,
  hosts: readonly string[],
): boolean {
  if (match === undefined) return true;
  const { name, service, subset, portNumber } = match;
  if (name) return name === cluster.name;
  const parsed = parseClusterName(cluster.name ?? '');
  const named = parsed?.direction === 'inbound' && hosts.length > 0 ? hosts : [parsed?.host ?? ''];
  return (
    (!subset || subset === parsed?.subset) &&
    (!service || named.includes(service)) &&
    (!portNumber || portNumber === parsed?.port)
  );
}

function isVirtual({ name }: Listener): boolean {
  return name === VIRTUAL_INBOUND_LISTENER || name === VIRTUAL_OUTBOUND_LISTENER;
}

/** Whether a listener is meant, or may have chains that are. */
export function matchesListener({ applyTo, listener: match }: Patch, listener: Listener): boolean {
  if (match === undefined) return true;
  if (match.name && match.name !== listener.name) return false;
  // The ports of a virtual listener are those of its chains.
  if (applyTo !== 'LISTENER' && isVirtual(listener)) return true;
  return !match.portNumber || listener.address?.socket_address?.port_value === match.portNumber;
}

/** Whether a chain of a listener that matches is meant. */
export function matchesChain(
  { listener: match }: Patch,
  listener: Listener,
  { name, filter_chain_match: given }: FilterChain,
): boolean {
  if (match === undefined) return true;
  const port = given?.destination_port?.value;
  if (isVirtual(listener) && match.portNumber && port !== match.portNumber) return false;
  const wanted = match.filterChain;
  if (wanted === undefined) return true;
  const protocols = wanted.applicationProtocols ? wanted.applicationProtocols.split(',') : [];
  return (
    (!wanted.name || wanted.name === name) &&
    (!wanted.sni || (given?.server_names ?? []).includes(wanted.sni)) &&
    (!wanted.transportProtocol || given?.transport_protocol === wanted.transportProtocol) &&
    protocols.every((each) => given?.application_protocols?.includes(each)) &&
    (!wanted.destinationPort || port === wanted.destinationPort)
  );
}

/** The name of the filter that the patch goes by, of the sort that it is applied to; undefined when it names none. */
export function anchorOf({ applyTo, listener: match }: Patch): string | undefined {
  const filter = match?.filterChain?.filter;
  if (applyTo === 'LISTENER_FILTER') return match?.listenerFilter || undefined;
  return applyTo === 'HTTP_FILTER' ? filter?.subFilter?.name : filter?.name;
}

/** Whether the patch is for HTTP filters of this network filter. */
export function matchesManager({ listener: match }: Patch, filter: { name?: string }): boolean {
  const wanted = match?.filterChain?.filter?.name;
  return wanted === undefined || wanted === filter.name;
}

/**
 * Whether a route configuration is meant, or may have virtual hosts that are. `serverPorts`: of a gateway's, the ports
 * of its servers, which patches go by, and not by the port that the Service maps them to (Istio, GatewayPortMap).
 */
export function matchesRouteConfiguration(
  { routeConfiguration: match }: Patch,
  { name = '' }: RouteConfiguration,
  serverPorts: readonly number[],
): boolean {
  if (match === undefined) return true;
  if (match.name && match.name !== name) return false;
  const ports = serverPorts.length > 0 ? serverPorts : [portOfRoute(name)];
  if (match.portNumber && !ports.includes(match.portNumber)) return false;
  const { portName, gateway } = parseGatewayRouteName(name) ?? {};
  return (
    (!match.portName || match.portName === portName) &&
    (!match.gateway || match.gateway === gateway)
  );
}

/** `80`, `inbound|8080||`, `http.80` or `https.443...`; a name of another form has no port, as in Istio. */
function portOfRoute(name: string): number | undefined {
  const inbound = parseClusterName(name);
  if (inbound?.direction === 'inbound') return inbound.port;
  return /^\d+$/.test(name) ? Number(name) : parseGatewayRouteName(name)?.port;
}

/** Whether a virtual host of a route configuration that matches is meant. */
export function matchesVirtualHost({ routeConfiguration: match }: Patch, host: VirtualHost) {
  const { name, domainName } = match?.vhost ?? {};
  return (!name || name === host.name) && (!domainName || !!host.domains?.includes(domainName));
}

/** Whether the patch names a route to go by. */
export function namesRoute({ routeConfiguration: match }: Patch): boolean {
  return match?.vhost?.route !== undefined;
}

/** Whether a route of a virtual host that matches is meant. */
export function matchesRoute({ routeConfiguration: match }: Patch, route: Route): boolean {
  const { name, action = 'ANY' } = match?.vhost?.route ?? {};
  if (name && name !== route.name) return false;
  if (action === 'ANY') return true;
  if (route.route) return action === 'ROUTE';
  if (route.redirect) return action === 'REDIRECT';
  return route.direct_response ? action === 'DIRECT_RESPONSE' : true;
}
