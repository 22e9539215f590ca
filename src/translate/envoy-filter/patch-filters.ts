// Patches of filters, network, HTTP and listener ones alike: a name and a configuration in an Any.
import { mergeAnys } from '../../envoy/merge.js';
import type { EnvoyFilterPatch } from '../../mesh/envoy-patch.js';
import { editList } from './edit-list.js';
import { anchorOf } from './match.js';
import { listRuleOf, type PatchJob, valueOf } from './patch.js';

/** What all sorts of filters have. */
export interface AnyFilter {
  name?: string;
  typed_config?: object | null;
}

/** Applies what adds, moves or removes filters. `patches` are those that are meant for this list. */
export function editFilters<Filter extends AnyFilter>(
  filters: readonly Filter[],
  patches: readonly EnvoyFilterPatch[],
  { job, isTerminal }: { job: PatchJob; isTerminal?: (filter: Filter) => boolean },
): readonly Filter[] {
  let current = filters;
  for (const patch of patches) {
    const anchor = anchorOf(patch);
    const edited = editList(current, patch, {
      value: valueOf<Filter>(patch),
      ...(anchor !== undefined && { anchor: ({ name }) => name === anchor }),
      ...(isTerminal && { isTerminal }),
    });
    if (edited === undefined) continue;
    job.applied.add(patch);
    current = edited;
  }
  return current;
}

/**
 * Merges patches into one filter: its name is the patch's where that has one, its configuration merged by what is in
 * it. A filter whose configuration is elsewhere, or of another type than the patch's, is left as it is.
 */
export function mergeFilter<Filter extends AnyFilter>(
  filter: Filter,
  patches: readonly EnvoyFilterPatch[],
  { applied }: PatchJob,
): Filter {
  let current = filter;
  for (const patch of patches) {
    const lists = listRuleOf(patch);
    const anchor = anchorOf(patch);
    if (lists === undefined || !current.typed_config) continue;
    if (anchor !== undefined && anchor !== current.name) continue;
    const { name, typed_config: changes } = valueOf<AnyFilter>(patch);
    const config = changes ? mergeAnys(current.typed_config, changes, lists) : current.typed_config;
    if (config === undefined) continue;
    applied.add(patch);
    current = { ...current, ...(name && { name }), typed_config: config };
  }
  return current;
}
