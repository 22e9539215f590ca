// The WorkloadEntries of one namespace, to be found by label selector and by address.

import type { Resource } from '../kinds/resource.js';
import type { WorkloadEntrySpec } from '../kinds/workload-entry.js';
import { memoize } from '../lib/memo.js';
import { hasLabels } from './has-labels.js';

export interface WorkloadEntry extends Resource<WorkloadEntrySpec> {
  /** Its probe fails, or has not succeeded yet: it is no endpoint of what selects it. */
  unhealthy?: true;
}

/** The entry while it is not well; the same object for the same entry. */
export const asUnhealthy = memoize(
  (entry: WorkloadEntry): WorkloadEntry => ({ ...entry, unhealthy: true }),
);

/** Index of one namespace's WorkloadEntries, oldest first. */
export interface WorkloadIndex {
  all: readonly WorkloadEntry[];
  /** `key=value` -> entries with that label. */
  byLabel: ReadonlyMap<string, readonly WorkloadEntry[]>;
  /** The oldest entry of each address. */
  byAddress: ReadonlyMap<string, WorkloadEntry>;
}

/** Indexes the entries of one namespace. */
export const workloadIndex = memoize((entries: readonly Resource[]): WorkloadIndex => {
  const byLabel = new Map<string, WorkloadEntry[]>();
  const byAddress = new Map<string, WorkloadEntry>();
  for (const entry of entries as readonly WorkloadEntry[]) {
    const { address } = entry.spec;
    if (address && !byAddress.has(address)) byAddress.set(address, entry);
    for (const [key, value] of Object.entries(workloadLabels(entry))) {
      const label = `${key}=${value}`;
      const group = byLabel.get(label);
      if (group === undefined) byLabel.set(label, [entry]);
      else group.push(entry);
    }
  }
  return { all: entries as readonly WorkloadEntry[], byLabel, byAddress };
});

/** Labels that selectors and subsets see: those of the spec and of the metadata; the latter's win, as in Istio. */
export function workloadLabels(entry: WorkloadEntry): Readonly<Record<string, string>> {
  return labelsOf(entry.spec, entry.labels);
}

/** The same object whether the entry is well or not: its sidecar's view must not change with that. */
const labelsOf = memoize((spec: WorkloadEntrySpec, own: WorkloadEntry['labels']) => ({
  ...spec.labels,
  ...own,
}));

/** The entries that have all labels of the selector. */
export function selectWorkloads(
  index: WorkloadIndex,
  selector: Readonly<Record<string, string>>,
): readonly WorkloadEntry[] {
  let fewest = index.all;
  for (const [key, value] of Object.entries(selector)) {
    const group = index.byLabel.get(`${key}=${value}`);
    if (group === undefined) return [];
    if (group.length < fewest.length) fewest = group;
  }
  return fewest.filter((entry) => hasLabels(workloadLabels(entry), selector));
}

/** Those of them that are endpoints: not the ones whose probe fails, as in Istio. */
export function selectEndpoints(
  index: WorkloadIndex,
  selector: Readonly<Record<string, string>>,
): readonly WorkloadEntry[] {
  return selectWorkloads(index, selector).filter(({ unhealthy }) => !unhealthy);
}

/** True when `labels` has every pair of a selector that is not empty. */
export function selects(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.keys(selector).length > 0 && hasLabels(labels, selector);
}
