// The WorkloadEntries of one namespace, to be found by label selector and by address.

import type { Resource } from '../kinds/resource.js';
import type { WorkloadEntrySpec } from '../kinds/workload-entry.js';
import { memoize } from '../lib/memo.js';
import { hasLabels } from './has-labels.js';

export type WorkloadEntry = Resource<WorkloadEntrySpec>;

/** Index of one namespace's WorkloadEntries, oldest first. */
export interface WorkloadIndex {
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
  return { byLabel, byAddress };
});

/** Labels that selectors and subsets see: those of the spec and of the metadata; the latter's win, as in Istio. */
export function workloadLabels(entry: WorkloadEntry): Readonly<Record<string, string>> {
  return labelsOf(entry);
}

const labelsOf = memoize((entry: WorkloadEntry) => ({ ...entry.spec.labels, ...entry.labels }));

/** The entries that have all labels of the selector; none for an empty selector. */
export function selectWorkloads(
  index: WorkloadIndex,
  selector: Readonly<Record<string, string>>,
): readonly WorkloadEntry[] {
  let fewest: readonly WorkloadEntry[] | undefined;
  for (const [key, value] of Object.entries(selector)) {
    const group = index.byLabel.get(`${key}=${value}`);
    if (group === undefined) return [];
    if (fewest === undefined || group.length < fewest.length) fewest = group;
  }
  return (fewest ?? []).filter((entry) => selects(selector, workloadLabels(entry)));
}

/** True when `labels` has every pair of a selector that is not empty. */
export function selects(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.keys(selector).length > 0 && hasLabels(labels, selector);
}
