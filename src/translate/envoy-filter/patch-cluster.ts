// Patches of clusters. What is added is not here (apply.ts).
import type { Cluster } from '../../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import { mergeMessages } from '../../envoy/merge.js';
import { patchType } from '../../envoy/patch-type.js';
import { matchesCluster } from './match.js';
import { listRuleOf, type PatchJob, patchesTo, valueOf } from './patch.js';
import { mergeSocket } from './patch-listener.js';

/** The cluster with all patches of the job applied; undefined when one removes it. `hosts`: of an inbound one. */
export function patchCluster(
  given: Cluster,
  job: PatchJob,
  hosts: readonly string[],
): Cluster | undefined {
  let cluster = given;
  for (const patch of patchesTo(job, 'CLUSTER')) {
    const lists = listRuleOf(patch);
    if (!matchesCluster(patch, cluster, hosts)) continue;
    if (patch.operation === 'REMOVE') {
      job.applied.add(patch);
      return undefined;
    }
    if (lists === undefined) continue;
    job.applied.add(patch);
    cluster = mergeCluster(cluster, valueOf(patch), lists);
  }
  return cluster;
}

/** As with chains: sockets of one name are merged by what is in them, of two names the patch's counts. */
function mergeCluster(cluster: Cluster, patch: Cluster, lists: 'append' | 'replace'): Cluster {
  const { transport_socket: socket, ...rest } = patch;
  const merged = mergeMessages(patchType.CLUSTER, cluster, rest, lists);
  if (!socket) return merged;
  const matches = cluster.transport_socket_matches ?? [];
  if (matches.length === 0) {
    return { ...merged, transport_socket: mergeSocket(cluster.transport_socket, socket) };
  }
  const at = matches.findIndex((each) => each.transport_socket?.name === socket.name);
  return {
    ...merged,
    transport_socket_matches: matches.map((each, i) =>
      i === at ? { ...each, transport_socket: mergeSocket(each.transport_socket, socket) } : each,
    ),
  };
}
