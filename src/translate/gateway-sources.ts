// Which user resources a router's listener or route was made of. A look-up, used seldom (sources.ts).
import type { ResourceName } from '../envoy/resource.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import type { ResourceId } from '../mesh/rules.js';
import { boundAddresses, isSameAddress } from './gateway-address.js';
import { rulesOfServers } from './gateway-hosts.js';
import { gatewayPlan } from './gateway-plan.js';
import type { BoundServer } from './gateway-server.js';
import { listenerName, quicListenerName } from './names.js';

/** The rules bound to the servers of a route configuration, then their Gateways. */
export function gatewayRouteSources(view: ProxyView, name: ResourceName): ResourceId[] {
  const servers = gatewayPlan(view).routes.find((route) => route.name === name)?.servers ?? [];
  return [...boundRules(view, servers, 'http'), ...servers.map(({ gateway }) => gateway.source)];
}

/** The Gateways whose servers stand on a listener, and the rules for connections that are bound to them. */
export function gatewayListenerSources(view: ProxyView, name: ResourceName): ResourceId[] {
  const { listeners, servers } = gatewayPlan(view);
  const plan = listeners.find(
    ({ addresses, port }) =>
      listenerName(addresses[0]!, port) === name || quicListenerName(addresses[0]!, port) === name,
  );
  if (plan === undefined) return [];
  const own = servers.filter(
    ({ server, listenerPort, refused }) =>
      refused === undefined &&
      listenerPort === plan.port &&
      boundAddresses(server.bind, view.proxy).addresses.some((address) =>
        plan.addresses.some((other) => isSameAddress(address, other)),
      ),
  );
  return [...own.map(({ gateway }) => gateway.source), ...boundRules(view, own, 'connections')];
}

function boundRules(
  view: ProxyView,
  servers: readonly Pick<BoundServer, 'gateway' | 'server'>[],
  what: 'http' | 'connections',
): ResourceId[] {
  return rulesOfServers(servers, view.gateway?.virtualServices ?? [])
    .filter(({ http, tcp, tls }) => (what === 'http' ? http : [...tcp, ...tls]).length > 0)
    .flatMap(({ source, delegates = [] }) => [source, ...delegates]);
}
