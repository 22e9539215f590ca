// Where the connections of a gateway's server go, if it does not speak HTTP: by the tcp and tls rules of the
// VirtualServices bound to it.
import { hostCovers } from '../mesh/host-name.js';
import type { TcpRule, TlsRule, VirtualService } from '../mesh/rules.js';
import { servicesByName } from './destination.js';
import { servedRules } from './gateway-hosts.js';
import type { BoundServer, PlanContext } from './gateway-server.js';
import type { TcpTarget } from './tcp-proxy.js';
import { routeTarget } from './tcp-route.js';

/** A chain told apart by server name. */
export interface SniChain {
  serverNames: readonly string[];
  tcp: TcpTarget;
}

/** The first tcp rule for the server; undefined when there is none, and then nothing is served (Istio). */
export function tcpChain(bound: BoundServer, context: PlanContext): TcpTarget | undefined {
  for (const { rule } of servedRules(bound, context.virtualServices)) {
    for (const { match = [], route = [] } of rule.tcp) {
      const applies = match.length === 0 || match.some((one) => isAt(one, bound));
      if (route.length > 0 && applies) return target(context, rule, { route, bound });
    }
  }
  return undefined;
}

/** A chain for each match of the tls rules: its server names, as far as the server has them. */
export function passthroughChains(bound: BoundServer, context: PlanContext): SniChain[] {
  return servedRules(bound, context.virtualServices).flatMap(({ rule, hosts: served }) =>
    rule.tls.flatMap(({ match = [], route = [] }) =>
      match.flatMap((one): SniChain[] => {
        if (route.length === 0 || !isAt(one, bound)) return [];
        const serverNames = one.sniHosts
          .map((name) => name.toLowerCase())
          .filter((name) => served.some((host) => hostCovers(host, name)));
        return serverNames.length === 0
          ? []
          : [{ serverNames, tcp: target(context, rule, { route, bound }) }];
      }),
    ),
  );
}

type Match = NonNullable<TcpRule['match']>[number] | NonNullable<TlsRule['match']>[number];

/** Of what a match can say, port and gateways count at a gateway (Istio, l4 matches of gateways). */
function isAt({ port, gateways }: Match, { gateway, server }: BoundServer): boolean {
  return (
    (!gateways?.length || gateways.includes(gateway.name)) && (!port || port === server.port.number)
  );
}

function target(
  { services, proxy }: PlanContext,
  rule: VirtualService,
  { route, bound }: { route: NonNullable<TcpRule['route']>; bound: BoundServer },
): TcpTarget {
  const context = { proxy, virtualServices: [], services: servicesByName(services) };
  return routeTarget(context, rule, { route, port: bound.server.port.number });
}
