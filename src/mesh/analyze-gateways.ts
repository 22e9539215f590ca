// Findings about the Gateways that VirtualServices name: those that do not exist, those that have none of the hosts, and
// rules for sidecars that do not count there.
// What Gateways do is not here: of their specs, only the hosts are read, and nothing is taken for granted.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize, sameOr } from '../lib/memo.js';
import { patched } from '../lib/patched-map.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import { findEach } from './find-each.js';
import type { Gateway, GatewayHost } from './gateway.js';
import { hostCovers, isWildcard } from './host-name.js';
import type { VirtualService } from './rules.js';

/** Everything about references to Gateways. */
export const analyzeGateways = findEach({
  items: ({ writtenVirtualServices }: Read) => writtenVirtualServices,
  questions,
  find: (rule, ask) => [
    ...rule.gateways.flatMap((name, i) => boundProblems(rule, name, i, ask)),
    ...matchProblems(rule, ask),
    ...unusedSubsets(rule, ask),
  ],
  touched: (before, after) => {
    const same =
      before.kubernetesGateways === after.kubernetesGateways &&
      before.gateways === after.gateways &&
      rulesForSidecars(before.writtenVirtualServices) ===
        rulesForSidecars(after.writtenVirtualServices);
    return () => !same;
  },
});

type Read = Parts<'settings' | 'kubernetesGateways' | 'gateways' | 'writtenVirtualServices'>;

function questions({ kubernetesGateways, gateways, writtenVirtualServices }: Read) {
  const { hostsOf, known } = servedBy(kubernetesGateways, gateways);
  const forSidecars = rulesForSidecars(writtenVirtualServices);
  return {
    /** Of a Gateway by `namespace/name`. */
    hostsOf: (name: string): ServedHosts | undefined => hostsOf.get(name),
    /** A Gateway of the same name in some namespace. */
    namesake: (name: string): string | undefined => known.get(plainName(name)),
    /** The VirtualService that chooses subsets of a host for sidecars. */
    ruleForSidecars: (host: string): VirtualService | undefined => forSidecars.get(host),
  };
}

type Questions = ReturnType<typeof questions>;

const servedBy = memoize(
  (kubernetesGateways: readonly Resource[], gateways: readonly Gateway[]): Served => {
    const hostsOf = new Map<string, ServedHosts>();
    for (const gateway of kubernetesGateways) {
      hostsOf.set(nameOf(gateway), servedHosts(listenerHosts(gateway)));
    }
    for (const { name, servers } of gateways) {
      hostsOf.set(name, servedHosts(servers.flatMap(({ hosts }) => hosts)));
    }
    // Of several Gateways of one name the last is as good a hint as any.
    const known = new Map([...hostsOf.keys()].map((name) => [plainName(name), name]));
    return { hostsOf, known };
  },
);

/** Hosts of the servers of a Gateway, to be found without comparing each with each. */
interface ServedHosts {
  all: readonly GatewayHost[];
  wildcards: readonly GatewayHost[];
  byHost: ReadonlyMap<string, readonly GatewayHost[]>;
}

function servedHosts(all: readonly GatewayHost[]): ServedHosts {
  const byHost = new Map<string, GatewayHost[]>();
  for (const entry of all) {
    const others = byHost.get(entry.host);
    if (others === undefined) byHost.set(entry.host, [entry]);
    else others.push(entry);
  }
  return { all, wildcards: all.filter(({ host }) => isWildcard(host)), byHost };
}

interface Served {
  /** By `namespace/name`. */
  hostsOf: ReadonlyMap<string, ServedHosts>;
  /** `namespace/name` by the name alone. */
  known: ReadonlyMap<string, string>;
}

