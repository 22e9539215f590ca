// Hosts of a server of a Gateway and of the rules bound to it: what they have in common is what is served.
import { memoize } from '../lib/memo.js';
import type { GatewayHost, GatewayServer } from '../mesh/gateway.js';
import { hostCovers, isWildcard } from '../mesh/host-name.js';
import type { VirtualService } from '../mesh/rules.js';
import type { BoundServer } from './gateway-server.js';
import { hostsOf } from './host-rules.js';

/** The names that both stand for, as the narrower of the two; undefined when there are none. */
function intersection(a: string, b: string): string | undefined {
  if (hostCovers(a, b)) return b;
  return hostCovers(b, a) ? a : undefined;
}

/** The hosts of a server that the rules of a namespace may have. */
function hostsFor(hosts: readonly GatewayHost[], namespace: string): readonly string[] {
  return hosts
    .filter((entry) => entry.namespace === '*' || entry.namespace === namespace)
    .map(({ host }) => host);
}

/** The hosts of a rule that a server serves, in the order of the rule; each once (Istio API, Server.hosts). */
const servedHosts = memoize(({ hosts }: GatewayServer, rule: VirtualService): readonly string[] => {
  const allowed = hostsFor(hosts, rule.source.namespace);
  const served = hostsOf(rule).flatMap((own) =>
    allowed.flatMap((host) => intersection(host, own) ?? []),
  );
  return [...new Set(served)];
});

/** The server names of a server's chain: its hosts, each once. */
export function serverNamesOf({ hosts }: GatewayServer): readonly string[] {
  return [...new Set(hosts.map(({ host }) => host))];
}

/** Rules of one Gateway by their hosts; numbers are places in their order. */
interface BoundRules {
  rules: VirtualService[];
  exact: Map<string, number[]>;
  /** Rules with a wildcard host. */
  wild: number[];
}

/** Looked through once for all Gateways, of which one may have a thousand servers. */
const byGateway = memoize((rules: readonly VirtualService[]): ReadonlyMap<string, BoundRules> => {
  const found = new Map<string, BoundRules>();
  for (const rule of rules) {
    for (const gateway of new Set(rule.gateways)) {
      const bound = found.get(gateway) ?? { rules: [], exact: new Map(), wild: [] };
      found.set(gateway, bound);
      addRule(bound, rule);
    }
  }
  return found;
});

function addRule({ rules, exact, wild }: BoundRules, rule: VirtualService): void {
  const place = rules.push(rule) - 1;
  for (const host of hostsOf(rule)) {
    if (isWildcard(host)) wild.push(place);
    else {
      const places = exact.get(host);
      if (places) places.push(place);
      else exact.set(host, [place]);
    }
  }
}

/** A rule and the hosts of it that a server serves. */
export interface ServedRule {
  rule: VirtualService;
  hosts: readonly string[];
}

/** The rules that are bound to a Gateway for any host of one of its servers, in their order. */
export function servedRules(
  { gateway, server }: Pick<BoundServer, 'gateway' | 'server'>,
  all: readonly VirtualService[],
): readonly ServedRule[] {
  return rulesOfServer(server, gateway.name, all);
}

const rulesOfServer = memoize(findRules);

function findRules(
  server: GatewayServer,
  gateway: string,
  all: readonly VirtualService[],
): readonly ServedRule[] {
  const bound = byGateway(all).get(gateway);
  if (bound === undefined) return [];
  const { rules, exact, wild } = bound;
  const isWild = server.hosts.some(({ host }) => isWildcard(host));
  const places = server.hosts.flatMap(({ host }) => exact.get(host) ?? []);
  const candidates = isWild
    ? rules
    : [...new Set([...places, ...wild])].sort((a, b) => a - b).map((place) => rules[place]!);
  return candidates.flatMap((rule) => {
    const hosts = servedHosts(server, rule);
    return hosts.length > 0 ? { rule, hosts } : [];
  });
}

const placesOf = memoize(
  (rules: readonly VirtualService[]) => new Map(rules.map((rule, place) => [rule, place])),
);

/** The rules that are bound to any of the servers, in their order. The same array for the same arguments. */
export const rulesOfServers = memoize(
  (
    servers: readonly Pick<BoundServer, 'gateway' | 'server'>[],
    all: readonly VirtualService[],
  ): readonly VirtualService[] => {
    const found = new Set<VirtualService>();
    for (const server of servers) for (const { rule } of servedRules(server, all)) found.add(rule);
    const places = placesOf(all);
    return [...found].sort((a, b) => places.get(a)! - places.get(b)!);
  },
);
