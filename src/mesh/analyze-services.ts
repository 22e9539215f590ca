// Findings about v1 Services and ServiceEntries.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { changedKeys } from '../lib/patched-map.js';
import type { Parts } from './analyzed-parts.js';
import { findEach } from './find-each.js';
import { groupsThatMayHave } from './group-labels.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Service } from './service.js';

/** Ports whose protocol must be sniffed, and selectors that find no workload. */
export const analyzeServices = findEach({
  items: ({ entries }: Read) => entries,
  questions,
  find: (entry, ask) => [...undeclaredProtocols(entry), ...withoutEndpoints(entry, ask)],
  touched: (before, after) => {
    const changed = changedKeys(before.endpoints, after.endpoints);
    if (changed === undefined || before.workloadGroups !== after.workloadGroups) return () => true;
    const services = new Set(changed);
    return ({ service }) => services.has(service);
  },
});

type Read = Parts<'settings' | 'entries' | 'endpoints' | 'workloadGroups'>;

function questions({ endpoints, workloadGroups }: Read) {
  return {
    /** Of a service that could have some. */
    lacksEndpoints: (service: Service): boolean => {
      const byPort = endpoints.get(service)?.byPort;
      if (byPort === undefined || byPort.size === 0) return false;
      for (const found of byPort.values()) if (found.length > 0) return false;
      return true;
    },
    mayHaveGroup: ({ namespace, selector = {} }: Service): boolean =>
      groupsThatMayHave(workloadGroups, namespace, selector).length > 0,
  };
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

function withoutEndpoints(
  { service, definitions }: RegistryEntry,
  ask: ReturnType<typeof questions>,
): Problem[] {
  if (service.selector === undefined || !ask.lacksEndpoints(service)) return [];
  if (ask.mayHaveGroup(service)) return [];
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
