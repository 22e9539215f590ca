// v1 Service -> Service. Its endpoints are endpoints.ts; what ExternalName stands for is registry.ts.
import type { Resource } from '../kinds/resource.js';
import type { ServiceSpec } from '../kinds/service.js';
import { memoize } from '../lib/memo.js';
import { serviceHostName } from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import type { NamespaceDefaults } from './namespace-defaults.js';
import { kubernetesProtocol } from './protocol.js';
import type { Service, ServicePort } from './service.js';
import { trafficDistribution } from './traffic-distribution.js';
import { resolveVisibility } from './visibility.js';

/** Comma-separated exportTo of a v1 Service (Istio, annotation reference). */
const exportToAnnotation = 'networking.istio.io/exportTo';

/** The service that a v1 Service is; the same object for the same resource, settings and defaults of its namespace. */
export const kubernetesService = memoize(
  (settings: MeshSettings, resource: Resource, defaults: NamespaceDefaults): Service => {
    const spec = resource.spec as ServiceSpec;
    const headless = spec.clusterIP === 'None';
    const external = spec.type === 'ExternalName' ? spec.externalName : undefined;
    return {
      hostname: serviceHostName(resource.name, resource.namespace, settings.domainSuffix),
      namespace: resource.namespace,
      name: resource.name,
      registry: 'kubernetes',
      addresses: external !== undefined || headless ? [] : addressesOf(spec),
      headless,
      ports: (spec.ports ?? []).map(servicePort),
      // Istio's Passthrough: the client has chosen the endpoint by DNS.
      resolution: external !== undefined ? 'dns' : headless ? 'none' : 'static',
      meshExternal: external !== undefined,
      ...(hasKeys(spec.selector) && external === undefined ? { selector: spec.selector } : {}),
      ...(spec.publishNotReadyAddresses ? { publishNotReady: true } : {}),
      ...trafficDistribution(
        spec.trafficDistribution,
        resource.annotations,
        defaults.trafficDistribution,
      ),
      ...(external === undefined ? {} : { externalName: external.replace(/\.$/, '') }),
      visibility: resolveVisibility(
        annotated(resource.annotations[exportToAnnotation]),
        resource.namespace,
        settings.defaultServiceExportTo,
      ),
      labels: resource.labels,
      age: resource.age,
      source: { kind: resource.kind, namespace: resource.namespace, name: resource.name },
    };
  },
);

function addressesOf(spec: ServiceSpec): readonly string[] {
  if (spec.clusterIPs !== undefined && spec.clusterIPs.length > 0) return spec.clusterIPs;
  return spec.clusterIP ? [spec.clusterIP] : [];
}

function servicePort(port: NonNullable<ServiceSpec['ports']>[number]): ServicePort {
  return {
    number: port.port,
    name: port.name ?? '',
    protocol: kubernetesProtocol(port),
    // Kubernetes writes 0 or "" for "the same as port".
    ...(port.targetPort ? { targetPort: port.targetPort } : {}),
  };
}

function annotated(value: string | undefined): readonly string[] | undefined {
  return value
    ?.split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function hasKeys<T extends object>(value: T | undefined): value is T {
  return value !== undefined && Object.keys(value).length > 0;
}
