// All listeners of one view, in a stable order. What each kind looks like is in the files named after it. What changes
// often (endpoints, weights, HTTP routes) is not in listeners: Envoy drains a listener that changes.
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { InterceptionMode } from '../mesh/proxy.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import { dnsListeners } from './dns-listener.js';
import { type DnsName, dnsNames } from './dns-table.js';
import { gatewayListeners } from './gateway-listener.js';
import { gatewayPlan } from './gateway-plan.js';
import { inboundListeners } from './inbound-listener.js';
import { outboundListener } from './outbound-listener.js';
import { type OutboundPlan, outboundPlan } from './outbound-plan.js';
import { virtualOutbound } from './virtual-outbound.js';

/**
 * The listeners of a sidecar: outbound by port, virtualOutbound, the DNS listener, then inbound. Unchanged inputs give the same objects.
 * Those of a router are its Gateways'.
 */
export function buildListeners(view: ProxyView): readonly Listener[] {
  return [...outboundListeners(view), ...ownListeners(view)];
}

/** Those that proxies of equal plans have in common: the same array for all of them. */
export function outboundListeners(view: ProxyView): readonly Listener[] {
  const { type, interceptionMode, ipv4, ipv6, dnsCapture } = view.proxy;
  if (type !== 'sidecar') return none;
  // Without interception nothing would come to it.
  const names = dnsCapture && interceptionMode !== 'NONE' ? dnsNames(view) : undefined;
  return outboundOf(
    outboundPlan(view).listeners,
    view.settings,
    interceptionMode,
    ipv4,
    ipv6,
    names,
  );
}

/** Those of the workload itself. */
export function ownListeners(view: ProxyView): readonly Listener[] {
  if (view.proxy.type === 'sidecar') return inboundListeners(view);
  return gatewayPlan(view).listeners.flatMap((plan) => gatewayListeners(plan, view.settings));
}

const none: readonly Listener[] = [];

const outboundOf = memoize(
  (
    listeners: OutboundPlan['listeners'],
    settings: MeshSettings,
    mode: InterceptionMode,
    ipv4: boolean,
    ipv6: boolean,
    names: readonly DnsName[] | undefined,
  ): readonly Listener[] => {
    const planned = listeners.map((plan) => outboundListener(settings, plan));
    if (mode === 'NONE') return planned;
    return [
      ...planned,
      virtualOutbound(settings, mode === 'TPROXY', ipv4, ipv6),
      ...(names === undefined ? none : dnsListeners(names, ipv4, ipv6)),
    ];
  },
);
