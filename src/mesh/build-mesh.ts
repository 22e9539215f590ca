// Builds the mesh index of a generation, taking over from the generation before whatever did not change. What the
// index holds is mesh.ts; how each kind is converted is in the files it calls.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize, sameOr } from '../lib/memo.js';
import {
  amendable,
  mapAgain,
  type Replacement,
  regrouped,
  replaceAll,
  replacements,
} from '../lib/replaced.js';
import { delegatesOf, withDelegates } from './delegate.js';
import { destinationRules } from './destination-rule.js';
import type { EndpointSources } from './endpoints.js';
import { envoyFilterIndex } from './envoy-filter.js';
import { type Gateway, meshGateway } from './gateway.js';
import { buildGatewayApi } from './gateway-api/gateway-api.js';
import type { GatewayApiInput } from './gateway-api/resources.js';
import type {
  Mesh,
  MeshInput,
  MeshKind,
  MeshParts,
  SortedKind,
  SourcesByNamespace,
} from './mesh.js';
import { buildEndpoints, joinEndpoints } from './mesh-endpoints.js';
import { type MeshSettings, meshSettings } from './mesh-settings.js';
import { byAge, groupBy } from './order.js';
import { buildRegistry, type Registry } from './registry.js';
import type { VirtualService } from './rules.js';
import { newScopes } from './scope-cache.js';
import { sidecarIndex } from './sidecar.js';
import { meshVirtualService } from './virtual-service.js';
import { wasmPluginIndex } from './wasm-plugin.js';

export type { Mesh, MeshInput } from './mesh.js';

const meshKinds = [
  'Service',
  'ServiceEntry',
  'EndpointSlice',
  'Endpoints',
  'WorkloadEntry',
  'VirtualService',
  'DestinationRule',
  'Sidecar',
  'EnvoyFilter',
  'WasmPlugin',
  // For findings only.
  'WorkloadGroup',
  'Gateway',
  'Gateway.gateway.networking.k8s.io',
  'GatewayClass',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'ReferenceGrant',
  'BackendTLSPolicy',
  'Namespace',
  'ConfigMap',
  'Secret',
  'MeshConfig',
] as const satisfies readonly MeshKind[];

/**
 * Builds the index; give the mesh of the generation before, so that only what changed is converted again. The order
 * of resources does not matter.
 */
export function buildMesh(resources: MeshInput, previous?: Mesh): Mesh {
  const before = previous?.parts;
  const sorted = sortKinds(resources, before?.sorted);
  // The last in path order counts (DESIGN.md), which is the youngest here.
  const settings = meshSettings(sorted.MeshConfig.sorted.at(-1));
  const namespaces = sorted.Namespace.sorted;
  const registryResources = sameOr(before?.registryResources, mergeByAge(sorted, before));
  const registry =
    before?.registryResources === registryResources &&
    previous?.settings === settings &&
    before.registry.namespaces === namespaces
      ? before.registry
      : buildRegistry(registryResources, { settings, namespaces }, before?.registry);
  const gatewayApi = buildGatewayApi(
    gatewayApiInput(sorted, settings, registry),
    previous?.gatewayApi,
  );
  // Written ones first: they go before what a BackendTLSPolicy stands for.
  const rules = concatenated(sorted.DestinationRule.sorted, gatewayApi.destinationRules);
  const rulesByNamespace = byNamespace(rules, before?.rules, before?.rulesByNamespace);
  const sourcesByNamespace = groupSources(sorted, before);
  const endpointsByNamespace = buildEndpoints(registry, sourcesByNamespace, before);
  const index = destinationRules(rulesByNamespace, settings);
  const writtenVirtualServices = meshVirtualServices(sorted.VirtualService.sorted, settings);
  const merged = mergeDelegates(writtenVirtualServices);
  return {
    settings,
    services: registry.services,
    servicesByHostname: registry.byHostname,
    virtualServices: sameOr(
      previous?.virtualServices,
      joinedRules(merged, gatewayApi.virtualServices),
    ),
    writtenVirtualServices,
    destinationRules: index,
    sidecars: sidecarIndex(sorted.Sidecar.sorted, settings),
    envoyFilters: envoyFilterIndex(sorted.EnvoyFilter.sorted, settings.rootNamespace),
    wasmPlugins: wasmPluginIndex(sorted.WasmPlugin.sorted, settings.rootNamespace),
    gateways: sameOr(
      previous?.gateways,
      joinedGateways(gatewaysOf(sorted.Gateway.sorted), gatewayApi.gateways),
    ),
    gatewayApi,
    endpoints: joinEndpoints(endpointsByNamespace, previous),
    problems: configProblems(sorted.MeshConfig.sorted),
    parts: {
      sorted,
      registryResources,
      registry,
      rules,
      rulesByNamespace,
      sourcesByNamespace,
      endpointsByNamespace,
      scopes: newScopes(before?.scopes),
      gatewayScopes: newScopes(before?.gatewayScopes),
      secretsByNamespace: byNamespace(
        sorted.Secret.sorted,
        before?.sorted.Secret.sorted,
        before?.secretsByNamespace,
      ),
    },
  };
}

const concatenated = memoize((a: readonly Resource[], b: readonly Resource[]) =>
  b.length === 0 ? a : [...a, ...b],
);

