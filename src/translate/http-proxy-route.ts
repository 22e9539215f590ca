// The virtual hosts of HTTP proxies (`http_proxy`, which a sidecar without interception offers, and ports of a Sidecar
// with protocol HTTP_PROXY) and of Unix sockets: the services of all ports in one configuration. Clients of a proxy
// name the port in the URL, so here, unlike in the routes of ports, it is part of the domains.
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize } from '../lib/memo.js';
import type { ServiceView } from '../mesh/proxy-view.js';
import { listenerProtocol } from './listener-protocol.js';

/** The port of an http URL that names none. */
const HTTP_PORT = 80;

/**
 * All virtual hosts of all ports: `host:port`, and `host` alone for port 80; with `anyPort` for the lowest port of a
 * host that has no port 80, because callers of a socket have no port in mind. `ofPort` gives those of one port, the
 * catch-all last; one catch-all ends the result.
 */
export function httpProxyVirtualHosts(
  services: readonly ServiceView[],
  ofPort: (port: number, services: readonly ServiceView[]) => readonly VirtualHost[],
  anyPort: boolean,
): VirtualHost[] {
  const named: VirtualHost[] = [];
  let catchAll: VirtualHost | undefined;
  const hostsByPort = servicesByPort(services).map(
    ([port, views]) => [port, ofPort(port, views)] as const,
  );
  const atUsualPort = hostsByPort.find(([port]) => port === HTTP_PORT)?.[1] ?? [];
  const taken = new Set(atUsualPort.flatMap(domainsOf));
  for (const [port, hosts] of hostsByPort) {
    for (const host of hosts) {
      if (domainsOf(host).includes('*')) {
        catchAll ??= host;
        continue;
      }
      const bare = anyPort ? domainsOf(host).filter((domain) => !taken.has(domain)) : [];
      for (const domain of bare) taken.add(domain);
      const without = port === HTTP_PORT ? domainsOf(host) : bare;
      named.push(withPort(host, port, without.join(' ')));
    }
  }
  return catchAll === undefined ? named : [...named, catchAll];
}

const servicesByPort = memoize(
  (services: readonly ServiceView[]): readonly (readonly [number, readonly ServiceView[]])[] => {
    // Port 80 always: hosts that only rules name are served there, and the catch-all is needed in an empty mesh.
    const byPort = new Map<number, ServiceView[]>([[HTTP_PORT, []]]);
    for (const view of services) {
      for (const { number, protocol } of view.service.ports) {
        const kind = listenerProtocol(protocol);
        if (kind !== 'http' && kind !== 'auto') continue;
        const views = byPort.get(number);
        if (views === undefined) byPort.set(number, [view]);
        else if (views.at(-1) !== view) views.push(view);
      }
    }
    return [...byPort].sort(([a], [b]) => a - b);
  },
);

const domainsOf = ({ domains = [] }: VirtualHost): readonly string[] => domains;

/** `without`: those of the domains that also stand without the port. */
const withPort = memoize((host: VirtualHost, port: number, without: string): VirtualHost => {
  const bare = new Set(without.split(' '));
  const domains = domainsOf(host).flatMap((domain) => [
    `${domain}:${port}`,
    ...(bare.has(domain) ? [domain] : []),
  ]);
  return { ...host, domains };
});
