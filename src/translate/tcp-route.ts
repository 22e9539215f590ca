// Where the TCP connections of one service port go: VirtualService tcp and tls rules, else the service itself, and
// what its DestinationRule says about connections. Matches that only the control plane can judge (labels and
// namespace of the client, port, gateways) are judged here; the others become chain matches.

import { memoize, sameOr } from '../lib/memo.js';
import { hasLabels } from '../mesh/has-labels.js';
import { hostCovers } from '../mesh/host-name.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type {
  DestinationRule,
  TcpRule,
  TlsRule,
  TrafficPolicy,
  VirtualService,
} from '../mesh/rules.js';
import type { Service, ServicePort } from '../mesh/service.js';
import { destinationCluster, destinationPort } from './destination.js';
import { dnsLookupFamily } from './dynamic-dns.js';
import { isTls } from './listener-protocol.js';
import { outboundClusterName } from './names.js';
import type { TcpTarget } from './tcp-proxy.js';

/** One filter chain to be: what it matches, and where its connections go. */
export interface TcpChainPlan {
  destinationCidrs?: readonly string[];
  serverNames?: readonly string[];
  target: TcpTarget;
}

/** What rules are judged by. */
export interface TcpContext {
  proxy: Pick<ProxyTraits, 'namespace' | 'labels' | 'ipv4' | 'ipv6'>;
  /** Those with TCP or TLS rules (connectionRules), oldest first. */
  virtualServices: readonly VirtualService[];
  /** Visible services by hostname and alias. */
  services: ReadonlyMap<string, ServiceView>;
}

/** How the service is told from others at the same listener. */
export interface ServiceMatch {
  destinationCidrs?: readonly string[];
  serverNames?: readonly string[];
}

const noRules: readonly VirtualService[] = [];
const lastRules = new WeakMap<VirtualService, readonly VirtualService[]>();

/** The rules that listeners depend on. The same array while these are the same, whatever HTTP rules do. */
export const connectionRules = memoize(
  (virtualServices: readonly VirtualService[]): readonly VirtualService[] => {
    const rules = virtualServices.filter(({ tcp, tls }) => tcp.length > 0 || tls.length > 0);
    const first = rules[0];
    if (first === undefined) return noRules;
    const same = sameOr(lastRules.get(first), rules);
    lastRules.set(first, same);
    return same;
  },
);

/** The hosts that its TCP and TLS rules lead to. */
export function connectionHosts({ tcp, tls }: VirtualService): string[] {
  return [...tcp, ...tls].flatMap(({ route = [] }) =>
    route.map(({ destination }) => destination.host),
  );
}

type TcpMatch = NonNullable<TcpRule['match']>[number];
type TlsMatch = NonNullable<TlsRule['match']>[number];
type RouteDestination = NonNullable<TcpRule['route']>[number];

/** The chains of a TCP, TLS or undeclared port of a service, in the order of the rules. */
export function tcpChains(
  context: TcpContext,
  view: ServiceView,
  port: ServicePort,
  own: ServiceMatch,
): TcpChainPlan[] {
  const rules = context.virtualServices.filter(({ hosts }) =>
    hosts.some((host) => covers(host, view.service.hostname)),
  );
  const { chains, complete } = isTls(port.protocol)
    ? tlsRules(context, rules, port, own)
    : tcpRules(context, rules, port, own);
  return complete ? chains : [...chains, { ...own, target: serviceTarget(context, view, port) }];
}

/** Istio's Name.Matches: either may be the wildcard that covers the other. */
function covers(host: string, service: string): boolean {
  return hostCovers(host, service) || hostCovers(service, host);
}

/** `complete` when a rule takes what is left, so that the service itself is never asked. */
interface Chains {
  chains: TcpChainPlan[];
  complete: boolean;
}

/** Rules count in order until one has no destinationSubnets: that one takes all that is left. */
function tcpRules(
  context: TcpContext,
  rules: readonly VirtualService[],
  port: ServicePort,
  own: ServiceMatch,
): Chains {
  const chains: TcpChainPlan[] = [];
  for (const rule of rules) {
    for (const { match = [], route = [] } of rule.tcp) {
      if (route.length === 0) continue;
      const applying = match.filter((one) => applies(one, port, context.proxy));
      if (match.length > 0 && applying.length === 0) continue;
      const target = routeTarget(context, rule, { route, port: port.number });
      if (match.length === 0 || applying.some((one) => !one.destinationSubnets?.length)) {
        return { chains: [...chains, { ...own, target }], complete: true };
      }
      const subnets = applying.flatMap((one) => one.destinationSubnets ?? []);
      chains.push({ destinationCidrs: subnets, target });
    }
  }
  return { chains, complete: false };
}

