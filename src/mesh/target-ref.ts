// targetRefs of EnvoyFilters and WasmPlugins: policies for the routers of a Gateway of Kubernetes' Gateway API. Other
// kinds of targets are of waypoints, which there are none of.
import type { TargetRef } from '../kinds/target-ref.js';
import type { Proxy as ConnectedProxy } from './proxy.js';

/** The label that routers of such a Gateway have (Gateway API, GEP-1762). */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** The names of the Gateways that are targets; undefined: there are no targets, and selectors count. */
export function targetGateways(refs: readonly TargetRef[]): readonly string[] | undefined {
  if (refs.length === 0) return undefined;
  return refs
    .filter(({ kind, group = '' }) => kind === 'Gateway' && group === 'gateway.networking.k8s.io')
    .map(({ name }) => name);
}

/** Whether a proxy is a router of one of these Gateways. */
export function isTarget(
  gateways: readonly string[],
  { type, labels }: Pick<ConnectedProxy, 'type' | 'labels'>,
): boolean {
  const own = labels[GATEWAY_NAME_LABEL];
  return type === 'router' && own !== undefined && gateways.includes(own);
}
