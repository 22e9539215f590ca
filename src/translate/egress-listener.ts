// What clients see at a port, where a Sidecar has listeners for single ports. Without one everything is seen at each.
import { memoize } from '../lib/memo.js';
import type { EgressListener, OutboundScope } from '../mesh/proxy-view.js';
import { parseSocketRouteName, portRouteName } from './names.js';

/** The listeners of a scope: those of single ports first, then the one for all others. */
export function egressListeners(outbound: OutboundScope): readonly EgressListener[] {
  return outbound.listeners ?? everything(outbound);
}

const everything = memoize(({ services, virtualServices }: OutboundScope): [EgressListener] => [
  { services, virtualServices },
]);

/** Whether a Sidecar has a listener of its own for a port. */
export function hasOwnListener(outbound: OutboundScope, port: number): boolean {
  return outbound.listeners?.some((seen) => seen.port === port) ?? false;
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

/** What is seen by a route configuration: that of a Unix socket or an HTTP proxy by its name, all others by the port. */
export function seenByRoute(
  outbound: OutboundScope,
  { name, port }: { name: string; port: number },
): EgressListener {
  const path = parseSocketRouteName(name);
  if (path !== undefined) {
    return outbound.listeners?.find(({ socket }) => socket?.path === path) ?? nothing;
  }
  const proxy = outbound.listeners?.find(
    (seen) => seen.httpProxy && portRouteName(seen.port ?? 0) === name,
  );
  return proxy ?? seenAtPort(outbound, port);
}

const nothing: EgressListener = { services: [], virtualServices: [] };
