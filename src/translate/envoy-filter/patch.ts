// What the files here share: a patch with its value as a message, and the job of applying patches to one resource.
import { patchType } from '../../envoy/patch-type.js';
import { readJson } from '../../envoy/read-json.js';
import { memoize } from '../../lib/memo.js';
import type { ApplyTo, EnvoyFilterPatch, PatchContext } from '../../mesh/envoy-patch.js';
import { wasmFilter } from './wasm-filter.js';

/** Patches that are being applied to one resource. */
export interface PatchJob {
  /** In the order of application. */
  patches: readonly EnvoyFilterPatch[];
  /** What the resource is for. */
  context: PatchContext;
  /** Those that changed something; filled by whoever applies them. */
  applied: Set<EnvoyFilterPatch>;
}

/** The patches of the job for one sort of thing, in this context. */
export function patchesTo(job: PatchJob, applyTo: ApplyTo): EnvoyFilterPatch[] {
  return job.patches.filter((patch) => patch.applyTo === applyTo && inContext(patch, job.context));
}

/** Whether the patch is for resources of this context. */
export function inContext(patch: EnvoyFilterPatch, context: PatchContext): boolean {
  return patch.context === 'ANY' || patch.context === context;
}

/** The value as a message of the type that `applyTo` names; its mistakes were found when it was accepted. */
export function valueOf<Message extends object>(patch: EnvoyFilterPatch): Message {
  return message(patch) as Message;
}

const message = memoize((patch: EnvoyFilterPatch): object => {
  if (patch.plugin) return wasmFilter(patch.plugin);
  return readJson(patchType[patch.applyTo], patch.value ?? {}).message;
});

/** MERGE or MERGE_AND_REPLACE_LIST, by what becomes of lists; undefined for other operations. */
export function listRuleOf({ operation }: EnvoyFilterPatch): 'append' | 'replace' | undefined {
  if (operation === 'MERGE') return 'append';
  return operation === 'MERGE_AND_REPLACE_LIST' ? 'replace' : undefined;
}

/** Whether the value is put among its like, where their order says nothing (Istio takes INSERT_* for ADD there). */
export function isAdd({ operation }: EnvoyFilterPatch): boolean {
  return operation === 'ADD' || operation.startsWith('INSERT_');
}
