// The cluster of a workload's own peers in the bootstrap, which Envoy compares with the endpoints of a service to keep
// calls within a zone (zoneAwareLbSetting). Envoy takes the cluster from the bootstrap only; its endpoints come over
// xDS, for a node that says that it has it.
import { LOCAL_CLUSTER, statName } from '../translate/names.js';

type Json = { [key: string]: unknown };

/** The cluster. */
export const peersCluster: Json = {
  name: LOCAL_CLUSTER,
  alt_stat_name: statName(LOCAL_CLUSTER),
  type: 'EDS',
  connect_timeout: '10s',
  eds_cluster_config: {
    // Envoy asks for nothing else before this is there: a control plane that does not know it must not hold it up.
    eds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '5s' },
  },
};

/** The part of cluster_manager that names it. */
export const localClusterName: Json = { local_cluster_name: LOCAL_CLUSTER };

/** The node's word that it has it. */
export const peersMetadata: Json = { LOCAL_CLUSTER: 'true' };
