// Findings about VirtualServices: destinations that lead nowhere, hosts claimed twice, rules that are never reached.
// References to Gateways are analyze-gateways.ts; what one resource alone says is found in kinds.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Destination } from '../kinds/virtual-service.js';
import { memoize, sameOr } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import { findDestinationRule } from './destination-rule.js';
import { findEach } from './find-each.js';
import { isWildcard } from './host-name.js';
import type { HttpRule, TcpRule, TlsRule, VirtualService } from './rules.js';
import type { Service } from './service.js';
import { unreachableRules } from './unreachable-rules.js';
import { isVisible, overlaps } from './visibility.js';

/** Everything about VirtualServices, oldest first. */
export const analyzeVirtualServices = findEach({
  items: ({ writtenVirtualServices }: Read) => writtenVirtualServices,
  questions,
  find: (rule, ask) => [
    ...hostProblems(rule, ask),
    ...destinationsOf(rule).flatMap((used) => destinationProblems(rule, used, ask)),
    ...unreachable(rule),
  ],
  touched: (before, after) => {
    const same =
      before.services === after.services &&
      before.servicesByHostname === after.servicesByHostname &&
      before.destinationRules === after.destinationRules &&
      contestedHosts(before.writtenVirtualServices) ===
        contestedHosts(after.writtenVirtualServices);
    return () => !same;
  },
});

type Read = Parts<
  'settings' | 'services' | 'servicesByHostname' | 'writtenVirtualServices' | 'destinationRules'
>;

function questions(parts: Read) {
  const { settings, services, servicesByHostname, destinationRules } = parts;
  const aliases = servicesByAlias(services);
  const contested = contestedHosts(parts.writtenVirtualServices);
  /** Oldest first, wildcards included, by hostname or by the name of an ExternalName service for them. */
  const servicesNamed = (host: string): readonly Service[] =>
    servicesByHostname.get(host) ?? aliases.get(host) ?? none;
  const has = (host: string): boolean => servicesNamed(host).length > 0;
  return {
    has,
    servicesNamed,
    /** An older one with the host, for clients that see both. */
    older: (rule: VirtualService, host: string): VirtualService | undefined => {
      for (const other of contested.get(host) ?? []) {
        if (other === rule) return undefined;
        if (overlaps(other.visibility, rule.visibility)) return other;
      }
      return undefined;
    },
    subsetsOf: (namespace: string, service: Service) =>
      findDestinationRule(destinationRules, namespace, service)?.subsets ?? none,
    hint: (host: string): string => nameHint(host, settings.domainSuffix, { has, services }),
  };
}

type Questions = ReturnType<typeof questions>;

const none: readonly never[] = [];

const servicesByAlias = memoize(
  (services: readonly Service[]): ReadonlyMap<string, readonly Service[]> => {
    const byAlias = new Map<string, Service[]>();
    for (const service of services) {
      for (const alias of service.aliases ?? []) {
        const others = byAlias.get(alias);
        if (others === undefined) byAlias.set(alias, [service]);
        else others.push(service);
      }
    }
    return byAlias;
  },
);

/** Hosts that several VirtualServices for sidecars have, with these, oldest first. */
const contestedHosts = amendable(
  (rules: readonly VirtualService[]): ReadonlyMap<string, readonly VirtualService[]> => {
    const first = new Map<string, VirtualService>();
    const contested = new Map<string, VirtualService[]>();
    for (const rule of rules) {
      for (const host of claimsOf(rule)) {
        const other = first.get(host);
        if (other === undefined) first.set(host, rule);
        else if (other !== rule) contested.set(host, [...(contested.get(host) ?? [other]), rule]);
      }
    }
    return contested;
  },
  ({ result, changes }) => {
    const areSame = changes.every(({ before, after }) => {
      const claims = claimsOf(before);
      return sameOr(claims, claimsOf(after)) === claims && !claims.some((host) => result.has(host));
    });
    return areSame ? result : undefined;
  },
);

function claimsOf({ gateways, hosts }: VirtualService): readonly string[] {
  return gateways.includes('mesh') ? hosts : none;
}

/** Takes time squared of the matches; depends on nothing else. */
const unreachable = memoize(unreachableRules);

function hostProblems(rule: VirtualService, ask: Questions): Problem[] {
  return claimsOf(rule).flatMap((host, i): Problem[] => {
    const path: FieldPath = ['spec', 'hosts', i];
    const older = ask.older(rule, host);
    if (older !== undefined) {
      const name = `${older.source.namespace}/${older.source.name}`;
      const message = `${name} has the host ${host} too, and the oldest counts`;
      return [
        { code: 'duplicate-host', severity: 'warning', message, resource: rule.source, path },
      ];
    }
    if (isWildcard(host) || ask.has(host)) return [];
    const message = `no service has the host ${host}; as in Istio the rule holds on port 80 only`;
    return [{ code: 'unregistered-host', severity: 'info', message, resource: rule.source, path }];
  });
}

interface UsedDestination {
  to: Destination;
  path: FieldPath;
}

type Rules = readonly (HttpRule | TcpRule | TlsRule)[];

