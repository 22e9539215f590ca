// The endpoints of every service, from EndpointSlices, v1 Endpoints, WorkloadEntries and ServiceEntries of its
// namespace. A service whose sources did not change keeps its ServiceEndpoints; so does one whose endpoints come out
// equal, and every single Endpoint that does. Health checks of Envoy and locality priorities are not here.
import type { EndpointSliceSpec } from '../kinds/endpoint-slice.js';
import type { EndpointsSpec } from '../kinds/endpoints.js';
import type { Resource } from '../kinds/resource.js';
import type { ServiceEntrySpec } from '../kinds/service-entry.js';
import { sameOr } from '../lib/memo.js';
import type { Endpoint, ServiceEndpoints } from './endpoint.js';
import {
  endpointsEndpoints,
  hostEndpoint,
  inlineEndpoint,
  isIp,
  sliceEndpoints,
  workloadEndpoint,
} from './make-endpoint.js';
import { compareText, groupBy, sameKeys } from './order.js';
import type { Definition, RegistryEntry } from './registry-entry.js';
import type { Service, ServicePort } from './service.js';
import {
  selectEndpoints,
  type WorkloadEntry,
  type WorkloadIndex,
  workloadIndex,
} from './workload-index.js';

/** What names addresses in one namespace, oldest first; arrays keep identity while nothing in them changes. */
export interface EndpointSources {
  slices: readonly Resource[];
  endpoints: readonly Resource[];
  workloads: readonly Resource[];
}

/** What one service's endpoints were made of. */
interface EndpointRecord {
  entry: RegistryEntry;
  slices: readonly Resource[];
  endpoints: readonly Resource[];
  workloads: WorkloadIndex;
  /** The WorkloadEntries that are endpoints or give their labels to some. */
  used: readonly WorkloadEntry[];
  result: ServiceEndpoints;
}

type Groups = ReadonlyMap<string, readonly Resource[]>;

/** The endpoints of one namespace's services. */
export interface NamespaceEndpoints {
  /** The same map while no service and no endpoint changed. */
  byService: ReadonlyMap<Service, ServiceEndpoints>;
  workloads: WorkloadIndex;
  /** What they were made of, for the next generation. */
  made: {
    entries: readonly RegistryEntry[];
    sources: EndpointSources;
    slices: Groups;
    endpoints: Groups;
    records: ReadonlyMap<string, EndpointRecord>;
  };
}

const none: readonly Resource[] = [];
const serviceNameLabel = 'kubernetes.io/service-name';

/** Builds the endpoints of one namespace, taking over from the generation before what did not change. */
export function namespaceEndpoints(
  entries: readonly RegistryEntry[],
  sources: EndpointSources,
  previous?: NamespaceEndpoints,
): NamespaceEndpoints {
  const before = previous?.made;
  if (before !== undefined && before.entries === entries && sameSources(before.sources, sources)) {
    return previous as NamespaceEndpoints;
  }
  const slices = groupBy(sources.slices, (it) => it.labels[serviceNameLabel], before?.slices);
  const endpoints = groupBy(sources.endpoints, (it) => it.name, before?.endpoints);
  const workloads = workloadIndex(sources.workloads);
  const records = new Map<string, EndpointRecord>();
  const byService = new Map<Service, ServiceEndpoints>();
  let same = previous !== undefined;
  for (const entry of entries) {
    const { service } = entry;
    const record = endpointRecord(
      {
        entry,
        slices: slices.get(service.name) ?? none,
        endpoints: endpoints.get(service.name) ?? none,
        workloads,
      },
      before?.records.get(service.hostname),
    );
    if (previous?.byService.get(service) !== record.result) same = false;
    records.set(service.hostname, record);
    byService.set(service, record.result);
  }
  return {
    byService:
      same && previous !== undefined && sameKeys(previous.byService, byService)
        ? previous.byService
        : byService,
    workloads,
    made: { entries, sources, slices, endpoints, records },
  };
}

function sameSources(a: EndpointSources, b: EndpointSources): boolean {
  return a.slices === b.slices && a.endpoints === b.endpoints && a.workloads === b.workloads;
}

type Inputs = Omit<EndpointRecord, 'used' | 'result'>;

function endpointRecord(inputs: Inputs, before: EndpointRecord | undefined): EndpointRecord {
  const same =
    before !== undefined &&
    before.entry === inputs.entry &&
    before.slices === inputs.slices &&
    before.endpoints === inputs.endpoints;
  if (same && before.workloads === inputs.workloads) return before;
  const used = sameOr(before?.used, usedWorkloads(inputs));
  const result =
    same && used === before.used ? before.result : serviceEndpoints(inputs, before?.result);
  // Written out: make-endpoint.ts says why.
  const { entry, slices, endpoints, workloads } = inputs;
  return { entry, slices, endpoints, workloads, used, result };
}

/** All WorkloadEntries that the result depends on. */
function usedWorkloads({ entry, slices, endpoints, workloads }: Inputs): readonly WorkloadEntry[] {
  const used = new Set(
    entry.definitions.flatMap(({ service: { selector } }) =>
      selector ? selectEndpoints(workloads, selector) : [],
    ),
  );
  const use = (address: string) => {
    const found = workloads.byAddress.get(address);
    if (found !== undefined) used.add(found);
  };
  if (entry.service.registry === 'external' || workloads.byAddress.size === 0) return [...used];
  for (const slice of slices as readonly Resource<EndpointSliceSpec>[]) {
    for (const { addresses } of slice.spec.endpoints ?? []) addresses.forEach(use);
  }
  for (const { spec } of endpoints as readonly Resource<EndpointsSpec>[]) {
    for (const { addresses, notReadyAddresses } of spec.subsets ?? []) {
      for (const { ip } of addresses ?? []) use(ip);
      for (const { ip } of notReadyAddresses ?? []) use(ip);
    }
  }
  return [...used];
}

