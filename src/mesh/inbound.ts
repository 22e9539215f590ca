// What a workload serves: the services whose endpoints have one of its addresses, those whose selector matches its
// labels (Istio's proxy service targets), and the one that a plain Envoy names. What a Sidecar
// says instead is sidecar-ingress.ts.
import { memoize } from '../lib/memo.js';
import type { NamespaceEndpoints } from './endpoints.js';
import { workloadPort } from './make-endpoint.js';
import type { Mesh } from './mesh.js';
import { byAge, compareText } from './order.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type { InboundPort } from './proxy-view.js';
import type { Service, ServicePort } from './service.js';
import { selects } from './workload-index.js';

/**
 * The ports that the proxy's workload serves in its own namespace, sorted by target port, then age of the service:
 * the first of a target port counts. A port of a service that leads to the same target port as one before it in the
 * same service, with the same protocol, is left out.
 */
export function inboundPorts(mesh: Mesh, proxy: ConnectedProxy): readonly InboundPort[] {
  const namespace = mesh.parts.endpointsByNamespace.get(proxy.namespace);
  return namespace === undefined ? none : distinctPorts(namespace, proxy);
}

const none: readonly InboundPort[] = [];

/** Found once for a namespace in which nothing changed: every edit anywhere asks for each proxy. */
const distinctPorts = memoize((namespace: NamespaceEndpoints, proxy: ConnectedProxy) =>
  portsByService(namespace, proxy).flatMap(distinct).sort(compareInbound),
);

/** The same with every port of the services, whatever target ports they have in common. */
export function servedPorts(mesh: Mesh, proxy: ConnectedProxy): readonly InboundPort[] {
  const namespace = mesh.parts.endpointsByNamespace.get(proxy.namespace);
  return namespace === undefined
    ? none
    : portsByService(namespace, proxy).flat().sort(compareInbound);
}

function portsByService(
  namespace: NamespaceEndpoints,
  proxy: ConnectedProxy,
): (readonly InboundPort[])[] {
  const found = new Map<Service, InboundPort[]>();
  const addresses = portsByAddress(namespace.byService);
  for (const ip of proxy.ips) {
    for (const port of addresses.get(ip) ?? []) push(found, port.service, port);
  }
  for (const service of selectingServices(namespace, proxy)) {
    if (found.has(service)) continue;
    for (const port of service.ports) {
      if (port.protocol === 'UDP') continue;
      const target = selectedTarget(namespace, proxy, port);
      if (target !== undefined) push(found, service, inboundPort(service, port, target));
    }
  }
  return [...found.values()];
}

type PortsByAddress = ReadonlyMap<string, readonly InboundPort[]>;

/** Of endpoints with an address: what is served there. */
const portsByAddress = memoize((byService: NamespaceEndpoints['byService']): PortsByAddress => {
  const index = new Map<string, InboundPort[]>();
  for (const [service, { byPort }] of byService) {
    for (const port of service.ports) {
      for (const endpoint of byPort.get(port.number) ?? []) {
        if (endpoint.unixSocket) continue;
        push(index, endpoint.address, inboundPort(service, port, endpoint.port));
      }
    }
  }
  return index;
});

function selectingServices(
  namespace: NamespaceEndpoints,
  proxy: ConnectedProxy,
): readonly Service[] {
  const index = servicesByLabel(namespace.byService);
  const selecting = Object.entries(proxy.labels)
    .flatMap(([key, value]) => index.get(`${key}=${value}`) ?? [])
    .filter((service) => service.selector !== undefined && selects(service.selector, proxy.labels));
  if (proxy.service === '') return selecting;
  return [...selecting, ...(servicesByName(namespace.byService).get(proxy.service) ?? [])];
}

/** Services by the names that a node.cluster may have: `name`, `name.namespace`, the full hostname. */
const servicesByName = memoize((byService: NamespaceEndpoints['byService']) => {
  const index = new Map<string, Service[]>();
  for (const service of byService.keys()) {
    const { name, namespace, hostname } = service;
    for (const key of new Set([name, `${name}.${namespace}`, hostname])) push(index, key, service);
  }
  return index;
});

/** Services by the first pair of their selector, so that few are looked at for each proxy. */
const servicesByLabel = memoize((byService: NamespaceEndpoints['byService']) => {
  const index = new Map<string, Service[]>();
  for (const service of byService.keys()) {
    const [first] = Object.entries(service.selector ?? {});
    if (first !== undefined) push(index, `${first[0]}=${first[1]}`, service);
  }
  return index;
});

/** A named target port is that of the workload's own WorkloadEntry; without one the port is not served. */
function selectedTarget(
  { workloads }: NamespaceEndpoints,
  proxy: ConnectedProxy,
  port: ServicePort,
): number | undefined {
  const entry = proxy.ips.map((ip) => workloads.byAddress.get(ip)).find(Boolean);
  return workloadPort(entry?.spec.ports, port);
}

const portsMade = new WeakMap<Service, InboundPort[]>();

/** The same object for the same arguments; there are few for each service. */
function inboundPort(service: Service, port: ServicePort, targetPort: number): InboundPort {
  let made = portsMade.get(service);
  if (made === undefined) {
    made = [];
    portsMade.set(service, made);
  }
  const known = made.find((it) => it.port === port && it.targetPort === targetPort);
  if (known !== undefined) return known;
  const added = { service, port, targetPort };
  made.push(added);
  return added;
}

function distinct(ports: readonly InboundPort[]): readonly InboundPort[] {
  const seen = new Set<string>();
  return ports.filter(({ port, targetPort }) => {
    const key = `${targetPort} ${port.protocol}`;
    return !seen.has(key) && seen.add(key);
  });
}

function compareInbound(a: InboundPort, b: InboundPort): number {
  return (
    a.targetPort - b.targetPort ||
    byAge(a.service, b.service) ||
    compareText(a.service.hostname, b.service.hostname) ||
    a.port.number - b.port.number
  );
}

function push<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
