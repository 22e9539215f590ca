// Endpoints from each kind that names addresses: WorkloadEntry (alone or within a ServiceEntry), EndpointSlice, v1
// Endpoints, and the host itself for DNS. Which of them make up a service is endpoints.ts.
import type { EndpointSliceSpec } from '../kinds/endpoint-slice.js';
import type { EndpointsSpec } from '../kinds/endpoints.js';
import type { Resource } from '../kinds/resource.js';
import type { WorkloadEntrySpec } from '../kinds/workload-entry.js';
import { memoize } from '../lib/memo.js';
import type { Endpoint } from './endpoint.js';
import type { Locality } from './proxy.js';
import type { Service, ServicePort } from './service.js';
import { type WorkloadEntry, type WorkloadIndex, workloadLabels } from './workload-index.js';

const unixPrefix = 'unix://';
const nowhere: Locality = { region: '', zone: '', subzone: '' };
const noLabels: Readonly<Record<string, string>> = {};

/** Locality from `region/zone/subzone` (Istio API, WorkloadEntry.locality). */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { region, zone, subzone };
}

/** True for IPv4 and IPv6 addresses, false for names. */
export function isIp(address: string): boolean {
  return (
    /^\d{1,3}(\.\d{1,3}){3}$/.test(address) || (address.includes(':') && !address.includes('/'))
  );
}

/** True for `unix:///path`. */
export function isUnix(address: string): boolean {
  return address.startsWith(unixPrefix);
}

/** Who an address belongs to; the rest of an endpoint. */
interface Owner {
  labels: Readonly<Record<string, string>>;
  locality: Locality;
  weight: number;
  network: string;
  namespace: string;
  serviceAccount: string;
  workloadName: string;
}

/** The endpoint that a WorkloadEntry is for one port, or undefined when it has no such port. */
export function workloadEndpoint(
  entry: WorkloadEntry,
  service: Service,
  port: ServicePort,
): Endpoint | undefined {
  return specEndpoint(entry.spec, workloadOwner(entry), { service, port });
}

/** The endpoint that an entry of ServiceEntry.endpoints is for one port; `index` is its place in the list. */
export function inlineEndpoint(
  resource: Resource,
  index: number,
  spec: WorkloadEntrySpec,
  of: { service: Service; port: ServicePort },
): Endpoint | undefined {
  const workload = { namespace: resource.namespace, name: `${resource.name}-${index}` };
  return specEndpoint(spec, specOwner(spec, workload), of);
}

/** The endpoint of a DNS service without endpoints: the host itself, for Envoy to resolve. */
export function hostEndpoint(service: Service, port: ServicePort, workloadName: string): Endpoint {
  const address = service.externalName ?? service.hostname;
  const number = typeof port.targetPort === 'number' ? port.targetPort : port.number;
  return endpointAt(noOwner(service.namespace, workloadName), address, number);
}

/**
 * Endpoints of a slice for one port, which is found by name. Ready when not said otherwise; terminating ones are left
 * out. Kubernetes reads an absent condition `terminating` as false, and so do we (istiod takes a handwritten slice
 * that only says `ready: false` as terminating; either way it gets no traffic).
 */
export function sliceEndpoints(
  slice: Resource<EndpointSliceSpec>,
  service: Service,
  port: ServicePort,
  workloads: WorkloadIndex,
): Endpoint[] {
  const { spec } = slice;
  const declared = spec.ports?.find(({ name }) => (name ?? '') === port.name);
  if (spec.addressType === 'FQDN' || declared === undefined) return [];
  const number = declared.port ?? numericTarget(port);
  const out: Endpoint[] = [];
  const stranger = strangerOf(slice);
  for (const { addresses, conditions, zone, hostname } of spec.endpoints ?? []) {
    if (conditions?.terminating === true) continue;
    const healthy = service.publishNotReady === true || conditions?.ready !== false;
    for (const address of addresses) {
      const owner = ownerOf(address, stranger, workloads);
      const locality = zone && owner.locality === nowhere ? zoneAlone(zone) : owner.locality;
      out.push(endpointAt(owner, address, number, { healthy, locality, hostname }));
    }
  }
  return out;
}

type EndpointsAddress = NonNullable<
  NonNullable<EndpointsSpec['subsets']>[number]['addresses']
>[number];

/** Endpoints of a v1 Endpoints object for one port. */
export function endpointsEndpoints(
  resource: Resource<EndpointsSpec>,
  service: Service,
  port: ServicePort,
  workloads: WorkloadIndex,
): Endpoint[] {
  const out: Endpoint[] = [];
  const stranger = strangerOf(resource);
  for (const subset of resource.spec.subsets ?? []) {
    const declared = subset.ports?.find(({ name }) => (name ?? '') === port.name);
    if (declared === undefined) continue;
    const push = ({ ip, hostname }: EndpointsAddress, healthy: boolean) => {
      const owner = ownerOf(ip, stranger, workloads);
      out.push(endpointAt(owner, ip, declared.port, { healthy, hostname }));
    };
    const unready = service.publishNotReady === true;
    for (const address of subset.addresses ?? []) push(address, true);
    for (const address of subset.notReadyAddresses ?? []) push(address, unready);
  }
  return out;
}

/**
 * The workload's port for a port of the service: the entry's `ports` by the name of the service's port, then
 * targetPort, then the same number. A v1 Service's targetPort that is a name is looked up in `ports` instead, and the
 * entry has no such port when it is not there.
 */
