// What a router serves: the servers of the Gateways that are for it, at which ports, and the rules bound to them. How
// servers share a port, and which of two that cannot is refused, is translate/gateway-plan.ts.
import { sameOr } from '../lib/memo.js';
import type { Gateway, GatewaySelector } from './gateway.js';
import { hasLabels } from './has-labels.js';
import { servedPorts } from './inbound.js';
import type { Mesh } from './mesh.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type { GatewayPort, GatewayScope } from './proxy-view.js';
import type { VirtualService } from './rules.js';
import { isVisible } from './visibility.js';
import { byPrecedence } from './visible-rules.js';

/** Whether a Gateway is for a router. */
export function isForRouter(
  { selector }: Gateway,
  proxy: Pick<ConnectedProxy, 'type' | 'namespace' | 'labels'>,
): boolean {
  return proxy.type === 'router' && isSelected(selector, proxy);
}

function isSelected(
  { labels, namespace, oneOf }: GatewaySelector,
  proxy: Pick<ConnectedProxy, 'namespace' | 'labels'>,
): boolean {
  return (
    (namespace === undefined || namespace === proxy.namespace) &&
    hasLabels(proxy.labels, labels) &&
    (oneOf === undefined || oneOf.some((each) => isSelected(each, proxy)))
  );
}

/** The scope of a router; the same object for routers that serve the same, and while they do. */
export function gatewayScope(
  mesh: Mesh,
  proxy: ConnectedProxy,
): { key: string; scope: GatewayScope } {
  const gateways = mesh.gateways.filter((gateway) => isForRouter(gateway, proxy));
  const ports = targetPorts(mesh, proxy, gateways);
  const names = gateways.map(({ source: { kind }, name }) => `${kind}/${name}`);
  const key = JSON.stringify([proxy.namespace, names, ports]);
  const { now, before } = mesh.parts.gatewayScopes;
  let scope = now.get(key);
  if (scope === undefined) {
    scope = buildScope(mesh, { namespace: proxy.namespace, gateways, ports }, before.get(key));
    now.set(key, scope);
  }
  return { key, scope };
}

function buildScope(
  mesh: Mesh,
  from: { namespace: string; gateways: readonly Gateway[]; ports: readonly GatewayPort[] },
  old: GatewayScope | undefined,
): GatewayScope {
  const gateways = sameOr(old?.gateways, from.gateways);
  const names = new Set(gateways.map(({ name }) => name));
  const bound = mesh.virtualServices.filter((rule) => isBound(rule, names, from.namespace));
  const virtualServices = sameOr(old?.virtualServices, byPrecedence(bound, from.namespace));
  const same = old?.gateways === gateways && old.virtualServices === virtualServices;
  return same && old ? old : { gateways, ports: old?.ports ?? from.ports, virtualServices };
}

function isBound(
  { gateways, hosts, visibility }: VirtualService,
  names: ReadonlySet<string>,
  namespace: string,
): boolean {
  return (
    hosts.length > 0 && gateways.some((name) => names.has(name)) && isVisible(visibility, namespace)
  );
}

/**
 * Where the ports of Gateways lead: servers name ports of the gateway's Service, and the listener stands at the
 * target port (Istio, MergeGateways). A port that no Service of the router has is the listener's own.
 */
function targetPorts(
  mesh: Mesh,
  proxy: ConnectedProxy,
  gateways: readonly Gateway[],
): readonly GatewayPort[] {
  const targets = new Map<number, number>();
  for (const { port, targetPort } of servedPorts(mesh, proxy)) {
    if (!targets.has(port.number)) targets.set(port.number, targetPort);
  }
  const numbers = new Set(
    gateways.flatMap(({ servers }) => servers.map(({ port }) => port.number)),
  );
  return [...numbers]
    .sort((a, b) => a - b)
    .map((port) => ({ port, listenerPort: targets.get(port) ?? port }));
}