/** A matching rule replaces the service: other server names are then unknown traffic, as in Istio. */
function tlsRules(
  context: TcpContext,
  rules: readonly VirtualService[],
  port: ServicePort,
  own: ServiceMatch,
): Chains {
  const chains = new Map<string, TcpChainPlan>();
  for (const rule of rules) {
    for (const { match = [], route = [] } of rule.tls) {
      if (route.length === 0) continue;
      for (const one of match.filter((each) => applies(each, port, context.proxy))) {
        const destinationCidrs = one.destinationSubnets?.length
          ? one.destinationSubnets
          : own.destinationCidrs;
        const key = JSON.stringify([one.sniHosts, destinationCidrs]);
        if (chains.has(key)) continue;
        chains.set(key, {
          ...(destinationCidrs === undefined ? {} : { destinationCidrs }),
          serverNames: one.sniHosts,
          target: routeTarget(context, rule, { route, port: port.number }),
        });
      }
    }
  }
  return { chains: [...chains.values()], complete: chains.size > 0 };
}

function applies(
  match: TcpMatch | TlsMatch,
  port: ServicePort,
  proxy: TcpContext['proxy'],
): boolean {
  return (
    (!match.gateways?.length || match.gateways.includes('mesh')) &&
    (match.port === undefined || match.port === port.number) &&
    (!match.sourceNamespace || match.sourceNamespace === proxy.namespace) &&
    hasLabels(proxy.labels, match.sourceLabels)
  );
}

/** To the service itself, on this port. */
function serviceTarget(
  { proxy }: TcpContext,
  { service, destinationRule }: ServiceView,
  port: ServicePort,
): TcpTarget {
  const name = outboundClusterName(service.hostname, port.number);
  return {
    statPrefix: name,
    clusters: [{ name, weight: 1 }],
    ...connectionSettings(destinationRule, ''),
    ...lookupOf(service, port, proxy),
  };
}

/** To the destinations of a rule. The DestinationRule of the first one says how connections are kept, as in Istio. */
export function routeTarget(
  context: Pick<TcpContext, 'services' | 'proxy'>,
  rule: VirtualService,
  { route, port }: { route: readonly RouteDestination[]; port: number },
): TcpTarget {
  const first = route[0]!;
  const called = context.services.get(first.destination.host);
  const { destinationRule } = called ?? {};
  const weighted = route.filter(({ weight = 0 }) => weight > 0);
  const chosen = route.length === 1 || weighted.length === 0 ? [first] : weighted;
  const clusters = chosen.map(({ destination, weight = 1 }) => ({
    name: destinationCluster(destination, (host) => context.services.get(host), port),
    weight,
  }));
  const single = route.length === 1;
  return {
    statPrefix: single ? clusters[0]!.name : `${rule.source.name}.${rule.source.namespace}`,
    clusters: clusters.length === 1 ? [{ ...clusters[0]!, weight: 1 }] : clusters,
    ...connectionSettings(destinationRule, single ? (first.destination.subset ?? '') : ''),
    // One lookup cannot serve several destinations, in Istio neither.
    ...(single && called && destinationLookup(context, called, first.destination, port)),
  };
}

function destinationLookup(
  { proxy }: Pick<TcpContext, 'proxy'>,
  view: ServiceView,
  destination: RouteDestination['destination'],
  listenerPort: number,
): Pick<TcpTarget, 'lookup'> {
  const { service } = view;
  const number = destinationPort(destination, view, listenerPort);
  const port = service.ports.find((each) => each.number === number);
  return port === undefined ? {} : lookupOf(service, port, proxy);
}

/** TLS to names that are looked up when they are called goes by the server name. */
function lookupOf(
  { resolution, hostname }: Service,
  { protocol, number, targetPort }: ServicePort,
  proxy: TcpContext['proxy'],
): Pick<TcpTarget, 'lookup'> {
  if (resolution !== 'dynamic-dns' || !isTls(protocol)) return {};
  const port = typeof targetPort === 'number' ? targetPort : number;
  return { lookup: { host: hostname, port, family: dnsLookupFamily(proxy) } };
}

/** Only the policy of the whole destination counts for these, not that of a port, as in Istio. */
function connectionSettings(
  rule: DestinationRule | undefined,
  subset: string,
): Omit<TcpTarget, 'statPrefix' | 'clusters'> {
  if (rule === undefined) return {};
  const tcp = rule.trafficPolicy?.connectionPool?.tcp;
  const own = rule.subsets.find(({ name }) => name === subset)?.trafficPolicy;
  const balancer = own?.loadBalancer ?? rule.trafficPolicy?.loadBalancer;
  // That of a subset is not inherited from the host, as in Istio.
  const tunnel = (subset === '' ? rule.trafficPolicy : own)?.tunnel;
  return {
    ...(tcp?.idleTimeout === undefined ? {} : { idleTimeoutMs: tcp.idleTimeout }),
    ...(tcp?.maxConnectionDuration === undefined
      ? {}
      : { maxConnectionDurationMs: tcp.maxConnectionDuration }),
    ...(balancer?.consistentHash?.useSourceIp ? { hashSourceIp: true } : {}),
    ...(tunnel && { tunnel: tunnelOf(tunnel) }),
  };
}

function tunnelOf({ protocol, targetHost, targetPort }: NonNullable<TrafficPolicy['tunnel']>) {
  const host = targetHost.includes(':') ? `[${targetHost}]` : targetHost;
  return { host: `${host}:${targetPort}`, usePost: protocol === 'POST' };
}
