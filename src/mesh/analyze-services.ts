// Findings about v1 Services and ServiceEntries.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { groupsThatMayHave } from './group-labels.js';
import type { Mesh } from './mesh.js';
import type { RegistryEntry } from './registry-entry.js';

/** Ports whose protocol must be sniffed, and selectors that find no workload. */
export function analyzeServices(mesh: Mesh): Problem[] {
  return mesh.parts.registry.entries.flatMap((entry) => [
    ...undeclaredProtocols(entry),
    ...withoutEndpoints(mesh, entry),
  ]);
}

/** Services that nobody writes: those of Kubernetes and of Istio itself, and what a controller makes for a Gateway. */
function isManaged({ kind, namespace, labels }: Resource): boolean {
  if (kind !== 'Service') return false;
  if (namespace.startsWith('kube-')) return true;
  return (
    labels['istio'] !== undefined ||
    labels['release'] === 'istio' ||
    labels['gateway.istio.io/managed'] !== undefined
  );
}

function undeclaredProtocols({ definitions }: RegistryEntry): Problem[] {
  const [first] = definitions;
  // The hosts of a ServiceEntry share its ports: said once.
  const said = new Set<string>();
  return definitions.flatMap(({ service, resource }) => {
    const { hosts } = resource.spec as { hosts?: readonly string[] };
    const isFirstHost = hosts === undefined || hosts[0] === service.hostname;
    if (!isFirstHost || first === undefined || isManaged(resource)) return [];
    return service.ports.flatMap((port, i): Problem[] => {
      const key = `${resource.kind}/${resource.name}/${i}`;
      if (port.protocol !== 'Auto' || said.has(key)) return [];
      said.add(key);
      const name = port.name === '' ? `${port.number}` : `${port.number} (${port.name})`;
      return [
        {
          code: 'undeclared-protocol',
          severity: 'info',
          message: `port ${name} declares no protocol, so Envoy finds out by the first bytes; ${protocolHint(resource, port.name)}`,
          ...(isExternalName(resource) && { istio: 'IST0150' }),
          resource: service.source,
          path: ['spec', 'ports', i],
        },
      ];
    });
  });
}

function protocolHint({ kind }: Resource, name: string): string {
  if (kind !== 'Service') return 'set protocol to HTTP, TCP or another';
  const suffix = name === '' ? '' : `-${name}`;
  return `name it http${suffix} or tcp${suffix}, or set appProtocol`;
}

const isExternalName = ({ kind, spec }: Resource) =>
  kind === 'Service' && (spec as { type?: string }).type === 'ExternalName';

function withoutEndpoints(mesh: Mesh, { service, definitions }: RegistryEntry): Problem[] {
  const byPort = mesh.endpoints.get(service)?.byPort;
  if (service.selector === undefined || byPort === undefined || byPort.size === 0) return [];
  if ([...byPort.values()].some((endpoints) => endpoints.length > 0)) return [];
  const { selector, namespace } = service;
  if (groupsThatMayHave(mesh, namespace, selector).length > 0) return [];
  const isService = definitions[0]?.resource.kind === 'Service';
  return [
    {
      code: 'no-endpoints',
      severity: 'info',
      message: `the selector of ${service.hostname} matches no WorkloadEntry or WorkloadGroup of ${service.namespace}`,
      resource: service.source,
      path: isService ? ['spec', 'selector'] : ['spec', 'workloadSelector'],
    },
  ];
}
