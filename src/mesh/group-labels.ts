// What the sidecars that register in WorkloadGroups may have for labels, for findings: a group whose instances are
// away is no mistake. Who is registered is workload-group.ts.
import type { Resource } from '../kinds/resource.js';
import type { WorkloadGroupSpec } from '../kinds/workload-group.js';
import { memoize } from '../lib/memo.js';

type Labels = Readonly<Record<string, string>>;

/** Labels of the WorkloadGroups of a namespace, of which an instance may have all pairs of `wanted`. */
export function groupsThatMayHave(
  groups: readonly Resource[],
  namespace: string,
  wanted: Labels,
): readonly Labels[] {
  const byPair = byNamespace(groups).get(namespace);
  if (byPair === undefined) return [];
  const some = Object.entries(wanted).flatMap((pair) => byPair.get(pair.join('=')) ?? []);
  return [...new Set(some)].filter((group) => mayHaveLabels(group, wanted));
}

/** Labels of groups by each of their pairs, by namespace. */
const byNamespace = memoize((groups: readonly Resource[]) => {
  const out = new Map<string, Map<string, Labels[]>>();
  for (const { namespace, spec } of groups as readonly Resource<WorkloadGroupSpec>[]) {
    const labels = { ...spec.template.labels, ...spec.metadata?.labels };
    const byPair = out.get(namespace) ?? new Map<string, Labels[]>();
    out.set(namespace, byPair);
    for (const pair of Object.entries(labels)) {
      const others = byPair.get(pair.join('='));
      if (others === undefined) byPair.set(pair.join('='), [labels]);
      else others.push(labels);
    }
  }
  return out;
});

/** Whether an instance of a group may have all pairs: one is the group's, and what the group does not say a sidecar may. */
export function mayHaveLabels(group: Labels, wanted: Labels): boolean {
  const said = Object.entries(wanted).filter(([key]) => group[key] !== undefined);
  return said.length > 0 && said.every(([key, value]) => group[key] === value);
}
