// What became of each server of a Gateway at the routers that are connected: served, refused and why, or waiting.
import { LISTENER, SECRET } from './envoy/resource.js';
import type { Gateway, GatewayServer } from './mesh/gateway.js';
import { isForRouter } from './mesh/gateway-scope.js';
import { type ConnectedProxy, holdsNewest } from './status/proxies.js';
import type { GatewayServerStatus } from './status/state.js';
import { gatewayPlan } from './translate/gateway-plan.js';
import { credentialsOf, secretNames } from './translate/server-credentials.js';

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
    const refused =
      states.find((state) => state.refused !== undefined)?.refused ?? heldSecret(routers, server);
    const { listenerPort } = states[0] ?? {};
    return {
      ...(name && { name }),
      port,
      ...(bind && { bind }),
      hosts: hosts.map(({ namespace, host }) =>
        namespace === '*' ? host : `${namespace}/${host}`,
      ),
      state: refused !== undefined ? 'refused' : stateAt(routers),
      ...(refused !== undefined && { reason: refused }),
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

/** What an Envoy said of a certificate of the server that it cannot use, such as a file that is not there. */
function heldSecret(routers: readonly ConnectedProxy[], { tls }: GatewayServer) {
  for (const { served, streams } of tls ? routers : []) {
    const view = served?.view;
    const found = tls && view && credentialsOf(tls, view.secrets, view.proxy.meshCertificate);
    const names = found && !('problem' in found) ? secretNames(found) : [];
    const held = [...streams.keys()]
      .flatMap((stream) => stream.status().types)
      .filter(({ typeUrl }) => typeUrl === SECRET)
      .flatMap(({ heldBack = [] }) => heldBack);
    const own = held.find(({ name }) => names.includes(name));
    if (own !== undefined) return own.message;
  }
  return undefined;
}

function stateAt(routers: readonly ConnectedProxy[]): GatewayServerStatus['state'] {
  if (routers.length === 0) return 'no-router';
  return routers.every((router) => holdsNewest(router, LISTENER)) ? 'served' : 'pending';
}
