// Findings about ports that two definitions claim: a host and port of two ServiceEntries, a workload's port behind two
// services, and a port of which a ServiceEntry without addresses takes everything.
import { type Problem, type ResourceId, resourceKey } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize, sameOr } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import { inboundConflict } from './inbound-conflict.js';
import type { MeshSettings } from './mesh-settings.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Protocol, Service, ServicePort } from './service.js';
import { overlaps } from './visibility.js';
import { selectWorkloads, workloadIndex } from './workload-index.js';

type Read = Parts<
  'settings' | 'entries' | 'entriesByNamespace' | 'servicesByHostname' | 'workloads'
>;

/** Everything about ports of services, oldest service first. */
export function analyzePorts(parts: Read): readonly Problem[] {
  const { settings, entries, servicesByHostname } = parts;
  const defined = definedServices(entries);
  return together(
    withoutAddresses(settings, servicesByHostname, defined),
    conflictingEntries(defined),
    conflictingWorkloads(parts, defined),
  );
}

const together = memoize((...found: readonly (readonly Problem[])[]) => found.flat());

/** Services as resources define them; an edit of the endpoints of a ServiceEntry leaves them as they are. */
const definedServices = amendable(
  (entries: readonly RegistryEntry[]): readonly Service[] => entries.flatMap(definedBy),
  ({ result, changes }) => {
    const areSame = changes.every(({ before, after }) => {
      const services = definedBy(before);
      return sameOr(services, definedBy(after)) === services;
    });
    return areSame ? result : undefined;
  },
);

const definedBy = ({ definitions }: RegistryEntry): readonly Service[] =>
  definitions.map(({ service }) => service);

const isEntry = ({ source }: Service) => source.kind === 'ServiceEntry';

/** ServiceEntries, and ExternalName services of hosts that the mesh does not have. */
const isOutside = (service: Service) => isEntry(service) || service.externalName !== undefined;

/** Protocols whose connections say nothing of the host that is meant. */
const hostless: ReadonlySet<Protocol> = new Set(['TCP', 'Mongo', 'Redis', 'MySQL', 'Auto']);

const withoutAddresses = memoize(
  (
    settings: MeshSettings,
    servicesByHostname: Read['servicesByHostname'],
    defined: readonly Service[],
  ): readonly Problem[] => {
    const said = new Set<string>();
    const { proxyMetadata } = settings.config.defaultConfig ?? {};
    const capturesDns = proxyMetadata?.['ISTIO_META_DNS_CAPTURE'] === 'true';
    const some = defined.filter((own) => own.addresses.length === 0 && isOutside(own));
    return some.flatMap((service) => {
      if (isSaid(said, service.source)) return [];
      const own = servicesByHostname.get(service.hostname) ?? [];
      if (own.some(({ addresses }) => addresses.length > 0)) return [];
      // Addresses that the mesh gave are as good, where all proxies answer DNS.
      if (capturesDns && own.some(({ autoAddresses }) => autoAddresses?.length)) return [];
      return service.ports.flatMap((port, i): Problem[] => {
        if (!hostless.has(port.protocol)) return [];
        const hint = service.externalName
          ? '; a ServiceEntry can have addresses'
          : '; add addresses';
        const message = `without addresses, all traffic to port ${port.number} is for ${service.hostname}, whatever its address${hint}`;
        const istio = service.externalName ? { istio: 'IST0150' } : {};
        const code = 'addresses-required';
        return [portProblem(service, i, { code, severity: 'warning', ...istio, message })];
      });
    });
  },
);

/** Whether something was said about a resource; now it is. */
function isSaid(said: Set<string>, source: ResourceId): boolean {
  const key = resourceKey(source);
  return said.has(key) || !said.add(key);
}

function portProblem(
  service: Service,
  i: number,
  found: Pick<Problem, 'code' | 'severity' | 'message' | 'istio'>,
): Problem {
  return { ...found, resource: service.source, path: ['spec', 'ports', i] };
}

/** One host and port with two protocols, for clients that see both. */
const conflictingEntries = memoize((defined: readonly Service[]): readonly Problem[] => {
  const seen = new Map<string, ServedPort[]>();
  const said = new Set<string>();
  return defined.filter(isEntry).flatMap((service) =>
    service.ports.flatMap((port, i): Problem[] => {
      const key = `${service.hostname} ${port.number}`;
      const others = seen.get(key);
      if (others === undefined) {
        seen.set(key, [{ service, port }]);
        return [];
      }
      const older = others.find(
        (other) =>
          other.port.protocol !== port.protocol &&
          overlaps(other.service.visibility, service.visibility),
      );
      others.push({ service, port });
      if (older === undefined || isSaid(said, service.source)) return [];
      const { namespace, name } = older.service.source;
      const message = `${namespace}/${name} has port ${port.number} of ${service.hostname} as ${older.port.protocol}, this one as ${port.protocol}`;
      return [
        portProblem(service, i, { code: 'service-entry-conflict', severity: 'warning', message }),
      ];
    }),
  );
});

/** A workload's port has one protocol: that of the oldest service in front of it. */
function conflictingWorkloads(
  { entriesByNamespace, workloads }: Read,
  defined: readonly Service[],
): readonly Problem[] {
  const found = [...workloads].map(([namespace, own]) =>
    conflictsOf(own, entriesByNamespace.get(namespace) ?? none),
  );
  return inOrder(defined, ...found.filter(({ length }) => length > 0));
}

type Conflicts = readonly (readonly [Service, readonly Problem[]])[];

const inOrder = memoize(
  (defined: readonly Service[], ...found: readonly Conflicts[]): readonly Problem[] => {
    if (found.length === 0) return [];
    const byService = new Map(found.flat());
    return defined.flatMap((service) => byService.get(service) ?? []);
  },
);

const none: readonly RegistryEntry[] = [];

/** Services of one namespace with something to say. */
const conflictsOf = memoize(
  (workloads: readonly Resource[], entries: readonly RegistryEntry[]): Conflicts => {
    const seen = new Map<string, ServedPort>();
    return entries.flatMap(definedBy).flatMap((service) => {
      const found = conflictsOfService(service, workloads, seen);
      return found.length === 0 ? [] : [[service, found] as const];
    });
  },
);

function conflictsOfService(
  service: Service,
  entries: readonly Resource[],
  seen: Map<string, ServedPort>,
): readonly Problem[] {
  const { selector } = service;
  if (selector === undefined) return [];
  const workloads = selectWorkloads(workloadIndex(entries), selector);
  return service.ports.flatMap((port, i): Problem[] => {
    if (port.protocol === 'UDP') return [];
    for (const { name } of workloads) {
      const key = `${name} ${port.targetPort ?? port.number}`;
      const older = seen.get(key);
      if (older === undefined) seen.set(key, { service, port });
      else if (older.service.source.name !== service.source.name) {
        const conflict = workloadConflict(older, { service, port }, name);
        if (conflict)
          return [{ path: ['spec', 'ports', i], ...conflict, resource: service.source }];
      }
    }
    return [];
  });
}

interface ServedPort {
  service: Service;
  port: ServicePort;
}

function workloadConflict(older: ServedPort, { service, port }: ServedPort, workload: string) {
  const target = port.targetPort ?? port.number;
  if (older.port.protocol !== port.protocol) {
    return inboundConflict({ ...older, target }, { service, port });
  }
  if (older.port.number === port.number) return undefined;
  const message =
    `${older.service.hostname} has port ${target} of the workload ${workload} behind its port ` +
    `${older.port.number}, this service behind ${port.number}`;
  return { code: 'workload-conflict', severity: 'info', message } as const;
}