function destinationsOf(rule: VirtualService): UsedDestination[] {
  return [
    ...routed(rule.http, 'http'),
    ...routed(rule.tcp, 'tcp'),
    ...routed(rule.tls, 'tls'),
    ...rule.http.flatMap(mirrored),
  ];
}

function routed(rules: Rules, section: string): UsedDestination[] {
  return rules.flatMap(({ route }, i) =>
    (route ?? []).map((to, j) => ({
      to: to.destination,
      path: ['spec', section, i, 'route', j, 'destination'],
    })),
  );
}

function mirrored({ mirror, mirrors }: HttpRule, i: number): UsedDestination[] {
  const single = mirror ? [{ to: mirror, path: ['spec', 'http', i, 'mirror'] }] : [];
  const several = (mirrors ?? []).map(({ destination }, j) => ({
    to: destination,
    path: ['spec', 'http', i, 'mirrors', j, 'destination'],
  }));
  return [...single, ...several];
}

function destinationProblems(
  rule: VirtualService,
  { to, path }: UsedDestination,
  ask: Questions,
): Problem[] {
  const { namespace } = rule.source;
  const services = ask.servicesNamed(to.host);
  const visible = services.filter(({ visibility }) => isVisible(visibility, namespace));
  const service = visible.find((own) => own.namespace === namespace) ?? visible[0];
  const problem = (at: FieldPath, found: Pick<Problem, 'code' | 'severity' | 'message'>) => ({
    ...found,
    resource: rule.source,
    path: [...path, ...at],
  });
  if (service === undefined) {
    const message =
      services.length > 0
        ? `the service ${to.host} is not exported to ${namespace}`
        : `no service of the mesh has the host ${to.host}${ask.hint(to.host)}`;
    return [problem(['host'], { code: 'unknown-host', severity: 'error', message })];
  }
  const out: Problem[] = [];
  const hidden = exportedTo(rule).filter(
    (client) => !services.some(({ visibility }) => isVisible(visibility, client)),
  );
  if (hidden.length > 0) {
    const message = `the service ${to.host} is not exported to ${hidden.join(', ')}, as this rule is`;
    out.push(problem(['host'], { code: 'unknown-host', severity: 'error', message }));
  }
  const ports = service.ports.filter(({ protocol }) => protocol !== 'UDP');
  const number = to.port?.number;
  if (number !== undefined && !ports.some((port) => port.number === number)) {
    const message = `${to.host} has no port ${number}; it has ${listPorts(ports)}`;
    out.push(problem(['port', 'number'], { code: 'unknown-port', severity: 'error', message }));
  } else if (number === undefined && ports.length > 1) {
    const message = `${to.host} has the ports ${listPorts(ports)}: name one in port.number, else the port called counts`;
    out.push(problem(['host'], { code: 'port-required', severity: 'warning', message }));
  }
  const subsets = to.subset ? ask.subsetsOf(namespace, service) : none;
  if (to.subset && !subsets.some(({ name }) => name === to.subset)) {
    const names = subsets.map(({ name }) => name).join(', ');
    const known = names === '' ? 'none is defined' : `there are ${names}`;
    const message = `no DestinationRule defines the subset ${to.subset} of ${to.host}; ${known}`;
    out.push(problem(['subset'], { code: 'unknown-subset', severity: 'error', message }));
  }
  return out;
}

/** The namespaces that a rule is exported to by name. */
function exportedTo({ visibility }: VirtualService): readonly string[] {
  return visibility === '*' ? [] : [...visibility];
}

/** What may have been meant by a host that no service has. */
function nameHint(
  host: string,
  domainSuffix: string,
  { has, services }: { has: (host: string) => boolean; services: readonly Service[] },
): string {
  // `reviews.prod` looks like a name that Kubernetes' DNS would expand, but rules do not.
  const full = host.endsWith('.svc') ? `${host}.${domainSuffix}` : `${host}.svc.${domainSuffix}`;
  if (has(full)) return `; ${full} is meant?`;
  const [name = ''] = host.split('.');
  const own = host.endsWith(`.svc.${domainSuffix}`) ? namesakes(services) : undefined;
  const [other] = own?.get(name) ?? [];
  if (other !== undefined) return `; there is ${other}`;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const wildcard = `*${host.slice(dot)}`;
    if (has(wildcard)) {
      return `; that of the ServiceEntry for ${wildcard} is ${wildcard}, for rules as well`;
    }
  }
  return '';
}

/** Hosts of v1 Services by the name of the Service, oldest first. */
const namesakes = memoize(
  (services: readonly Service[]): ReadonlyMap<string, readonly string[]> => {
    const out = new Map<string, string[]>();
    for (const { registry, name, hostname } of services) {
      if (registry !== 'kubernetes') continue;
      const others = out.get(name);
      if (others === undefined) out.set(name, [hostname]);
      else others.push(hostname);
    }
    return out;
  },
);

function listPorts(ports: readonly { number: number }[]): string {
  return ports.length === 0 ? 'none' : ports.map(({ number }) => number).join(', ');
}
