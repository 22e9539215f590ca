// Which ports of the workload get filter chains of their own, and which service decides where several select the same
// port. No Envoy message is made here.
import { isLoopback } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import { inboundConflict } from '../mesh/inbound-conflict.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { InterceptionMode } from '../mesh/proxy.js';
import type { InboundListenerSettings, InboundPort, ProxyView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { Service, ServicePort } from '../mesh/service.js';
import { isReserved } from './listener-address.js';
import { listenerProtocol } from './listener-protocol.js';
import { listenerName } from './names.js';

export interface InboundPlan {
  /** One for each port of the workload, in order of port. */
  ports: readonly InboundPort[];
  problems: readonly Problem[];
}

/** Decides the inbound side of a view. The same object for the same ports and settings. */
export function inboundPlan(view: ProxyView): InboundPlan {
  // By the parts: workloads of one service have lists of their own, and still the same plan.
  const parts = view.inbound.ports.flatMap(partsOf);
  return planOf(view.settings, ...parts);
}

/**
 * Where inbound listeners are bound without interception, and the application is not: it listens at 127.0.0.1. Without
 * such an address (only 127.0.0.1 itself, or none known) there can be no inbound listener.
 */
export function boundInboundAddress(ips: readonly string[]): string | undefined {
  return ips.find((ip) => !isLoopback(ip) || (ip !== '127.0.0.1' && ip !== '::1'));
}

/** Whether a port has a listener of its own that is really bound, instead of a part in what is captured. */
export function isBound({ listener }: InboundPort, mode: InterceptionMode): boolean {
  return !(listener?.captured ?? mode !== 'NONE');
}

/** Where the listener of a bound port stands; undefined: nowhere. */
export function boundAddress(
  { listener }: InboundPort,
  ips: readonly string[],
): string | undefined {
  return listener?.bind ?? boundInboundAddress(ips);
}

/** `ADDRESS_PORT` of the listener that an inbound port has for itself; undefined: it has none. */
export function boundInboundName(
  port: InboundPort,
  { proxy, inbound }: ProxyView,
): string | undefined {
  if (!isBound(port, proxy.interceptionMode)) return undefined;
  const address = boundAddress(port, inbound.ips);
  return address && listenerName(address, port.targetPort);
}

/** Those of all inbound ports. */
export function boundInboundNames(view: ProxyView): readonly string[] {
  return view.inbound.ports.flatMap((port) => boundInboundName(port, view) ?? []);
}

type Parts = [
  Service,
  ServicePort,
  number,
  InboundPort['endpoint'] | undefined,
  InboundListenerSettings | undefined,
];

function partsOf({ service, port, targetPort, endpoint, listener }: InboundPort): Parts {
  return [service, port, targetPort, endpoint, listener];
}

const planOf = memoize(
  (settings: MeshSettings, ...parts: readonly Parts[number][]): InboundPlan => {
    const chosen = new Map<number, InboundPort>();
    const problems: Problem[] = [];
    for (let i = 0; i < parts.length; i += 5) {
      const [service, port, targetPort, endpoint, listener] = parts.slice(i, i + 5) as Parts;
      const each = {
        service,
        port,
        targetPort,
        ...(endpoint && { endpoint }),
        ...(listener && { listener }),
      };
      if (listenerProtocol(port.protocol) === 'none' || targetPort <= 0) continue;
      if (isReserved(targetPort, settings)) continue;
      const first = chosen.get(targetPort);
      if (first === undefined) chosen.set(targetPort, each);
      else if (contradicts(first, each)) {
        problems.push(inboundConflict({ ...first, target: first.targetPort }, each));
      }
    }
    return { ports: [...chosen.values()].sort((a, b) => a.targetPort - b.targetPort), problems };
  },
);

/** Two services may share a port of the workload; it matters only when they call its protocol differently. */
function contradicts(first: InboundPort, other: InboundPort): boolean {
  return first.service !== other.service && first.port.protocol !== other.port.protocol;
}
