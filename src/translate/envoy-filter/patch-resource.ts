// All patches applied to one resource. A patch that would spoil it is left out alone; the others are applied.
import type { Cluster } from '../../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { RouteConfiguration } from '../../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import { CLUSTER, type EnvoyMessage, LISTENER, type TypeUrl } from '../../envoy/resource.js';
import { memoize } from '../../lib/memo.js';
import type { EnvoyFilterPatch, PatchContext } from '../../mesh/envoy-patch.js';
import { defectOf } from './defect.js';
import type { PatchJob } from './patch.js';
import { patchCluster } from './patch-cluster.js';
import { patchListener } from './patch-listener.js';
import { patchRouteConfiguration } from './patch-route.js';

/** What became of one resource. */
export interface PatchedResource {
  /** The same object when no patch changed it; absent when one removes it. */
  message?: EnvoyMessage;
  /** The patches that changed it, in the order of application. */
  applied: readonly EnvoyFilterPatch[];
  /** Those left out, and why. */
  refused: readonly { patch: EnvoyFilterPatch; why: string }[];
}

/**
 * `facts`: what its name does not say: the services of an inbound cluster, the ports of the servers of a gateway's
 * routes, separated by commas. Remembered by all that it depends on.
 */
export const patchResource = memoize(
  (
    message: EnvoyMessage,
    patches: readonly EnvoyFilterPatch[],
    typeUrl: TypeUrl,
    context: PatchContext,
    facts: string,
  ): PatchedResource => {
    const run = (some: readonly EnvoyFilterPatch[]) =>
      attempt(message, some, { typeUrl, context, facts });
    const all = run(patches);
    if (all.applied.size === 0 && all.defect === undefined) {
      return { message, applied: [], refused: [] };
    }
    if (all.defect === undefined)
      return { ...all, applied: inOrder(patches, all.applied), refused: [] };
    const kept: EnvoyFilterPatch[] = [];
    const refused: { patch: EnvoyFilterPatch; why: string }[] = [];
    for (const patch of patches) {
      const { defect } = run([...kept, patch]);
      if (defect === undefined) kept.push(patch);
      else refused.push({ patch, why: defect });
    }
    const rest = run(kept);
    const changed = rest.applied.size > 0 ? rest : { message };
    return { ...changed, applied: inOrder(patches, rest.applied), refused };
  },
);

interface Attempt {
  message?: EnvoyMessage;
  applied: ReadonlySet<EnvoyFilterPatch>;
  defect?: string;
}

function attempt(
  message: EnvoyMessage,
  patches: readonly EnvoyFilterPatch[],
  { typeUrl, context, facts }: { typeUrl: TypeUrl; context: PatchContext; facts: string },
): Attempt {
  const applied = new Set<EnvoyFilterPatch>();
  const job: PatchJob = { patches, context, applied };
  try {
    const patched = patchAny(message, job, typeUrl, facts === '' ? [] : facts.split(','));
    if (patched === undefined || applied.size === 0) {
      return { ...(applied.size === 0 && { message }), applied };
    }
    const defect = defectOf(typeUrl, patched);
    return { message: patched, applied, ...(defect !== undefined && { defect }) };
  } catch (error) {
    return { applied, defect: error instanceof Error ? error.message : String(error) };
  }
}

function patchAny(
  message: EnvoyMessage,
  job: PatchJob,
  typeUrl: TypeUrl,
  facts: readonly string[],
): EnvoyMessage | undefined {
  if (typeUrl === CLUSTER) return patchCluster(message as Cluster, job, facts);
  if (typeUrl === LISTENER) return patchListener(message as Listener, job);
  return patchRouteConfiguration(message as RouteConfiguration, job, facts.map(Number));
}

function inOrder(
  patches: readonly EnvoyFilterPatch[],
  applied: ReadonlySet<EnvoyFilterPatch>,
): readonly EnvoyFilterPatch[] {
  return patches.filter((patch) => applied.has(patch));
}
