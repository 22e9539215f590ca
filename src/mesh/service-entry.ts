// ServiceEntry -> one Service for each of its hosts. Their endpoints are endpoints.ts; hosts that several
// ServiceEntries share are registry.ts.
import type { Resource } from '../kinds/resource.js';
import type { ServiceEntrySpec } from '../kinds/service-entry.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from './mesh-settings.js';
import { serviceEntryProtocol } from './protocol.js';
import type { Resolution, Service, ServicePort } from './service.js';
import { resolveVisibility } from './visibility.js';

const resolutions: Readonly<Record<string, Resolution>> = {
  STATIC: 'static',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  DYNAMIC_DNS: 'dynamic-dns',
};

/** The services of a ServiceEntry, in the order of `hosts`; the same array for the same resource and settings. */
export const serviceEntryServices = memoize(
  (settings: MeshSettings, resource: Resource): readonly Service[] => {
    const spec = resource.spec as ServiceEntrySpec;
    // Without labels it selects all of the namespace.
    const selector = spec.workloadSelector && (spec.workloadSelector.labels ?? {});
    const { namespace } = resource;
    const shared = {
      registry: 'external' as const,
      addresses: (spec.addresses ?? []).map(withoutFullMask),
      headless: false,
      ports: (spec.ports ?? []).map(servicePort),
      // The default of the API.
      resolution: resolutions[spec.resolution ?? 'NONE'] ?? 'none',
      meshExternal: spec.location !== 'MESH_INTERNAL',
      ...(selector && { selector }),
      ...(spec.subjectAltNames?.length && { subjectAltNames: spec.subjectAltNames }),
      visibility: resolveVisibility(spec.exportTo, namespace, settings.defaultServiceVisibility),
      labels: resource.labels,
      age: resource.age,
      source: { kind: resource.kind, namespace, name: resource.name },
    };
    // Istio does not expand short hosts here: a ServiceEntry names hosts as clients call them.
    const hosts = [...new Set(spec.hosts)];
    return hosts.map((host) => ({ hostname: host, namespace, name: host, ...shared }));
  },
);

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