export function workloadPort(
  ports: Readonly<Record<string, number>> | undefined,
  port: ServicePort,
): number | undefined {
  if (typeof port.targetPort === 'string') return ports?.[port.targetPort];
  return (port.name === '' ? undefined : ports?.[port.name]) ?? numericTarget(port);
}

function specEndpoint(
  spec: WorkloadEntrySpec,
  owner: Owner,
  { service, port }: { service: Service; port: ServicePort },
): Endpoint | undefined {
  const { address } = spec;
  if (!address) return undefined;
  const byName = service.resolution === 'dns' || service.resolution === 'dns-round-robin';
  if (isUnix(address)) {
    // A cluster that resolves names has no sockets.
    if (byName) return undefined;
    return endpointAt(owner, address.slice(unixPrefix.length), 0, { unixSocket: true });
  }
  // Only Envoy's DNS clusters can resolve names.
  if (!isIp(address) && !byName) return undefined;
  const number = workloadPort(spec.ports, port);
  return number === undefined ? undefined : endpointAt(owner, address, number);
}

/**
 * Written out, as a hundred thousand are: in V8 each object made by spreading another one may have a hidden class to
 * itself, which is larger than the object.
 */
function endpointAt(
  owner: Owner,
  address: string,
  port: number,
  { healthy = true, unixSocket = false, locality = owner.locality, hostname = '' } = usual,
): Endpoint {
  return {
    address,
    port,
    unixSocket,
    labels: owner.labels,
    locality,
    weight: owner.weight,
    healthy,
    network: owner.network,
    namespace: owner.namespace,
    serviceAccount: owner.serviceAccount,
    workloadName: owner.workloadName,
    hostname,
  };
}

const usual: {
  healthy?: boolean;
  unixSocket?: boolean;
  locality?: Locality;
  hostname?: string | undefined;
} = {};

function numericTarget(port: ServicePort): number {
  return typeof port.targetPort === 'number' ? port.targetPort : port.number;
}

const workloadOwner = memoize(
  (entry: WorkloadEntry): Owner => specOwner(entry.spec, entry, workloadLabels(entry)),
);

function specOwner(
  spec: WorkloadEntrySpec,
  workload: { namespace: string; name: string },
  labels = spec.labels ?? noLabels,
): Owner {
  // Istio's label has dots where the field has slashes.
  const label = spec.labels?.['istio-locality'];
  const text = spec.locality ?? (label?.includes('/') ? label : label?.replaceAll('.', '/'));
  const locality = text ? parseLocality(text) : nowhere;
  const network = spec.network ?? '';
  return {
    labels: withPlace(labels, locality, network),
    locality,
    weight: spec.weight ?? 0,
    network,
    namespace: workload.namespace,
    serviceAccount: spec.serviceAccount ?? '',
    workloadName: workload.name,
  };
}

/** Where a workload is, as labels that subsets and failoverPriority may name (Istio, label.AugmentLabels). */
function withPlace(
  labels: Readonly<Record<string, string>>,
  { region, zone, subzone }: Locality,
  network: string,
): Readonly<Record<string, string>> {
  if (region === '' && network === '') return labels;
  return {
    ...(network && { 'topology.istio.io/network': network }),
    ...labels,
    ...(region && { 'topology.kubernetes.io/region': region }),
    ...(zone && { 'topology.kubernetes.io/zone': zone }),
    ...(subzone && { 'topology.istio.io/subzone': subzone }),
  };
}

/**
 * Labels and locality of an address in a slice. Istio asks the Pod; here it is the WorkloadEntry of the namespace
 * with that address. Without one it has the labels of the slice itself, unless Kubernetes' controller wrote that
 * (it copies the labels of the Service, which are not those of the workloads).
 */
function ownerOf(address: string, stranger: Owner, workloads: WorkloadIndex): Owner {
  const entry = workloads.byAddress.get(address);
  return entry === undefined ? stranger : workloadOwner(entry);
}

/** The owner of the addresses of a slice that no WorkloadEntry has. */
function strangerOf(resource: Resource): Owner {
  return noOwner(resource.namespace, '', handwrittenLabels(resource));
}

function noOwner(namespace: string, workloadName: string, labels = noLabels): Owner {
  return {
    labels,
    locality: nowhere,
    weight: 0,
    network: '',
    namespace,
    serviceAccount: '',
    workloadName,
  };
}

/** Kubernetes' own; its documentation asks for another value where people or their tools write slices. */
const controllers: ReadonlySet<string | undefined> = new Set([
  'controller',
  'endpointslice-controller.k8s.io',
  'endpointslicemirroring-controller.k8s.io',
]);

/** Labels about the slice and not about workloads, as `app.kubernetes.io/version` is. */
const ofSlice = /^(?:(?:endpointslice|service)\.)?kubernetes\.io\//;

function handwrittenLabels(resource: Resource): Readonly<Record<string, string>> {
  if (controllers.has(resource.labels['endpointslice.kubernetes.io/managed-by'])) return noLabels;
  const own = Object.entries(resource.labels).filter(([key]) => !ofSlice.test(key));
  return own.length === 0 ? noLabels : Object.fromEntries(own);
}

const zoneAlone = memoize((zone: string): Locality => ({ region: '', zone, subzone: '' }));
