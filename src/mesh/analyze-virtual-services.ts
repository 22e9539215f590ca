// Findings about VirtualServices: destinations that lead nowhere, hosts claimed twice, rules that are never reached.
// References to Gateways are analyze-gateways.ts; what one resource alone says is found in kinds.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Destination } from '../kinds/virtual-service.js';
import { memoize } from '../lib/memo.js';
import { findDestinationRule } from './destination-rule.js';
import { isWildcard } from './host-name.js';
import type { Mesh } from './mesh.js';
import type { HttpRule, TcpRule, TlsRule, VirtualService } from './rules.js';
import type { Service } from './service.js';
import { unreachableRules } from './unreachable-rules.js';
import { isVisible, overlaps } from './visibility.js';

/** Everything about VirtualServices, oldest first. */
export function analyzeVirtualServices(mesh: Mesh): Problem[] {
  const claimed = new Map<string, VirtualService[]>();
  const names = servicesByName(mesh);
  return mesh.writtenVirtualServices.flatMap((rule) => [
    ...hostProblems(names, rule, claimed),
    ...destinationsOf(rule).flatMap((used) => destinationProblems(mesh, names, rule, used)),
    ...unreachableRules(rule),
  ]);
}

/** Services by their hostname, oldest first, wildcards included, and by the names of ExternalName services for them. */
type Names = ReadonlyMap<string, readonly Service[]>;

function servicesByName({ services, servicesByHostname }: Mesh): Names {
  const byAlias = new Map<string, Service[]>();
  for (const service of services) {
    for (const alias of service.aliases ?? []) {
      const others = byAlias.get(alias);
      if (others === undefined) byAlias.set(alias, [service]);
      else others.push(service);
    }
  }
  return new Map([...byAlias, ...servicesByHostname]);
}

function hostProblems(
  names: Names,
  rule: VirtualService,
  claimed: Map<string, VirtualService[]>,
): Problem[] {
  if (!rule.gateways.includes('mesh')) return [];
  return rule.hosts.flatMap((host, i): Problem[] => {
    const path: FieldPath = ['spec', 'hosts', i];
    const others = claimed.get(host) ?? [];
    claimed.set(host, [...others, rule]);
    const older = others.find(
      (other) => other !== rule && overlaps(other.visibility, rule.visibility),
    );
    if (older !== undefined) {
      const name = `${older.source.namespace}/${older.source.name}`;
      const message = `${name} has the host ${host} too, and the oldest counts`;
      return [
        { code: 'duplicate-host', severity: 'warning', message, resource: rule.source, path },
      ];
    }
    if (isWildcard(host) || names.has(host)) return [];
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
  mesh: Mesh,
  names: Names,
  rule: VirtualService,
  { to, path }: UsedDestination,
): Problem[] {
  const { namespace } = rule.source;
  const services = names.get(to.host) ?? [];
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
        : `no service of the mesh has the host ${to.host}${nameHint(mesh, names, to.host)}`;
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
  const subsets = findDestinationRule(mesh.destinationRules, namespace, service)?.subsets ?? [];
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
function nameHint(mesh: Mesh, names: Names, host: string): string {
  // `reviews.prod` looks like a name that Kubernetes' DNS would expand, but rules do not.
  const full = host.endsWith('.svc')
    ? `${host}.${mesh.settings.domainSuffix}`
    : `${host}.svc.${mesh.settings.domainSuffix}`;
  if (names.has(full)) return `; ${full} is meant?`;
  const [name = ''] = host.split('.');
  const own = host.endsWith(`.svc.${mesh.settings.domainSuffix}`)
    ? namesakes(mesh.services)
    : undefined;
  const [other] = own?.get(name) ?? [];
  if (other !== undefined) return `; there is ${other}`;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const wildcard = `*${host.slice(dot)}`;
    if (names.has(wildcard)) {
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
