// What clients see at a port, where a Sidecar has listeners for single ports. Without one everything is seen at each.
import { memoize } from '../lib/memo.js';
import type { EgressListener, OutboundScope } from '../mesh/proxy-view.js';
import { parseSocketRouteName } from './names.js';

/** The listeners of a scope: those of single ports first, then the one for all others. */
export function egressListeners(outbound: OutboundScope): readonly EgressListener[] {
  return outbound.listeners ?? everything(outbound);
}

const everything = memoize(({ services, virtualServices }: OutboundScope): [EgressListener] => [
  { services, virtualServices },
]);

/** Whether a port of a service is reached by this listener: a port with a listener of its own is left to that. */
export function isAtPort(outbound: OutboundScope, seen: EgressListener, port: number): boolean {
  if (seen.socket !== undefined) return false;
  if (seen.port !== undefined) return seen.port === port;
  return !outbound.listeners?.some((other) => other.port === port);
}

/** What is seen at a port; nothing where a Sidecar has listeners for other ports only. Port 0: all the others. */
export function seenAtPort(outbound: OutboundScope, port: number): EgressListener {
  const all = egressListeners(outbound);
  return (
    all.find((seen) => seen.port === port) ??
    all.find((seen) => seen.port === undefined && seen.socket === undefined) ??
    nothing
  );
}

/** What is seen by a route configuration: that of a Unix socket by its name, all others by the port. */
export function seenByRoute(
  outbound: OutboundScope,
  { name, port }: { name: string; port: number },
): EgressListener {
  const path = parseSocketRouteName(name);
  if (path === undefined) return seenAtPort(outbound, port);
  return outbound.listeners?.find(({ socket }) => socket?.path === path) ?? nothing;
}

const nothing: EgressListener = { services: [], virtualServices: [] };
