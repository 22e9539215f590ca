// What a Sidecar lets clients see, listener by listener: the services and rules of its egress hosts, and the services
// that these rules lead to, which have clusters but no listeners or hosts of their own (Istio's sidecar scope).
import { memoize } from '../lib/memo.js';
import { candidateRules, candidateServices, inOrder } from './egress-candidates.js';
import type { Mesh } from './mesh.js';
import { compareText } from './order.js';
import type { VirtualService } from './rules.js';
import type { Service } from './service.js';
import { EgressFilter, type EgressPlace, type EgressScope, type Sidecar } from './sidecar.js';
import { isVisible } from './visibility.js';
import { visibleRules } from './visible-rules.js';
import { goesBefore, preferred } from './visible-services.js';

/** What is seen at one port, at one socket, or (without either) at all other ports. */
export interface SeenAtPort extends EgressPlace {
  services: readonly Service[];
  /** Services that only the rules lead to. */
  destinations: readonly Service[];
  virtualServices: readonly VirtualService[];
}

/** What clients of `namespace` see at each port of the Sidecar; undefined when it limits nothing. */
export function egressOf(
  mesh: Mesh,
  client: { sidecar: Sidecar; namespace: string },
): readonly SeenAtPort[] | undefined {
  const { sidecar, namespace } = client;
  if (sidecar.egress.length === 0) return undefined;
  return sidecar.egress.map((entry) => {
    const filter = egressFilter(entry, namespace);
    const rules = candidateRules(mesh.virtualServices, filter);
    const virtualServices = visibleRules(
      rules.filter((rule) => filter.seesRule(rule)),
      namespace,
    );
    const services = new Map<string, Service>();
    for (const service of candidateServices(mesh, filter)) {
      if (!isVisible(service.visibility, namespace) || !filter.sees(service)) continue;
      const other = services.get(service.hostname);
      if (other === undefined || goesBefore(service, other, namespace)) {
        services.set(service.hostname, service);
      }
    }
    const inferred = destinationsOf(mesh, { services, virtualServices, namespace });
    const { hosts: _, ...place } = entry;
    // Callers of a proxy name the port themselves.
    const port = entry.httpProxy ? undefined : entry.port;
    return {
      ...place,
      services: sortedAtPort([...services.values()], port),
      destinations: sortedAtPort(inferred, port),
      virtualServices,
    };
  });
}

/** What an egress entry lets clients of a namespace see. */
export const egressFilter = memoize(
  (entry: EgressScope, namespace: string) => new EgressFilter(entry, namespace),
);

/** Services that the rules lead to and the hosts do not name. */
function destinationsOf(
  mesh: Mesh,
  seen: {
    services: ReadonlyMap<string, Service>;
    virtualServices: readonly VirtualService[];
    namespace: string;
  },
): readonly Service[] {
  const { services, virtualServices, namespace } = seen;
  const found: Service[] = [];
  const inferred = new Map<string, Set<number>>();
  for (const rule of virtualServices) {
    for (const [host, ports] of destinationPorts(rule, namespace)) {
      if (services.has(host)) continue;
      const known = inferred.get(host) ?? new Set<number>();
      inferred.set(host, known);
      for (const port of ports) known.add(port);
    }
  }
  for (const [host, ports] of inferred) {
    const visible = (mesh.servicesByHostname.get(host) ?? []).filter(({ visibility }) =>
      isVisible(visibility, namespace),
    );
    const best = visible.reduce<Service | undefined>(
      (best, each) => (best === undefined || preferred(each, best, namespace) ? each : best),
      undefined,
    );
    const trimmed = best && (ports.has(0) ? best : withPorts(best, portKey(ports)));
    if (trimmed !== undefined) found.push(trimmed);
  }
  return found;
}

/** All hosts that rules send requests of this namespace to. */
export const destinationHostsOf = memoize(
  (rules: readonly VirtualService[], namespace: string): ReadonlySet<string> =>
    new Set(rules.flatMap((rule) => [...destinationPorts(rule, namespace).keys()])),
);

/** Hosts that a rule sends requests of this namespace to, with the ports; 0 stands for all of them. */
function destinationPorts(
  { http, tcp, tls }: VirtualService,
  namespace: string,
): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  const add = ({ host, port }: { host: string; port?: { number?: number } | undefined }) => {
    const ports = found.get(host) ?? new Set<number>();
    found.set(host, ports.add(port?.number ?? 0));
  };
  const applies = ({ match }: { match?: { sourceNamespace?: string }[] | undefined }) =>
    !match?.length ||
    match.some(({ sourceNamespace }) => !sourceNamespace || sourceNamespace === namespace);
  for (const rule of http.filter(applies)) {
    for (const { destination } of [...(rule.route ?? []), ...(rule.mirrors ?? [])])
      add(destination);
    if (rule.mirror) add(rule.mirror);
  }
  for (const rule of [...tcp, ...tls].filter(applies)) {
    for (const { destination } of rule.route ?? []) add(destination);
  }
  return found;
}

function sortedAtPort(services: readonly Service[], port: number | undefined): readonly Service[] {
  return services
    .flatMap((each) => (port === undefined ? each : (withPorts(each, String(port)) ?? [])))
    .sort((a, b) => compareText(a.hostname, b.hostname));
}

const portKey = (numbers: Iterable<number>) =>
  [...new Set(numbers)].sort((a, b) => a - b).join(' ');

/** The service with some of its ports only: itself when that is all, undefined when it has none of them. */
const withPorts = memoize((service: Service, numbers: string): Service | undefined => {
  const wanted = new Set(numbers.split(' ').map(Number));
  const ports = service.ports.filter(({ number }) => wanted.has(number));
  if (ports.length === 0) return undefined;
  if (ports.length === service.ports.length) return service;
  const trimmed = { ...service, ports };
  whole.set(trimmed, service);
  return trimmed;
});

const whole = new WeakMap<Service, Service>();

/** The service that one with some of its ports was made of; endpoints are known of that. */
export function wholeService(service: Service): Service {
  return whole.get(service) ?? service;
}

/** All services seen at any port or led to, one for each host, with all the ports that any of them has. */
export function unionOf(listeners: readonly SeenAtPort[]): readonly Service[] {
  const byHost = new Map<string, Service>();
  for (const { services, destinations } of listeners) {
    for (const service of [...services, ...destinations]) {
      const other = byHost.get(service.hostname);
      const same = other && wholeService(other) === wholeService(service);
      if (other === undefined) byHost.set(service.hostname, service);
      else if (same && other !== service) {
        const numbers = [...other.ports, ...service.ports].map(({ number }) => number);
        byHost.set(service.hostname, withPorts(wholeService(service), portKey(numbers)) ?? service);
      }
    }
  }
  return [...byHost.values()].sort((a, b) => compareText(a.hostname, b.hostname));
}

/** All rules seen at any port, in order of precedence. */
export function unionOfRules(
  mesh: Mesh,
  listeners: readonly SeenAtPort[],
  namespace: string,
): readonly VirtualService[] {
  const used = new Set(listeners.flatMap(({ virtualServices }) => virtualServices));
  return visibleRules(inOrder(mesh.virtualServices, used), namespace);
}
