// What the sidecars that register in WorkloadGroups may have for labels, for findings: a group whose instances are
// away is no mistake. Who is registered is workload-group.ts.
import type { Resource } from '../kinds/resource.js';
import type { WorkloadGroupSpec } from '../kinds/workload-group.js';
import { memoize } from '../lib/memo.js';
import type { Mesh } from './mesh.js';

type Labels = Readonly<Record<string, string>>;

/** The labels of each WorkloadGroup of a namespace. */
export function groupLabels(mesh: Mesh, namespace: string): readonly Labels[] {
  return byNamespace(mesh.parts.sorted.WorkloadGroup.sorted).get(namespace) ?? [];
}

const byNamespace = memoize((groups: readonly Resource[]): ReadonlyMap<string, Labels[]> => {
  const out = new Map<string, Labels[]>();
  for (const { namespace, spec } of groups as readonly Resource<WorkloadGroupSpec>[]) {
    const labels = { ...spec.template.labels, ...spec.metadata?.labels };
    const others = out.get(namespace);
    if (others === undefined) out.set(namespace, [labels]);
    else others.push(labels);
  }
  return out;
});

/** Whether an instance of a group may have all pairs: one is the group's, and what the group does not say a sidecar may. */
export function mayHaveLabels(group: Labels, wanted: Labels): boolean {
  const said = Object.entries(wanted).filter(([key]) => group[key] !== undefined);
  return said.length > 0 && said.every(([key, value]) => group[key] === value);
}
