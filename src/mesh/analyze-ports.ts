// Findings about ports that two definitions claim: a host and port of two ServiceEntries, a workload's port behind two
// services, and a port of which a ServiceEntry without addresses takes everything.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { inboundConflict } from './inbound-conflict.js';
import type { Mesh } from './mesh.js';
import type { Definition } from './registry-entry.js';
import type { Protocol, Service, ServicePort } from './service.js';
import { overlaps } from './visibility.js';
import { selectWorkloads, workloadIndex } from './workload-index.js';

/** Everything about ports of services, oldest service first. */
export function analyzePorts(mesh: Mesh): Problem[] {
  const definitions = mesh.parts.registry.entries.flatMap((entry) => entry.definitions);
  const entries = definitions.filter(({ resource }) => resource.kind === 'ServiceEntry');
  return [
    ...withoutAddresses(mesh, definitions.filter(isOutside)),
    ...conflictingEntries(entries),
    ...conflictingWorkloads(mesh, definitions),
  ];
}

/** ServiceEntries, and ExternalName services of hosts that the mesh does not have. */
function isOutside({ service, resource }: Definition): boolean {
  return resource.kind === 'ServiceEntry' || service.externalName !== undefined;
}

/** Protocols whose connections say nothing of the host that is meant. */
const hostless: ReadonlySet<Protocol> = new Set(['TCP', 'Mongo', 'Redis', 'MySQL', 'Auto']);

function withoutAddresses(mesh: Mesh, definitions: readonly Definition[]): Problem[] {
  const said = new Set<Resource>();
  const { proxyMetadata } = mesh.settings.config.defaultConfig ?? {};
  const capturesDns = proxyMetadata?.['ISTIO_META_DNS_CAPTURE'] === 'true';
  return definitions.flatMap(({ service, resource }) => {
    if (said.has(resource) || service.addresses.length > 0) return [];
    said.add(resource);
    const own = mesh.servicesByHostname.get(service.hostname) ?? [];
    if (own.some(({ addresses }) => addresses.length > 0)) return [];
    // Addresses that the mesh gave are as good, where all proxies answer DNS.
    if (capturesDns && own.some(({ autoAddresses }) => autoAddresses?.length)) return [];
    return service.ports.flatMap((port, i): Problem[] => {
      if (!hostless.has(port.protocol)) return [];
      const hint = service.externalName ? '; a ServiceEntry can have addresses' : '; add addresses';
      const message = `without addresses, all traffic to port ${port.number} is for ${service.hostname}, whatever its address${hint}`;
      const istio = service.externalName ? { istio: 'IST0150' } : {};
      const code = 'addresses-required';
      return [portProblem(service, i, { code, severity: 'warning', ...istio, message })];
    });
  });
}

function portProblem(
  service: Service,
  i: number,
  found: Pick<Problem, 'code' | 'severity' | 'message' | 'istio'>,
): Problem {
  return { ...found, resource: service.source, path: ['spec', 'ports', i] };
}

/** One host and port with two protocols, for clients that see both. */
function conflictingEntries(definitions: readonly Definition[]): Problem[] {
  const seen = new Map<string, { service: Service; port: ServicePort }[]>();
  const said = new Set<Resource>();
  return definitions.flatMap(({ service, resource }) =>
    service.ports.flatMap((port, i): Problem[] => {
      const key = `${service.hostname} ${port.number}`;
      const others = seen.get(key) ?? [];
      seen.set(key, [...others, { service, port }]);
      const older = others.find(
        (other) =>
          other.port.protocol !== port.protocol &&
          overlaps(other.service.visibility, service.visibility),
      );
      if (older === undefined || said.has(resource)) return [];
      said.add(resource);
      const { namespace, name } = older.service.source;
      const message = `${namespace}/${name} has port ${port.number} of ${service.hostname} as ${older.port.protocol}, this one as ${port.protocol}`;
      return [
        portProblem(service, i, { code: 'service-entry-conflict', severity: 'warning', message }),
      ];
    }),
  );
}

/** A workload's port has one protocol: that of the oldest service in front of it. */
function conflictingWorkloads(mesh: Mesh, definitions: readonly Definition[]): Problem[] {
  const seen = new Map<string, { service: Service; port: ServicePort }>();
  return definitions.flatMap(({ service }) => {
    const { selector } = service;
    const all = mesh.parts.sourcesByNamespace.workloads.get(service.namespace);
    if (selector === undefined || all === undefined) return [];
    const workloads = selectWorkloads(workloadIndex(all), selector);
    return service.ports.flatMap((port, i): Problem[] => {
      if (port.protocol === 'UDP') return [];
      for (const { name } of workloads) {
        const key = `${service.namespace}/${name} ${port.targetPort ?? port.number}`;
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
