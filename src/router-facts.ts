// What connected routers have to say about the Gateways that they serve: whether they have acknowledged the listeners,
// and their addresses. Facts for the status of Gateways (mesh/gateway-api/status.ts).
import { LISTENER } from './envoy/resource.js';
import type { RouterFacts } from './mesh/gateway-api/status.js';
import { type ConnectedProxy, holdsNewest } from './status/proxies.js';
import { gatewayPlan } from './translate/gateway-plan.js';

/** Reads what is known at the moment of asking. */
export function routerFacts(proxies: Iterable<ConnectedProxy>): RouterFacts {
  const routers = [...proxies].filter(({ served }) => served?.view.gateway !== undefined);
  const serving = (names: readonly string[]) =>
    routers.filter(({ served }) =>
      served?.view.gateway?.gateways.some(({ name }) => names.includes(name)),
    );
  return {
    programmed(gateway) {
      let refused: string | undefined;
      for (const router of serving([gateway])) {
        const servers = gatewayPlan(router.served!.view).servers.filter(
          (server) => server.gateway.name === gateway,
        );
        refused ??= servers.find((server) => server.refused !== undefined)?.refused;
        if (
          servers.every((server) => server.refused === undefined) &&
          holdsNewest(router, LISTENER)
        ) {
          return true;
        }
      }
      return refused ?? false;
    },
    addresses(gateways) {
      const ips = serving(gateways).flatMap(({ proxy }) => proxy.ips.slice(0, 1));
      return [...new Set(ips)].sort();
    },
  };
}
