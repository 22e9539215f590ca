// All listeners of one view, in a stable order. What each kind looks like is in the files named after it. What changes
// often (endpoints, weights, HTTP routes) is not in listeners: Envoy drains a listener that changes.
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import { inboundListeners } from './inbound-listener.js';
import { outboundListener } from './outbound-listener.js';
import { outboundPlan } from './outbound-plan.js';
import { virtualOutbound } from './virtual-outbound.js';

/**
 * The listeners of a sidecar: outbound by port, virtualOutbound, then inbound. Unchanged inputs give the same objects.
 * Routers have none yet.
 */
export function buildListeners(view: ProxyView): readonly Listener[] {
  const { type, interceptionMode, ipv4, ipv6 } = view.proxy;
  if (type !== 'sidecar') return [];
  const { listeners } = outboundPlan(view);
  const transparent = interceptionMode === 'TPROXY';
  return [
    ...listeners.map((plan) => outboundListener(plan, view.settings)),
    ...(interceptionMode === 'NONE'
      ? []
      : [virtualOutbound(view.settings, transparent, ipv4, ipv6)]),
    ...inboundListeners(view),
  ];
}
