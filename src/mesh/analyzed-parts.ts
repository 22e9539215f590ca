// The parts of a mesh that findings are made of. Each is the same object while nothing in it changes, so that an
// analyzer that does not read what changed is not asked again.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import type { Mesh, MeshParts } from './mesh.js';
import type { RegistryEntry } from './registry-entry.js';

/** What there is to read. */
export interface AnalyzedParts
  extends Pick<
    Mesh,
    | 'settings'
    | 'services'
    | 'servicesByHostname'
    | 'virtualServices'
    | 'writtenVirtualServices'
    | 'destinationRules'
    | 'envoyFilters'
    | 'gateways'
    | 'gatewayApi'
    | 'endpoints'
  > {
  /** Services with what they are made of, oldest first. */
  entries: readonly RegistryEntry[];
  entriesByNamespace: ReadonlyMap<string, readonly RegistryEntry[]>;
  rulesByNamespace: MeshParts['rulesByNamespace'];
  /** WorkloadEntries by namespace. */
  workloads: ReadonlyMap<string, readonly Resource[]>;
  workloadGroups: readonly Resource[];
  sidecars: readonly Resource[];
  kubernetesGateways: readonly Resource[];
  secrets: readonly Resource[];
  /** Everything; another object in each generation. */
  sorted: MeshParts['sorted'];
}

/** Some of the parts. */
export type Parts<Name extends keyof AnalyzedParts> = Pick<AnalyzedParts, Name>;

/** The parts of a mesh. */
export const analyzedParts = memoize((mesh: Mesh): AnalyzedParts => {
  const { sorted, registry, rulesByNamespace, sourcesByNamespace } = mesh.parts;
  return {
    ...mesh,
    entries: registry.entries,
    entriesByNamespace: registry.byNamespace,
    rulesByNamespace,
    workloads: sourcesByNamespace.workloads,
    workloadGroups: sorted.WorkloadGroup.sorted,
    sidecars: sorted.Sidecar.sorted,
    kubernetesGateways: sorted['Gateway.gateway.networking.k8s.io'].sorted,
    secrets: sorted.Secret.sorted,
    sorted,
  };
});

/** An analyzer that is given the named parts alone, and again only when one of them is another object. */
export function reading<Name extends keyof AnalyzedParts>(
  names: readonly Name[],
  analyze: (parts: NoInfer<Parts<Name>>) => readonly Problem[],
): (mesh: Mesh) => readonly Problem[] {
  const remembered = memoize((...parts: readonly object[]) =>
    analyze(Object.fromEntries(names.map((name, i) => [name, parts[i]])) as Parts<Name>),
  );
  return (mesh) => {
    const all = analyzedParts(mesh);
    return remembered(...names.map((name) => all[name]));
  };
}