function gatewayApiInput(
  sorted: MeshParts['sorted'],
  settings: MeshSettings,
  { byHostname }: Registry,
): GatewayApiInput {
  return {
    settings,
    classes: sorted.GatewayClass.sorted,
    gateways: sorted['Gateway.gateway.networking.k8s.io'].sorted,
    httpRoutes: sorted.HTTPRoute.sorted,
    grpcRoutes: sorted.GRPCRoute.sorted,
    tlsRoutes: sorted.TLSRoute.sorted,
    tcpRoutes: sorted.TCPRoute.sorted,
    grants: sorted.ReferenceGrant.sorted,
    backendTlsPolicies: sorted.BackendTLSPolicy.sorted,
    namespaces: sorted.Namespace.sorted,
    configMaps: sorted.ConfigMap.sorted,
    secrets: sorted.Secret.sorted,
    services: sorted.Service.sorted,
    byHostname,
  };
}

const joinedRules = memoize(joined<VirtualService>);
const joinedGateways = memoize(joined<Gateway>);

/** Two lists as one, oldest first; what is made of one resource stays in its order. */
function joined<T extends VirtualService | Gateway>(
  a: readonly T[],
  b: readonly T[],
): readonly T[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  return [...a, ...b].sort((x, y) =>
    byAge({ ...x.source, age: x.age }, { ...y.source, age: y.age }),
  );
}

const gatewaysOf = memoize((resources: readonly Resource[]) => resources.map(meshGateway));

const meshVirtualServices = amendable(
  (resources: readonly Resource[], settings: MeshSettings): readonly VirtualService[] =>
    resources.map((resource) => meshVirtualService(settings, resource)),
  ({ list, result }, resources, settings) =>
    mapAgain(resources, (resource) => meshVirtualService(settings, resource), {
      list,
      made: result,
    }),
);

const mergeDelegates = amendable(
  (written: readonly VirtualService[]): readonly VirtualService[] => {
    const delegates = delegatesOf(written);
    return written
      .filter(({ hosts }) => hosts.length > 0)
      .map((rule) => withDelegates(rule, delegates));
  },
  ({ result, changes }) => {
    const isPlain = ({ hosts, http }: VirtualService) =>
      hosts.length > 0 && http.every(({ delegate }) => delegate === undefined);
    const all = changes.flatMap(({ before, after }) => [before, after]);
    return all.every(isPlain) ? replaceAll(result, changes) : undefined;
  },
);

function sortKinds(input: MeshInput, before?: MeshParts['sorted']): MeshParts['sorted'] {
  const all = meshKinds.map((kind) => {
    const given = input.byKind(kind);
    const old = before?.[kind];
    if (old !== undefined && sameOr(old.given, given) === old.given) return [kind, old] as const;
    return [kind, { given, sorted: sameOr(old?.sorted, sortedByAge(given, old)) }] as const;
  });
  return Object.fromEntries(all) as unknown as MeshParts['sorted'];
}

/** Sorted anew only where what was replaced may stand elsewhere. */
function sortedByAge(given: readonly Resource[], old?: SortedKind): readonly Resource[] {
  const changes = old && replacements(old.given, given);
  if (changes?.every(sameAge)) return replaceAll(old?.sorted ?? [], changes);
  return [...given].sort(byAge);
}

const sameAge = ({ before, after }: Replacement<Resource>) => byAge(before, after) === 0;

/** v1 Services and ServiceEntries in one order of age. */
function mergeByAge(sorted: MeshParts['sorted'], before?: MeshParts): readonly Resource[] {
  const [a, b] = [sorted.Service.sorted, sorted.ServiceEntry.sorted];
  const ofServices = before && replacements(before.sorted.Service.sorted, a);
  const ofEntries = before && replacements(before.sorted.ServiceEntry.sorted, b);
  const changes = ofServices && ofEntries && [...ofServices, ...ofEntries];
  return changes?.every(sameAge)
    ? replaceAll(before!.registryResources, changes)
    : mergeSorted(a, b);
}

const mergeSorted = memoize((a: readonly Resource[], b: readonly Resource[]) => {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const merged: Resource[] = [];
  let next = 0;
  for (const resource of a) {
    while (next < b.length && byAge(b[next]!, resource) < 0) merged.push(b[next++]!);
    merged.push(resource);
  }
  while (next < b.length) merged.push(b[next++]!);
  return merged;
});

function byNamespace(
  resources: readonly Resource[],
  old: readonly Resource[] | undefined,
  groups: ReadonlyMap<string, readonly Resource[]> | undefined,
): ReadonlyMap<string, readonly Resource[]> {
  if (groups !== undefined && old === resources) return groups;
  const changes = old && groups && replacements(old, resources);
  if (changes?.every(({ before, after }) => before.namespace === after.namespace)) {
    return regrouped(groups!, changes, ({ namespace }) => namespace);
  }
  return groupBy(resources, ({ namespace }) => namespace, groups);
}

function groupSources(sorted: MeshParts['sorted'], before?: MeshParts): SourcesByNamespace {
  const group = (kind: MeshKind, part: keyof EndpointSources) =>
    byNamespace(sorted[kind].sorted, before?.sorted[kind].sorted, before?.sourcesByNamespace[part]);
  return {
    slices: group('EndpointSlice', 'slices'),
    endpoints: group('Endpoints', 'endpoints'),
    workloads: group('WorkloadEntry', 'workloads'),
  };
}

function configProblems(configs: readonly Resource[]): readonly Problem[] {
  return configs.slice(0, -1).map(({ kind, namespace, name }) => ({
    code: 'duplicate-resource',
    severity: 'warning',
    message: 'there is another MeshConfig after this one, and the last counts',
    resource: { kind, namespace, name },
    path: [],
  }));
}
