// The endpoints of all services of the mesh, namespace by namespace (endpoints.ts): an edit costs a look at the
// namespaces that it touches.
import type { Resource } from '../kinds/resource.js';
import { changedKeys, patched } from '../lib/patched-map.js';
import type { ServiceEndpoints } from './endpoint.js';
import { type NamespaceEndpoints, namespaceEndpoints } from './endpoints.js';
import type { Mesh, MeshParts, SourcesByNamespace } from './mesh.js';
import { sameKeys } from './order.js';
import type { Registry } from './registry.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Service } from './service.js';

const none: readonly Resource[] = [];

/** The endpoints of each namespace; those of before where nothing changed. */
export function buildEndpoints(
  registry: Registry,
  sources: SourcesByNamespace,
  before?: MeshParts,
): ReadonlyMap<string, NamespaceEndpoints> {
  const build = (namespace: string, entries: readonly RegistryEntry[]) =>
    namespaceEndpoints(
      entries,
      {
        slices: sources.slices.get(namespace) ?? none,
        endpoints: sources.endpoints.get(namespace) ?? none,
        workloads: sources.workloads.get(namespace) ?? none,
      },
      before?.endpointsByNamespace.get(namespace),
    );
  const changed = before && changedNamespaces(registry, sources, before);
  if (changed === undefined) {
    return new Map(
      [...registry.byNamespace].map(([name, entries]) => [name, build(name, entries)]),
    );
  }
  const changes = new Map<string, NamespaceEndpoints>();
  for (const namespace of changed) {
    const entries = registry.byNamespace.get(namespace);
    const next = entries && build(namespace, entries);
    if (next && next !== before!.endpointsByNamespace.get(namespace)) changes.set(namespace, next);
  }
  return patched(before!.endpointsByNamespace, changes);
}

/** The namespaces with other services or sources of endpoints; undefined where only looking at all of them can tell. */
function changedNamespaces(
  registry: Registry,
  sources: SourcesByNamespace,
  before: MeshParts,
): ReadonlySet<string> | undefined {
  const old = before.sourcesByNamespace;
  const all = [
    changedKeys(before.registry.byNamespace, registry.byNamespace),
    changedKeys(old.slices, sources.slices),
    changedKeys(old.endpoints, sources.endpoints),
    changedKeys(old.workloads, sources.workloads),
  ];
  const changed = new Set<string>();
  for (const keys of all) {
    if (keys === undefined) return undefined;
    for (const key of keys) changed.add(key);
  }
  return changed;
}

/** The endpoints of all namespaces; those of before while they are the same. */
export function joinEndpoints(
  byNamespace: ReadonlyMap<string, NamespaceEndpoints>,
  previous?: Mesh,
): ReadonlyMap<Service, ServiceEndpoints> {
  const before = previous?.parts.endpointsByNamespace;
  if (previous !== undefined && before === byNamespace) return previous.endpoints;
  return (
    (previous && patchedEndpoints(byNamespace, before, previous)) ?? new Map(entriesOf(byNamespace))
  );
}

function* entriesOf(byNamespace: ReadonlyMap<string, NamespaceEndpoints>) {
  for (const { byService } of byNamespace.values()) yield* byService;
}

/** All endpoints where no service came or went: those of before with the changed ones in their places. */
function patchedEndpoints(
  byNamespace: ReadonlyMap<string, NamespaceEndpoints>,
  before: ReadonlyMap<string, NamespaceEndpoints> | undefined,
  previous: Mesh,
): ReadonlyMap<Service, ServiceEndpoints> | undefined {
  if (before === undefined) return undefined;
  const changed = changedKeys(before, byNamespace);
  if (changed === undefined && !sameKeys(before, byNamespace)) return undefined;
  const changes = new Map<Service, ServiceEndpoints>();
  for (const namespace of changed ?? byNamespace.keys()) {
    const byService = byNamespace.get(namespace)!.byService;
    const old = before.get(namespace)?.byService;
    if (old === byService) continue;
    if (old === undefined || !sameKeys(old, byService)) return undefined;
    for (const [service, endpoints] of byService) {
      if (old.get(service) !== endpoints) changes.set(service, endpoints);
    }
  }
  return patched(previous.endpoints, changes);
}
