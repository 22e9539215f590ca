// WasmPlugins: which count for a proxy, and where in its chains each stands. They are patches like those of
// EnvoyFilters, applied before them; the filter itself is made in translate/envoy-filter/wasm-filter.ts.

import type { Resource } from '../kinds/resource.js';
import type { WasmPluginSpec } from '../kinds/wasm-plugin.js';
import { memoize } from '../lib/memo.js';
import type { EnvoyFilterPatch, PatchContext } from './envoy-patch.js';
import { hasLabels } from './has-labels.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import { isTarget, targetGateways } from './target-ref.js';

/** A plugin as the mesh keeps it. */
interface PlacedPlugin {
  labels: Readonly<Record<string, string>>;
  /** The Gateways whose routers it is for (targetRefs), instead of labels. */
  targets?: readonly string[];
  phase: (typeof phases)[number];
  priority: number;
  patches: readonly EnvoyFilterPatch[];
}

/** Plugins by namespace, oldest first. */
export interface WasmPlugins {
  byNamespace: ReadonlyMap<string, readonly PlacedPlugin[]>;
  rootNamespace: string;
}

/** In the order in which they stand, all before the filters for gRPC, faults and CORS. */
const phases = ['AUTHN', 'AUTHZ', 'STATS', 'UNSPECIFIED_PHASE'] as const;

/** Indexes WasmPlugins that are sorted oldest first. */
export const wasmPluginIndex = memoize(
  (resources: readonly Resource[], rootNamespace: string): WasmPlugins => {
    const byNamespace = new Map<string, PlacedPlugin[]>();
    for (const resource of resources) {
      const all = byNamespace.get(resource.namespace) ?? [];
      byNamespace.set(resource.namespace, all);
      all.push(placedPlugin(resource));
    }
    return { byNamespace, rootNamespace };
  },
);

/** The patches for a proxy in the order in which they must be applied. */
export function pluginPatchesOf(
  { byNamespace, rootNamespace }: WasmPlugins,
  proxy: ConnectedProxy,
): readonly EnvoyFilterPatch[] {
  if (byNamespace.size === 0) return [];
  const plugins = [...new Set([proxy.namespace, rootNamespace])]
    .flatMap((namespace) => byNamespace.get(namespace) ?? [])
    .filter(({ labels, targets }) =>
      targets ? isTarget(targets, proxy) : hasLabels(proxy.labels, labels),
    )
    .sort((a, b) => b.priority - a.priority);
  const inPhase = (...some: readonly string[]) =>
    some.flatMap((phase) => plugins.filter((plugin) => plugin.phase === phase));
  // Each is put at the very front, so the one that is to stand there comes last.
  return inPhase(...phases)
    .reverse()
    .flatMap(({ patches }) => patches)
    .filter(({ context }) => (context === 'GATEWAY') === (proxy.type === 'router'));
}

const placedPlugin = memoize((resource: Resource): PlacedPlugin => {
  const spec = resource.spec as WasmPluginSpec;
  const { kind, namespace, name } = resource;
  const { phase = 'UNSPECIFIED_PHASE', targetRef, targetRefs = [], url } = spec;
  const targets = targetGateways([...(targetRef ? [targetRef] : []), ...targetRefs]);
  const isForNobody = !isFile(url);
  const plugin = { name: `${namespace}.${name}`, file: url.slice('file://'.length), spec };
  const places = isForNobody ? [] : placesOf(spec);
  return {
    labels: spec.selector?.matchLabels ?? {},
    ...(targets && { targets }),
    phase,
    priority: spec.priority ?? 0,
    patches: places.map(({ context, port }, index) => ({
      source: { kind, namespace, name },
      path: ['spec'],
      index,
      applyTo: spec.type === 'NETWORK' ? 'NETWORK_FILTER' : 'HTTP_FILTER',
      context,
      operation: 'INSERT_FIRST',
      ...(port !== undefined && { listener: { portNumber: port } }),
      plugin,
    })),
  };
});

function isFile(url: string): boolean {
  return url.startsWith('file://');
}

interface Place {
  context: PatchContext;
  port?: number;
}

/** Each direction and port once; a gateway counts as a client (Istio API, WorkloadMode), so that no chain has the filter twice. */
function placesOf({ match = [] }: WasmPluginSpec): Place[] {
  return (['SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY'] as const).flatMap(
    (context): Place[] => {
      const mode = context === 'SIDECAR_INBOUND' ? 'SERVER' : 'CLIENT';
      const meant = match.filter(({ mode: wanted = 'UNDEFINED' }) =>
        [mode, 'UNDEFINED', 'CLIENT_AND_SERVER'].includes(wanted),
      );
      if (match.length === 0 || meant.some(({ ports = [] }) => ports.length === 0)) {
        return [{ context }];
      }
      const ports = new Set(
        meant.flatMap((each) => (each.ports ?? []).map(({ number }) => number)),
      );
      return [...ports].flatMap((port) => (port === undefined ? [] : { context, port }));
    },
  );
}