/** By port number, ports in order of number; UDP ports have none. */
function serviceEndpoints(inputs: Inputs, before: ServiceEndpoints | undefined): ServiceEndpoints {
  const byPort = new Map<number, readonly Endpoint[]>();
  let same = before !== undefined;
  for (const port of inputs.entry.service.ports) {
    if (port.protocol === 'UDP') continue;
    const old = before?.byPort.get(port.number);
    const found = endpointsOfPort(inputs, port);
    // Envoy takes one name in such a cluster: that of the oldest definition, as in Istio.
    const one = inputs.entry.service.resolution === 'dns-round-robin';
    const next = keepEqual(old, distinct(one ? found.slice(0, 1) : found));
    if (next !== old) same = false;
    byPort.set(port.number, next);
  }
  return same && before !== undefined && sameKeys(before.byPort, byPort) ? before : { byPort };
}

function endpointsOfPort(inputs: Inputs, port: ServicePort): Endpoint[] {
  const ofService = inputs.entry.service.registry === 'kubernetes';
  return inputs.entry.definitions.flatMap((definition) => {
    const isService = definition.resource.kind === 'Service';
    const own = definition.service.ports.find(
      ({ number, name, protocol }) =>
        // A ServiceEntry beside a Service has numbers of its own; only the name says which port it means.
        (ofService && !isService ? name === port.name : number === port.number) &&
        // A service may have a number twice, once for UDP, as the cluster's DNS has 53.
        protocol !== 'UDP',
    );
    if (own === undefined) return [];
    if (isService) return kubernetesEndpoints(inputs, own);
    const found = serviceEntryEndpoints(definition, inputs.workloads, own);
    return ofService ? found.filter((each) => each.unixSocket || isIp(each.address)) : found;
  });
}

function kubernetesEndpoints(inputs: Inputs, port: ServicePort): Endpoint[] {
  const { entry, slices, endpoints, workloads } = inputs;
  const { service } = entry;
  if (service.externalName !== undefined) return [hostEndpoint(service, port, service.name)];
  const selected = service.selector ? selectEndpoints(workloads, service.selector) : [];
  const out = selected
    .filter(({ spec }) => spec.address !== undefined && isIp(spec.address))
    .flatMap((workload) => workloadEndpoint(workload, service, port) ?? []);
  for (const slice of slices as readonly Resource<EndpointSliceSpec>[]) {
    out.push(...sliceEndpoints(slice, service, port, workloads));
  }
  // Kubernetes mirrors v1 Endpoints into slices, so these count only where there are no slices.
  if (slices.length > 0) return out;
  for (const resource of endpoints as readonly Resource<EndpointsSpec>[]) {
    out.push(...endpointsEndpoints(resource, service, port, workloads));
  }
  return out;
}

function serviceEntryEndpoints(
  { service, resource }: Definition,
  workloads: WorkloadIndex,
  port: ServicePort,
): Endpoint[] {
  const { endpoints, workloadSelector } = (resource as Resource<ServiceEntrySpec>).spec;
  if (service.selector !== undefined) {
    return selectEndpoints(workloads, service.selector).flatMap(
      (workload) => workloadEndpoint(workload, service, port) ?? [],
    );
  }
  if (endpoints !== undefined && endpoints.length > 0) {
    return endpoints.flatMap(
      (spec, i) => inlineEndpoint(resource, i, spec, { service, port }) ?? [],
    );
  }
  const byDns = service.resolution === 'dns' || service.resolution === 'dns-round-robin';
  return byDns && workloadSelector === undefined
    ? [hostEndpoint(service, port, resource.name)]
    : [];
}

/** Without duplicates of address and port (the first counts), in the order of these. */
function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  // Equal ones keep their order.
  const sorted = [...endpoints].sort(compareEndpoints);
  return sorted.filter((each, i) => i === 0 || compareEndpoints(sorted[i - 1]!, each) !== 0);
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  return compareText(a.address, b.address) || a.port - b.port;
}

/** The old objects in place of equal new ones, and the old list when all are. */
function keepEqual(
  before: readonly Endpoint[] | undefined,
  next: readonly Endpoint[],
): readonly Endpoint[] {
  if (before === undefined) return next;
  const old = new Map(before.map((endpoint) => [`${endpoint.address}|${endpoint.port}`, endpoint]));
  const kept = next.map((endpoint) => {
    const twin = old.get(`${endpoint.address}|${endpoint.port}`);
    return twin !== undefined && sameEndpoint(twin, endpoint) ? twin : endpoint;
  });
  return sameOr(before, kept);
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a.unixSocket === b.unixSocket &&
    a.weight === b.weight &&
    a.healthy === b.healthy &&
    a.network === b.network &&
    a.namespace === b.namespace &&
    a.serviceAccount === b.serviceAccount &&
    a.workloadName === b.workloadName &&
    a.hostname === b.hostname &&
    a.locality.region === b.locality.region &&
    a.locality.zone === b.locality.zone &&
    a.locality.subzone === b.locality.subzone &&
    sameLabels(a.labels, b.labels)
  );
}

function sameLabels(a: Endpoint['labels'], b: Endpoint['labels']): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
