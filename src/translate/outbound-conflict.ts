// Who gets which outbound listener when services meet at an address and port. Istio's rules: services in order of age;
// HTTP services share a listener; HTTP and TCP on one listener are told apart by sniffing; of two TCP services that
// match the same the older one counts.

import { prefixKey } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import { byAge } from '../mesh/order.js';
import { portPath } from '../mesh/port-path.js';
import type { EgressListener, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { Protocol, Service, ServicePort } from '../mesh/service.js';
import type { UnixSocket } from '../mesh/sidecar.js';
import { servicesByName } from './destination.js';
import { egressListeners, hasOwnListener } from './egress-listener.js';
import { cidrsThatCount, namesThatCount } from './filter-chain.js';
import { endpointAddresses, listensAtEndpoints } from './headless.js';
import { boundInboundNames } from './inbound-plan.js';
import {
  boundAddresses,
  isOutOfReach,
  isReserved,
  type Site,
  serviceSites,
  wildcards,
} from './listener-address.js';
import { isServerFirst, isTls, listenerProtocol } from './listener-protocol.js';
import { listenerName, portRouteName, serviceRouteName, socketRouteName } from './names.js';
import { addressesOf } from './service-address.js';
import { connectionRules, type TcpChainPlan, type TcpContext, tcpChains } from './tcp-route.js';

/** A listener in the making. */
export interface ListenerEntry {
  addresses: readonly string[];
  port: number;
  bindToPort: boolean;
  /** `view` is the first service with HTTP here; `isProxy`: callers name the port, so that all are reached here. */
  http?: { route: string; grpcWeb: boolean; view: ServiceView; isProxy?: true };
  tcp: { chain: TcpChainPlan; service: Service }[];
  /** Of the first service; `Auto` once HTTP and TCP are mixed. */
  protocol: Protocol;
  first: Service;
}

interface Work {
  view: ProxyView;
  context: TcpContext;
  bindToPort: boolean;
  /** Where all listeners stand; absent: at the addresses of the services. */
  bound: readonly string[] | undefined;
  /** All stand at one Unix socket, whatever the ports of the services. */
  socket: boolean;
  /** `ADDRESS_PORT` of the proxy's own inbound listeners that are really bound. */
  taken: ReadonlySet<string>;
  /** Made for single ports of a Sidecar: its entry for all other ports adds nothing to them. */
  closed: ReadonlySet<ListenerEntry>;
  entries: ListenerEntry[];
  /** Who has an address and port, whether as primary or additional address. */
  owners: Map<string, ListenerEntry>;
  problems: Problem[];
}

/** The listeners that the services of a view need, and what found no place. */
export function outboundEntries(view: ProxyView): {
  entries: ListenerEntry[];
  problems: Problem[];
} {
  const bindToPort = view.proxy.interceptionMode === 'NONE';
  const shared = {
    view,
    bindToPort,
    taken: new Set([...boundInboundNames(view), ...(bindToPort ? ownPorts(view) : [])]),
    entries: [],
    owners: new Map(),
    problems: [],
  };
  for (const seen of egressListeners(view.outbound)) {
    const context = {
      proxy: view.proxy,
      virtualServices: connectionRules(seen.virtualServices),
      services: servicesByName(view.outbound.services),
    };
    const bindToPort = shared.bindToPort || seen.captured === false;
    const bound = seen.bind ? [seen.bind] : bindToPort ? boundAddresses(view) : undefined;
    const closed = new Set<ListenerEntry>(seen.port === undefined ? shared.entries : []);
    const work: Work = { ...shared, context, bindToPort, bound, socket: false, closed };
    if (seen.socket) {
      addSocket({ ...work, bindToPort: true, socket: true }, seen.socket, seen.services);
    } else if (seen.httpProxy) addHttpProxy(work, seen.port ?? 0, seen.services);
    else addServices(work, seen);
  }
  return { entries: shared.entries, problems: shared.problems };
}

function addServices(work: Work, { port: only, protocol, services }: EgressListener): void {
  for (const each of oldestFirst(services)) {
    for (const port of each.service.ports) {
      if (only === undefined ? leavesToOthers(work, port) : port.number !== only) continue;
      addPort(work, each, port, protocol ?? port.protocol);
    }
  }
}

/**
 * Whether an entry of a Sidecar for all other ports leaves a port to the entry that is for it alone. At addresses of
 * their own, TCP services of that port are reached all the same, as in Istio: only what stands at one place is closed.
 */
function leavesToOthers({ view }: Work, port: ServicePort): boolean {
  return listenerProtocol(port.protocol) !== 'tcp' && hasOwnListener(view.outbound, port.number);
}

const oldestFirst = memoize((services: readonly ServiceView[]): readonly ServiceView[] =>
  [...services].sort((a, b) => byAge(a.service, b.service)),
);

/** Where outbound listeners stand at the workload's own address, its ports are those of its application. */
function ownPorts(view: ProxyView): readonly string[] {
  const address = boundAddresses(view)[0]!;
  if (address !== view.inbound.ips[0]) return [];
  return view.inbound.ports.map(({ targetPort }) => listenerName(address, targetPort));
}

/** Each service has part in a socket by one port: the one that speaks as the socket does, else its only one. */
function addSocket(
  work: Work,
  { path, protocol }: UnixSocket,
  services: readonly ServiceView[],
): void {
  const addresses = [socketRouteName(path)];
  const kind = listenerProtocol(protocol);
  if (kind === 'none') return;
  for (const each of oldestFirst(services)) {
    const { ports } = each.service;
    const alike = ports.find((port) => listenerProtocol(port.protocol) === kind);
    const port = alike ?? (ports.length === 1 ? ports[0] : undefined);
    if (port === undefined || port.protocol === 'UDP') continue;
    const site = { addresses };
    addAt({ ...work, bound: addresses }, each, { ...port, protocol }, site);
  }
}

/** An HTTP proxy of a Sidecar (protocol HTTP_PROXY): one listener for all ports of the hosts, if there are any. */
function addHttpProxy(work: Work, number: number, services: readonly ServiceView[]): void {
  const [view] = oldestFirst(services);
  if (view === undefined) return;
  const port: ServicePort = { number, name: '', protocol: 'HTTP' };
  const site = { addresses: work.bound ?? wildcards(work.view.proxy) };
  if (isBarred(work, { service: view.service, port, site })) return;
  const entry = newEntry(work, view.service, port, site);
  const grpcWeb = services.some(({ service: { ports } }) =>
    ports.some((each) => each.protocol === 'GRPC-Web'),
  );
  entry.http = { route: portRouteName(number), grpcWeb, view, isProxy: true };
}

/** Adds a port of a service; `protocol` is what is spoken there, which a Sidecar may say in place of the service. */
function addPort(work: Work, view: ServiceView, declared: ServicePort, protocol: Protocol): void {
  const { service } = view;
  const port = protocol === declared.protocol ? declared : { ...declared, protocol };
  if (listenerProtocol(protocol) === 'none') return;
  for (const site of sites(work, service, { declared, protocol })) {
    if (!isBarred(work, { service, port, site })) addAt(work, view, port, site);
  }
}

/** Whether a listener of the sidecar itself, or one of the workload's own, is in the way. */
function isBarred(
  work: Work,
  { service, port, site }: { service: Service; port: ServicePort; site: Site },
): boolean {
  if (work.bindToPort && !work.socket && isOutOfReach(port.number, work.view.settings)) return true;
  if (standsInTheWay(work, site, port)) {
    work.problems.push(reserved(service, port));
    return true;
  }
  if (site.addresses.some((address) => work.taken.has(listenerName(address, port.number)))) {
    // Where nothing is captured the HTTP proxy still reaches the service.
    if (!work.bindToPort) work.problems.push(served(service, port));
    return true;
  }
  return false;
}

function sites(
  { view, bound }: Work,
  service: Service,
  { declared, protocol }: { declared: ServicePort; protocol: Protocol },
): readonly Site[] {
  if (bound) return [{ addresses: bound }];
  if (listenerProtocol(protocol) === 'http') return [{ addresses: wildcards(view.proxy) }];
  if (listensAtEndpoints(service, declared)) {
    const addresses = endpointAddresses(view.outbound, service, declared);
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
  const number = work.socket ? 0 : port.number;
  const key = listenerName(site.addresses[0]!, number);
  const existing = work.owners.get(ownerKey(site.addresses[0]!, number));
  if (existing && work.closed.has(existing)) return;
  if (existing !== undefined && excludes(existing, port.protocol)) {
    work.problems.push(leftOut(service, port, existing.first, key));
    return;
  }
  const entry = existing ?? newEntry(work, service, { ...port, number }, site);
  if (existing !== undefined && existing.protocol !== port.protocol && kind !== 'tcp') {
    entry.protocol = 'Auto';
  }
  if (kind !== 'tcp') addHttp(work, entry, view, port);
  if (kind !== 'http') addTcp(work, entry, view, port, site);
}

function newEntry(work: Work, first: Service, port: ServicePort, site: Site): ListenerEntry {
  const free = site.addresses.filter((address) => !work.owners.has(ownerKey(address, port.number)));
  const entry: ListenerEntry = {
    addresses: free,
    port: port.number,
    bindToPort: work.bindToPort,
    tcp: [],
    protocol: port.protocol,
    first,
  };
  for (const address of free) work.owners.set(ownerKey(address, port.number), entry);
  work.entries.push(entry);
  return entry;
}

/** One key for an address in whatever spelling: Envoy refuses a second listener there. */
function ownerKey(address: string, port: number): string {
  return `${prefixKey(address) ?? address} ${port}`;
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
  const shared = work.bound !== undefined || entry.addresses[0] === wildcards(work.view.proxy)[0];
  const route = work.socket
    ? entry.addresses[0]!
    : shared
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
    work.bound !== undefined ||
    (entry.addresses[0] === wildcards(work.view.proxy)[0] &&
      (addressesOf(service, work.view.proxy).length === 0 || site.cidrs !== undefined));
  const chains = tcpChains(work.context, view, port, {
    ...(site.cidrs === undefined ? {} : { destinationCidrs: site.cidrs }),
    ...((shared || service.resolution === 'dynamic-dns') && isTls(port.protocol)
      ? { serverNames: [service.hostname, ...(service.aliases ?? [])] }
      : {}),
  });
  for (const chain of chains) {
    const { left, winner } = unclaimed(chain, entry);
    if (left !== undefined) entry.tcp.push({ chain: left, service });
    if (winner !== undefined && winner !== service) {
      const name = listenerName(entry.addresses[0]!, entry.port);
      work.problems.push(leftOut(service, port, winner, name));
    }
  }
}

/**
 * What of a chain no chain before it matches. Envoy refuses a listener with two chains for the same block and server
 * name; the first one has it. `winner` is the service that has the rest.
 */
function unclaimed(
  chain: TcpChainPlan,
  entry: ListenerEntry,
): { left?: TcpChainPlan; winner?: Service } {
  let cidrs = byNetwork(chain);
  let names = namesOrAny(chain);
  let winner: Service | undefined;
  for (const { chain: earlier, service } of entry.tcp) {
    const theirCidrs = byNetwork(earlier);
    const theirNames = new Set(namesOrAny(earlier));
    const freeCidrs = new Map([...cidrs].filter(([key]) => !theirCidrs.has(key)));
    const freeNames = names.filter((name) => !theirNames.has(name));
    if (freeCidrs.size === cidrs.size || freeNames.length === names.length) continue;
    winner = service;
    if (freeCidrs.size === 0) names = freeNames;
    else cidrs = freeCidrs;
    if (names.length === 0) return { winner };
  }
  if (winner === undefined) return { left: chain };
  const left: TcpChainPlan = { target: chain.target };
  if (!cidrs.has('')) left.destinationCidrs = [...cidrs.values()];
  if (!names.includes('')) left.serverNames = names;
  return { left, winner };
}

/** Blocks by the network that they are; the empty key stands for "any". */
function byNetwork(chain: TcpChainPlan): ReadonlyMap<string, string> {
  const cidrs = cidrsThatCount(chain).map((cidr) => [prefixKey(cidr) ?? cidr, cidr] as const);
  return new Map(cidrs.length === 0 ? [['', '']] : cidrs);
}

/** Server names; the empty one stands for "any". */
function namesOrAny(chain: TcpChainPlan): readonly string[] {
  const names = namesThatCount(chain);
  return names.length === 0 ? [''] : names;
}

function leftOut(service: Service, port: ServicePort, winner: Service, listener: string): Problem {
  return {
    code: 'protocol-conflict',
    severity: 'warning',
    message:
      `port ${port.number} (${port.protocol}) of ${service.hostname} would stand on the listener ` +
      `${listener}, which the older ${winner.hostname} has; it gets the connections`,
    resource: service.source,
    path: portPath(service, port),
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
    path: portPath(service, port),
  };
}

function served(service: Service, port: ServicePort): Problem {
  return {
    code: 'reserved-port',
    severity: 'warning',
    message:
      `port ${port.number} of ${service.hostname} has no listener: a Sidecar has the workload served there ` +
      '(ingress bind)',
    resource: service.source,
    path: portPath(service, port),
  };
}
