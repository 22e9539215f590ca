// What became of each server of a Gateway at the routers that are connected: served, refused and why, or waiting.
import { LISTENER } from './envoy/resource.js';
import type { Gateway } from './mesh/gateway.js';
import { isForRouter } from './mesh/gateway-scope.js';
import type { ConnectedProxy } from './status/proxies.js';
import type { GatewayServerStatus } from './status/state.js';
import { gatewayPlan } from './translate/gateway-plan.js';

/**
 * The servers of a Gateway in their order. `refused` where any router refuses one, `served` once every router has
 * acknowledged its listeners, else `pending`; `no-router` while none is connected.
 */
export function gatewayServers(
  gateway: Gateway,
  proxies: Iterable<ConnectedProxy>,
): GatewayServerStatus[] {
  const routers = [...proxies].filter(({ proxy }) => isForRouter(gateway, proxy));
  return gateway.servers.map((server, i): GatewayServerStatus => {
    const { name, port, bind, hosts } = server;
    const states = routers.flatMap(({ served }) => stateOf(served?.view, gateway, i) ?? []);
    const refused = states.find(({ refused }) => refused !== undefined);
    const { listenerPort } = states[0] ?? {};
    return {
      ...(name && { name }),
      port,
      ...(bind && { bind }),
      hosts: hosts.map(({ namespace, host }) =>
        namespace === '*' ? host : `${namespace}/${host}`,
      ),
      state: refused ? 'refused' : stateAt(routers),
      ...(refused?.refused !== undefined && { reason: refused.refused }),
      ...(listenerPort !== undefined && { listenerPort }),
      routers: routers.map(({ proxy }) => `${proxy.name}.${proxy.namespace}`).sort(),
    };
  });
}

function stateOf(
  view: NonNullable<ConnectedProxy['served']>['view'] | undefined,
  gateway: Gateway,
  index: number,
) {
  if (view === undefined) return undefined;
  const { kind } = gateway.source;
  const own = gatewayPlan(view).servers.filter(
    (state) => state.gateway.name === gateway.name && state.gateway.source.kind === kind,
  );
  return own[index];
}

function stateAt(routers: readonly ConnectedProxy[]): GatewayServerStatus['state'] {
  if (routers.length === 0) return 'no-router';
  return routers.every(hasListeners) ? 'served' : 'pending';
}

/** Whether a router has acknowledged the listeners that it was sent last. */
function hasListeners({ streams }: ConnectedProxy): boolean {
  return [...streams.keys()].some((stream) =>
    stream.status().types.some(({ typeUrl, state }) => typeUrl === LISTENER && state === 'SYNCED'),
  );
}
