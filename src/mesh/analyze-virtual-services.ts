// Findings about VirtualServices: destinations that lead nowhere, hosts claimed twice, rules that are never reached.
// References to Gateways are analyze-gateways.ts; what one resource alone says is found in kinds.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Destination } from '../kinds/virtual-service.js';
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
  return mesh.writtenVirtualServices.flatMap((rule) => [
    ...hostProblems(mesh, rule, claimed),
    ...destinationsOf(rule).flatMap((used) => destinationProblems(mesh, rule, used)),
    ...unreachableRules(rule),
  ]);
}

function hostProblems(
  mesh: Mesh,
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
    if (isWildcard(host) || mesh.servicesByHostname.has(host) || aliased(mesh, host).length > 0) {
      return [];
    }
    const message = `no service has the host ${host}; as in Istio the rule holds on port 80 only`;
    return [{ code: 'unregistered-host', severity: 'info', message, resource: rule.source, path }];
  });
}

/** The services that an ExternalName service stands for. */
function aliased(mesh: Mesh, host: string): readonly Service[] {
  return mesh.services.filter(({ aliases }) => aliases?.includes(host));
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
  rule: VirtualService,
  { to, path }: UsedDestination,
): Problem[] {
  const { namespace } = rule.source;
  const services = mesh.servicesByHostname.get(to.host) ?? aliased(mesh, to.host);
  const visible = services.filter(({ visibility }) => isVisible(visibility, namespace));
  const service = visible.find((own) => own.namespace === namespace) ?? visible[0];
  const problem = (field: string, found: Pick<Problem, 'code' | 'severity' | 'message'>) => ({
    ...found,
    resource: rule.source,
    path: [...path, field],
  });
  if (service === undefined) {
    const message =
      services.length > 0
        ? `the service ${to.host} is not exported to ${namespace}`
        : `no service of the mesh has the host ${to.host}${shortNameHint(mesh, to.host)}`;
    return [problem('host', { code: 'unknown-host', severity: 'error', message })];
  }
  const out: Problem[] = [];
  const ports = service.ports.filter(({ protocol }) => protocol !== 'UDP');
  const number = to.port?.number;
  if (number !== undefined && !ports.some((port) => port.number === number)) {
    const message = `${to.host} has no port ${number}; it has ${listPorts(ports)}`;
    out.push(problem('port', { code: 'unknown-port', severity: 'error', message }));
  } else if (number === undefined && ports.length > 1) {
    const message = `${to.host} has the ports ${listPorts(ports)}; without one here, the port called counts`;
    out.push(problem('host', { code: 'port-required', severity: 'warning', message }));
  }
  const subsets = findDestinationRule(mesh.destinationRules, namespace, service)?.subsets ?? [];
  if (to.subset && !subsets.some(({ name }) => name === to.subset)) {
    const names = subsets.map(({ name }) => name).join(', ');
    const known = names === '' ? 'none is defined' : `there are ${names}`;
    const message = `no DestinationRule defines the subset ${to.subset} of ${to.host}; ${known}`;
    out.push(problem('subset', { code: 'unknown-subset', severity: 'error', message }));
  }
  return out;
}

/** `reviews.prod` looks like a name that Kubernetes' DNS would expand, but rules do not. */
function shortNameHint(mesh: Mesh, host: string): string {
  const full = host.endsWith('.svc')
    ? `${host}.${mesh.settings.domainSuffix}`
    : `${host}.svc.${mesh.settings.domainSuffix}`;
  return mesh.servicesByHostname.has(full) ? `; ${full} is meant?` : '';
}

function listPorts(ports: readonly { number: number }[]): string {
  return ports.length === 0 ? 'none' : ports.map(({ number }) => number).join(', ');
}
