// Who gets which outbound listener when services meet at an address and port. Istio's rules: services in order of age;
// HTTP services share a listener; HTTP and TCP on one listener are told apart by sniffing; of two TCP services that
// match the same the older one counts.

import { prefixKey } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import { byAge } from '../mesh/order.js';
import type { ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { Protocol, Service, ServicePort } from '../mesh/service.js';
import { cidrsThatCount, namesThatCount } from './filter-chain.js';
import { endpointAddresses, listensAtEndpoints } from './headless.js';
import {
  boundAddresses,
  isReserved,
  type Site,
  serviceSites,
  wildcards,
} from './listener-address.js';
import { isServerFirst, isTls, listenerProtocol } from './listener-protocol.js';
import { listenerName, portRouteName, serviceRouteName } from './names.js';
import { connectionRules, type TcpChainPlan, type TcpContext, tcpChains } from './tcp-route.js';

/** A listener in the making. */
export interface ListenerEntry {
  addresses: readonly string[];
  port: number;
  bindToPort: boolean;
  /** `view` is the first service with HTTP here. */
  http?: { route: string; grpcWeb: boolean; view: ServiceView };
  tcp: { chain: TcpChainPlan; service: Service }[];
  /** Of the first service; `Auto` once HTTP and TCP are mixed. */
  protocol: Protocol;
  first: Service;
}

interface Work {
  view: ProxyView;
  context: TcpContext;
  bindToPort: boolean;
  /** Ports of the proxy's own inbound listeners at the addresses where outbound ones are bound. */
  taken: ReadonlySet<number>;
  entries: Map<string, ListenerEntry>;
  problems: Problem[];
}

/** The listeners that the services of a view need, and what found no place. */
export function outboundEntries(view: ProxyView): {
  entries: ListenerEntry[];
  problems: Problem[];
} {
  const bindToPort = view.proxy.interceptionMode === 'NONE';
  const work: Work = {
    view,
    context: {
      proxy: view.proxy,
      virtualServices: connectionRules(view.outbound.virtualServices),
      services: byHostname(view.outbound.services),
    },
    bindToPort,
    taken: bindToPort ? inboundPorts(view) : new Set(),
    entries: new Map(),
    problems: [],
  };
  for (const each of oldestFirst(view.outbound.services)) {
    for (const port of each.service.ports) addPort(work, each, port);
  }
  return { entries: [...work.entries.values()], problems: work.problems };
}

const byHostname = memoize(
  (services: readonly ServiceView[]): ReadonlyMap<string, ServiceView> =>
    new Map(services.map((view) => [view.service.hostname, view])),
);

const oldestFirst = memoize((services: readonly ServiceView[]): readonly ServiceView[] =>
  [...services].sort((a, b) => byAge(a.service, b.service)),
);

function inboundPorts(view: ProxyView): ReadonlySet<number> {
  const own = boundAddresses(view)[0] === view.inbound.ips[0];
  return new Set(own ? view.inbound.ports.map(({ targetPort }) => targetPort) : []);
}

function addPort(work: Work, view: ServiceView, port: ServicePort): void {
  const kind = listenerProtocol(port.protocol);
  if (kind === 'none') return;
  for (const site of sites(work, view.service, port)) {
    if (standsInTheWay(work, site, port)) {
      work.problems.push(reserved(view.service, port));
      continue;
    }
    // Without interception an own inbound listener has the address; the HTTP proxy still reaches the service.
    if (work.taken.has(port.number)) continue;
    addAt(work, view, port, site);
  }
}

function sites({ view, bindToPort }: Work, service: Service, port: ServicePort): readonly Site[] {
  if (bindToPort) return [{ addresses: boundAddresses(view) }];
  if (listenerProtocol(port.protocol) === 'http') return [{ addresses: wildcards(view.proxy) }];
  if (listensAtEndpoints(service, port)) {
    const addresses = endpointAddresses(view.outbound, service, port);
    if (addresses !== undefined) return addresses.map((address) => ({ addresses: [address] }));
  }
  return serviceSites(service, view.proxy);
}

function standsInTheWay({ view, bindToPort }: Work, site: Site, port: ServicePort): boolean {
  const atWildcard = site.addresses[0] === wildcards(view.proxy)[0];
  return (bindToPort || atWildcard) && isReserved(port.number, view.settings);
}

function addAt(work: Work, view: ServiceView, port: ServicePort, site: Site): void {
  const { service } = view;
  const kind = listenerProtocol(port.protocol);
  const key = listenerName(site.addresses[0]!, port.number);
  const existing = work.entries.get(key);
  if (existing !== undefined && excludes(existing, port.protocol)) {
    work.problems.push(leftOut(service, port, existing.first, key));
    return;
  }
  const entry = existing ?? {
    addresses: site.addresses,
    port: port.number,
    bindToPort: work.bindToPort,
    tcp: [],
    protocol: port.protocol,
    first: service,
  };
  work.entries.set(key, entry);
  if (existing !== undefined && existing.protocol !== port.protocol && kind !== 'tcp') {
    entry.protocol = 'Auto';
  }
  if (kind !== 'tcp') addHttp(work, entry, view, port);
  if (kind !== 'http') addTcp(work, entry, view, port, site);
}

function excludes(existing: ListenerEntry, incoming: Protocol): boolean {
  if (existing.protocol === incoming) return false;
  return isServerFirst(existing.protocol) || isServerFirst(incoming);
}

function addHttp(work: Work, entry: ListenerEntry, view: ServiceView, port: ServicePort): void {
  const grpcWeb = port.protocol === 'GRPC-Web';
  if (entry.http !== undefined) {
    entry.http.grpcWeb ||= grpcWeb;
    return;
  }
  const shared = work.bindToPort || entry.addresses[0] === wildcards(work.view.proxy)[0];
  const route = shared
    ? portRouteName(port.number)
    : serviceRouteName(view.service.hostname, port.number);
  entry.http = { route, grpcWeb, view };
}

function addTcp(
  work: Work,
  entry: ListenerEntry,
  view: ServiceView,
  port: ServicePort,
  site: Site,
): void {
  const { service } = view;
  const shared =
    work.bindToPort ||
    (entry.addresses[0] === wildcards(work.view.proxy)[0] &&
      (service.addresses.length === 0 || site.cidrs !== undefined));
  const chains = tcpChains(work.context, view, port, {
    ...(site.cidrs === undefined ? {} : { destinationCidrs: site.cidrs }),
    ...(shared && isTls(port.protocol)
      ? { serverNames: [service.hostname, ...(service.aliases ?? [])] }
      : {}),
  });
  for (const chain of chains) {
    const key = matchKey(chain);
    const winner = entry.tcp.find((other) => matchKey(other.chain) === key);
    if (winner === undefined) entry.tcp.push({ chain, service });
    else if (winner.service !== service) {
      const name = listenerName(entry.addresses[0]!, entry.port);
      work.problems.push(leftOut(service, port, winner.service, name));
    }
  }
}

/** Equal for chains between which Envoy could not choose. */
function matchKey(chain: TcpChainPlan): string {
  const cidrs = cidrsThatCount(chain).flatMap((cidr) => prefixKey(cidr) ?? []);
  return JSON.stringify([[...new Set(cidrs)].sort(), [...new Set(namesThatCount(chain))]]);
}

function leftOut(service: Service, port: ServicePort, winner: Service, listener: string): Problem {
  return {
    code: 'protocol-conflict',
    severity: 'warning',
    message:
      `port ${port.number} (${port.protocol}) of ${service.hostname} would stand on the listener ` +
      `${listener}, which the older ${winner.hostname} has; it gets the connections`,
    resource: service.source,
    path: ['spec', 'ports'],
  };
}

function reserved(service: Service, port: ServicePort): Problem {
  return {
    code: 'reserved-port',
    severity: 'warning',
    message:
      `port ${port.number} of ${service.hostname} is a port of the sidecar itself; ` +
      'no listener is made for it',
    resource: service.source,
    path: ['spec', 'ports'],
  };
}