function plainName(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

/** Those that may have to do with a host. */
function candidates({ all, wildcards, byHost }: ServedHosts, host: string): readonly GatewayHost[] {
  return isWildcard(host) ? all : [...(byHost.get(host) ?? []), ...wildcards];
}

const nameOf = ({ namespace, name }: Resource) => `${namespace}/${name}`;

function boundProblems(rule: VirtualService, name: string, i: number, ask: Questions): Problem[] {
  const path = ['spec', 'gateways', i];
  if (name === 'mesh') return [];
  const hosts = ask.hostsOf(name);
  if (hosts === undefined) return [unknown(rule, path, name, ask)];
  const { namespace } = rule.source;
  const has = rule.hosts.some((own) =>
    candidates(hosts, own).some(
      (entry) =>
        (entry.namespace === '*' || entry.namespace === namespace) &&
        (hostCovers(entry.host, own) || hostCovers(own, entry.host)),
    ),
  );
  // A delegate has no hosts.
  if (has || rule.hosts.length === 0) return [];
  const message = `the Gateway ${name} has no server for ${rule.hosts.join(', ')}`;
  const code = 'host-not-in-gateway';
  return [{ code, severity: 'warning', message, resource: rule.source, path }];
}

/** Gateways of single matches. */
function matchProblems(rule: VirtualService, ask: Questions): Problem[] {
  return (['http', 'tcp', 'tls'] as const).flatMap((section) =>
    rule[section].flatMap(({ match = [] }, i) =>
      match.flatMap(({ gateways = [] }, j) =>
        gateways.flatMap((name, k) => {
          if (name === 'mesh' || ask.hostsOf(name) !== undefined) return [];
          return [unknown(rule, ['spec', section, i, 'match', j, 'gateways', k], name, ask)];
        }),
      ),
    ),
  );
}

/** VirtualServices that choose subsets of a host for sidecars, by that host; the oldest counts. */
const rulesForSidecars = amendable(
  (rules: readonly VirtualService[]): ReadonlyMap<string, VirtualService> => {
    const found = new Map<string, VirtualService>();
    for (const rule of rules) {
      for (const host of chosenHosts(rule)) if (!found.has(host)) found.set(host, rule);
    }
    return found;
  },
  ({ result, changes }) => {
    const areSame = changes.every(({ before, after }) => {
      const hosts = chosenHosts(before);
      return sameOr(hosts, chosenHosts(after)) === hosts;
    });
    if (!areSame) return undefined;
    const next = new Map<string, VirtualService>();
    for (const { before, after } of changes) {
      for (const host of chosenHosts(before))
        if (result.get(host) === before) next.set(host, after);
    }
    return patched(result, next);
  },
);

function chosenHosts({ gateways, hosts, http }: VirtualService): readonly string[] {
  if (!gateways.includes('mesh')) return [];
  return hosts.filter((host) =>
    http.some(({ route = [] }) =>
      route.some(({ destination }) => destination.host === host && destination.subset),
    ),
  );
}

/**
 * A gateway's rule leads to a service, for which another VirtualService chooses subsets: that one is for requests to the
 * host of the service, and a gateway has others (Istio, common problems: route rules have no effect on ingress).
 */
function unusedSubsets(rule: VirtualService, ask: Questions): Problem[] {
  if (rule.gateways.every((name) => name === 'mesh')) return [];
  return rule.http.flatMap(({ route = [] }, i) =>
    route.flatMap(({ destination }, j): Problem[] => {
      const other = destination.subset ? undefined : ask.ruleForSidecars(destination.host);
      if (other === undefined || other === rule) return [];
      const { namespace, name } = other.source;
      const message = `the subsets that VirtualService ${namespace}/${name} chooses for ${destination.host} do not count for requests from gateways; name one here`;
      const path = ['spec', 'http', i, 'route', j, 'destination', 'host'];
      const code = 'subset-not-for-gateway';
      return [{ code, severity: 'info', message, resource: rule.source, path }];
    }),
  );
}

function unknown(
  { source }: VirtualService,
  path: FieldPath,
  name: string,
  ask: Questions,
): Problem {
  const other = ask.namesake(name);
  const message = `there is no Gateway ${name}${other === undefined ? '' : `; there is ${other}`}`;
  return { code: 'unknown-gateway', severity: 'error', message, resource: source, path };
}

/** Entries of a list, whatever stands in its place. */
function entries(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];
}

/** `spec.listeners[].hostname` of Kubernetes' Gateway; none is any. */
function listenerHosts({ spec }: Resource): readonly GatewayHost[] {
  return entries((spec as { listeners?: unknown } | undefined)?.listeners).map(({ hostname }) => ({
    namespace: '*',
    host: typeof hostname === 'string' && hostname !== '' ? hostname : '*',
  }));
}
