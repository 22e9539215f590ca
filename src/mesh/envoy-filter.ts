// EnvoyFilters: which patches count for a proxy, and in which order. What a patch does is translation's business
// (translate/envoy-filter/).

import type { EnvoyFilterSpec } from '../kinds/envoy-filter.js';
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import type { EnvoyFilterPatch } from './envoy-patch.js';
import { hasLabels } from './has-labels.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type { ResourceId } from './rules.js';
import { isTarget, targetGateways } from './target-ref.js';
import { pluginPatchesOf, type WasmPlugins } from './wasm-plugin.js';

type ConfigPatch = NonNullable<EnvoyFilterSpec['configPatches']>[number];
type Match = NonNullable<ConfigPatch['match']>;

/** Conditions on the proxy, beside the selector of the whole. */
interface ProxyMatch {
  version?: RegExp;
  metadata: readonly (readonly [string, string])[];
}

/** An EnvoyFilter as the mesh keeps it. */
export interface EnvoyFilter {
  source: ResourceId;
  priority: number;
  /** Labels of the workloads that it is for; absent: all. */
  selector?: Readonly<Record<string, string>>;
  /** The Gateways whose routers it is for (targetRefs), instead of a selector. */
  targets?: readonly string[];
  patches: readonly { patch: EnvoyFilterPatch; proxy: ProxyMatch }[];
}

/** EnvoyFilters by namespace, each list in the order of application. */
export interface EnvoyFilters {
  byNamespace: ReadonlyMap<string, readonly EnvoyFilter[]>;
  rootNamespace: string;
}

/** Indexes EnvoyFilters that are sorted oldest first. */
export const envoyFilterIndex = memoize(
  (resources: readonly Resource[], rootNamespace: string): EnvoyFilters => {
    const byNamespace = new Map<string, EnvoyFilter[]>();
    for (const resource of resources) {
      const all = byNamespace.get(resource.namespace) ?? [];
      byNamespace.set(resource.namespace, all);
      all.push(meshEnvoyFilter(resource));
    }
    for (const all of byNamespace.values()) all.sort(byPriority);
    return { byNamespace, rootNamespace };
  },
);

/**
 * The patches for a proxy: those of WasmPlugins, then those of EnvoyFilters: by priority, those of the root namespace before those of its own, then by age (Istio API,
 * EnvoyFilter). The same array for all proxies with the same patches; undefined when there are none.
 */
export function patchesOf(
  { byNamespace, rootNamespace }: EnvoyFilters,
  plugins: WasmPlugins,
  proxy: ConnectedProxy,
): readonly EnvoyFilterPatch[] | undefined {
  if (proxy.generator === 'grpc') return undefined;
  const ofPlugins = pluginPatchesOf(plugins, proxy);
  if (byNamespace.size + ofPlugins.length === 0) return undefined;
  const namespaces = [...new Set([rootNamespace, proxy.namespace])];
  const patches = namespaces
    .flatMap((namespace) => byNamespace.get(namespace) ?? [])
    .sort(byPriority)
    .filter((filter) => isFor(filter, proxy))
    .flatMap((filter) => filter.patches)
    .filter((each) => hasContext(each.patch, proxy) && isForProxy(each.proxy, proxy))
    .map(({ patch }) => patch);
  const all = [...ofPlugins, ...patches];
  return all.length === 0 ? undefined : shared(...all);
}

/** All patches of the mesh, for reports. */
export function allPatches({ byNamespace }: EnvoyFilters): readonly EnvoyFilterPatch[] {
  return [...byNamespace.values()].flat().flatMap(({ patches }) => patches.map((p) => p.patch));
}

/** A sort by it keeps the order of age. */
function byPriority(a: EnvoyFilter, b: EnvoyFilter): number {
  return a.priority - b.priority;
}

const shared = memoize(
  (...patches: readonly EnvoyFilterPatch[]): readonly EnvoyFilterPatch[] => patches,
);

function isFor({ selector, targets }: EnvoyFilter, proxy: ConnectedProxy): boolean {
  return targets ? isTarget(targets, proxy) : hasLabels(proxy.labels, selector);
}

function hasContext({ context }: EnvoyFilterPatch, { type }: ConnectedProxy): boolean {
  if (context === 'ANY') return true;
  return type === 'router' ? context === 'GATEWAY' : context.startsWith('SIDECAR_');
}

/** A proxy that does not say its version matches no expression, as in Istio. */
function isForProxy({ version, metadata }: ProxyMatch, proxy: ConnectedProxy): boolean {
  if (version && !(proxy.istioVersion && version.test(proxy.istioVersion))) return false;
  return metadata.every(([key, value]) => proxy.metadata?.[key] === value);
}

const meshEnvoyFilter = memoize((resource: Resource): EnvoyFilter => {
  const spec = resource.spec as EnvoyFilterSpec;
  const { kind, namespace, name } = resource;
  const source = { kind, namespace, name };
  const labels = spec.workloadSelector?.labels ?? {};
  const targets = targetGateways(spec.targetRefs ?? []);
  return {
    source,
    priority: spec.priority ?? 0,
    ...(Object.keys(labels).length > 0 && { selector: labels }),
    ...(targets && { targets }),
    patches: (spec.configPatches ?? []).map((entry, index) => ({
      patch: meshPatch(entry, source, index),
      proxy: proxyMatch(entry.match?.proxy),
    })),
  };
});

function meshPatch(
  { applyTo, match = {}, patch }: ConfigPatch,
  source: ResourceId,
  index: number,
): EnvoyFilterPatch {
  const { context = 'ANY', listener, routeConfiguration, cluster } = match;
  return {
    source,
    path: ['spec', 'configPatches', index],
    index,
    applyTo,
    context,
    operation: patch.operation,
    ...(listener && { listener }),
    ...(routeConfiguration && { routeConfiguration }),
    ...(cluster && { cluster }),
    ...(patch.value && { value: patch.value }),
  };
}

function proxyMatch({ proxyVersion = '', metadata = {} }: NonNullable<Match['proxy']> = {}) {
  return {
    ...(proxyVersion !== '' && { version: new RegExp(proxyVersion) }),
    metadata: Object.entries(metadata),
  };
}
