// ServiceEntry -> one Service for each of its hosts. Their endpoints are endpoints.ts; hosts that several
// ServiceEntries share are registry.ts.
import type { Resource } from '../kinds/resource.js';
import type { ServiceEntrySpec } from '../kinds/service-entry.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from './mesh-settings.js';
import type { NamespaceDefaults } from './namespace-defaults.js';
import { serviceEntryProtocol } from './protocol.js';
import type { Resolution, Service, ServicePort } from './service.js';
import { trafficDistribution } from './traffic-distribution.js';
import { resolveVisibility, seenAtMost } from './visibility.js';

const resolutions: Readonly<Record<string, Resolution>> = {
  STATIC: 'static',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  DYNAMIC_DNS: 'dynamic-dns',
};

/** Races connections to all addresses of a name (Istio, ServiceEntry). */
const connectStrategy = 'istio.io/connect-strategy';

/** The services of a ServiceEntry, in the order of `hosts`; the same array for the same resource, settings and defaults. */
export const serviceEntryServices = memoize(
  (settings: MeshSettings, resource: Resource, defaults: NamespaceDefaults): readonly Service[] => {
    const spec = resource.spec as ServiceEntrySpec;
    // Without labels it selects all of the namespace.
    const selector = spec.workloadSelector && (spec.workloadSelector.labels ?? {});
    const { namespace } = resource;
    const shared = {
      registry: 'external' as const,
      addresses: (spec.addresses ?? []).map(withoutFullMask),
      headless: false,
      ports: (spec.ports ?? []).map(servicePort),
      ...resolutionOf(resource as Resource<ServiceEntrySpec>),
      meshExternal: spec.location !== 'MESH_INTERNAL',
      ...(selector && { selector }),
      ...(spec.subjectAltNames?.length && { subjectAltNames: spec.subjectAltNames }),
      ...trafficDistribution(undefined, resource.annotations, defaults.trafficDistribution),
      visibility: seenAtMost(
        resolveVisibility(spec.exportTo, namespace, settings.defaultServiceExportTo),
        namespace,
        defaults.entriesSeen,
      ),
      labels: resource.labels,
      age: resource.age,
      source: { kind: resource.kind, namespace, name: resource.name },
    };
    // Istio does not expand short hosts here: a ServiceEntry names hosts as clients call them.
    const hosts = [...new Set(spec.hosts)];
    return hosts.map((host) => ({ hostname: host, namespace, name: host, ...shared }));
  },
);

/**
 * How endpoints are found. Connections can only be raced to the addresses of one name, which Envoy then holds as one
 * host (LOGICAL_DNS).
 */
function resolutionOf({
  spec,
  annotations,
}: Resource<ServiceEntrySpec>): Pick<Service, 'resolution' | 'racesAddresses'> {
  // NONE is the default of the API.
  const resolution = resolutions[spec.resolution ?? 'NONE'] ?? 'none';
  const isRaced = annotations[connectStrategy]?.toUpperCase() === 'RACE_FIRST_TCP_CONNECT';
  const byName = resolution === 'dns' || resolution === 'dns-round-robin';
  const isOne = (spec.endpoints?.length ?? 0) <= 1 && !spec.workloadSelector;
  if (!isRaced || !byName || !isOne) return { resolution };
  return { resolution: 'dns-round-robin', racesAddresses: true };
}

function servicePort(port: NonNullable<ServiceEntrySpec['ports']>[number]): ServicePort {
  return {
    number: port.number,
    name: port.name,
    protocol: serviceEntryProtocol(port.number, port.protocol),
    ...(port.targetPort === undefined ? {} : { targetPort: port.targetPort }),
  };
}

/** `10.0.0.1/32` is an address and not a block. */
function withoutFullMask(address: string): string {
  const [ip = address, bits] = address.split('/');
  return bits === (ip.includes(':') ? '128' : '32') ? ip : address;
}
