// Findings about the Gateways that VirtualServices name: those that do not exist, those that have none of the hosts, and
// rules for sidecars that do not count there.
// What Gateways do is not here: of their specs, only the hosts are read, and nothing is taken for granted.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import type { GatewayHost } from './gateway.js';
import { hostCovers, isWildcard } from './host-name.js';
import type { Mesh } from './mesh.js';
import type { VirtualService } from './rules.js';

/** Everything about references to Gateways. */
export function analyzeGateways(mesh: Mesh): Problem[] {
  const { sorted } = mesh.parts;
  const hostsOf = new Map<string, ServedHosts>();
  for (const gateway of sorted['Gateway.gateway.networking.k8s.io'].sorted) {
    hostsOf.set(nameOf(gateway), servedHosts(listenerHosts(gateway)));
  }
  for (const { name, servers } of mesh.gateways) {
    hostsOf.set(name, servedHosts(servers.flatMap(({ hosts }) => hosts)));
  }
  // Of several Gateways of one name the last is as good a hint as any.
  const known = new Map([...hostsOf.keys()].map((name) => [plainName(name), name]));
  const served = { hostsOf, known };
  const forSidecars = rulesForSidecars(mesh.writtenVirtualServices);
  return mesh.writtenVirtualServices.flatMap((rule) => [
    ...rule.gateways.flatMap((name, i) => boundProblems(rule, name, i, served)),
    ...matchProblems(rule, served),
    ...unusedSubsets(rule, forSidecars),
  ]);
}

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

interface Known {
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

function boundProblems(
  rule: VirtualService,
  name: string,
  i: number,
  { hostsOf, known }: Known,
): Problem[] {
  const path = ['spec', 'gateways', i];
  if (name === 'mesh') return [];
  const hosts = hostsOf.get(name);
  if (hosts === undefined) return [unknown(rule, path, name, known)];
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
function matchProblems(rule: VirtualService, { hostsOf, known }: Known): Problem[] {
  return (['http', 'tcp', 'tls'] as const).flatMap((section) =>
    rule[section].flatMap(({ match = [] }, i) =>
      match.flatMap(({ gateways = [] }, j) =>
        gateways.flatMap((name, k) => {
          if (name === 'mesh' || hostsOf.has(name)) return [];
          return [unknown(rule, ['spec', section, i, 'match', j, 'gateways', k], name, known)];
        }),
      ),
    ),
  );
}

/** VirtualServices that choose subsets of a host for sidecars, by that host; the oldest counts. */
function rulesForSidecars(rules: readonly VirtualService[]): ReadonlyMap<string, VirtualService> {
  const found = new Map<string, VirtualService>();
  for (const rule of rules) {
    if (!rule.gateways.includes('mesh')) continue;
    for (const host of rule.hosts) {
      const chooses = rule.http.some(({ route = [] }) =>
        route.some(({ destination }) => destination.host === host && destination.subset),
      );
      if (chooses && !found.has(host)) found.set(host, rule);
    }
  }
  return found;
}

/**
 * A gateway's rule leads to a service, for which another VirtualService chooses subsets: that one is for requests to the
 * host of the service, and a gateway has others (Istio, common problems: route rules have no effect on ingress).
 */
function unusedSubsets(
  rule: VirtualService,
  forSidecars: ReadonlyMap<string, VirtualService>,
): Problem[] {
  if (rule.gateways.every((name) => name === 'mesh')) return [];
  return rule.http.flatMap(({ route = [] }, i) =>
    route.flatMap(({ destination }, j): Problem[] => {
      const other = destination.subset ? undefined : forSidecars.get(destination.host);
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
  known: ReadonlyMap<string, string>,
): Problem {
  const other = known.get(plainName(name));
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
