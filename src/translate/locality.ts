// What the localities of client and endpoints do to a cluster: localityLbSetting, zoneAwareLbSetting and
// trafficDistribution, and which of them holds. Applying the result to a list of endpoints is placement.ts.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { distributionLabels, failoverLabel } from '../mesh/place.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { Service } from '../mesh/service.js';
import { localityMatches, type Placement } from './placement.js';
import type { EffectivePolicy, LoadBalancer } from './traffic-policy.js';

type LocalityLbSetting = NonNullable<LoadBalancer['localityLbSetting']>;
type ZoneAwareLbSetting = NonNullable<LoadBalancer['zoneAwareLbSetting']>;

/** How endpoints are chosen by locality, for clients anywhere. */
export type LocalityPolicy =
  | { by: 'weights'; distribute: NonNullable<LocalityLbSetting['distribute']> }
  | {
      by: 'priorities' | 'regions';
      failover: NonNullable<LocalityLbSetting['failover']>;
      failoverPriority: readonly string[];
    };

/** What holds for one cluster: the policy of its endpoints, and fields of the cluster itself. */
export interface ClusterLocality {
  policy?: LocalityPolicy;
  lbConfig: NonNullable<Cluster['common_lb_config']>;
}

const none: ClusterLocality = { lbConfig: {} };

/**
 * The rule's setting holds, else the service's trafficDistribution, else the mesh's; on each level zoneAwareLbSetting
 * goes first (Istio, GetEffectiveLbSetting). A setting with `enabled: false` ends the search. Failover needs outlier
 * detection, without which Envoy would not leave the first priority, or trafficDistribution, which counts unready
 * endpoints instead.
 */
export function clusterLocality(
  policy: EffectivePolicy,
  service: Service,
  settings: MeshSettings,
): ClusterLocality {
  const { loadBalancer: balancer, outlierDetection } = policy;
  const failsOver = outlierDetection !== undefined;
  if (balancer?.zoneAwareLbSetting) return zoneAware(balancer.zoneAwareLbSetting);
  if (balancer?.localityLbSetting) return ofSetting(balancer.localityLbSetting, failsOver);
  if (service.trafficDistribution !== undefined) {
    const failoverPriority = [...distributionLabels[service.trafficDistribution]];
    return ofSetting({ failoverPriority }, true);
  }
  const { zoneAwareLbSetting, localityLbSetting = {} } = settings.config;
  if (zoneAwareLbSetting) return zoneAware(zoneAwareLbSetting);
  return ofSetting(localityLbSetting, failsOver);
}

function ofSetting(setting: LocalityLbSetting, failsOver: boolean): ClusterLocality {
  if (setting.enabled === false) return none;
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  // Without it Envoy does not look at the weights of localities, and the choice of least requests sees all alike.
  const weighted = { locality_weighted_lb_config: {} };
  if (distribute.length > 0) return { policy: { by: 'weights', distribute }, lbConfig: weighted };
  if (!failsOver) return none;
  const isAsked = failover.length > 0 || failoverPriority.length > 0;
  return {
    policy: { by: 'priorities', failover, failoverPriority },
    lbConfig: isAsked ? weighted : {},
  };
}

/**
 * Regions are priorities, always. Zones within the client's region are for Envoy, which needs its own endpoints for
 * that: `local_cluster_name` in the bootstrap; without it they are one, as in Istio without self-discovery.
 */
function zoneAware(setting: ZoneAwareLbSetting): ClusterLocality {
  const { failover = [], failoverPriority = [], minClusterSize, enabled } = setting;
  const config = {
    ...(enabled === false && { routing_enabled: { value: 0 } }),
    ...(minClusterSize !== undefined && { min_cluster_size: { value: minClusterSize } }),
  };
  return {
    ...(enabled !== false && { policy: { by: 'regions', failover, failoverPriority } }),
    lbConfig: { zone_aware_lb_config: config },
  };
}

/** What a policy means at one place; undefined where it leaves the endpoints as they are. */
export function placementAt(
  policy: LocalityPolicy | undefined,
  place: ProxyPlace,
): Placement | undefined {
  if (policy === undefined) return undefined;
  const { locality, labels } = place;
  if (policy.by === 'weights') {
    const chosen = policy.distribute.find(({ from }) => localityMatches(locality, from ?? ''));
    const to = Object.entries(chosen?.to ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return chosen && { weights: to };
  }
  const { failover, failoverPriority } = policy;
  const next = failover.find(({ from }) => (from ?? '') === locality.region);
  const here = { ...locality, ...(next && { next: next.to ?? '' }) };
  const byRegion = policy.by === 'regions';
  const byLocality = byRegion || failoverPriority.length === 0 || failover.length > 0;
  return {
    ...(failoverPriority.length > 0 && { labels: wantedLabels(failoverPriority, labels) }),
    ...(byLocality && (byRegion ? { region: { region: here.region, next: here.next } } : { here })),
  };
}

/** The values that endpoints of the first priority have: the client's, or those written. */
function wantedLabels(entries: readonly string[], own: ProxyPlace['labels']): [string, string][] {
  return entries.map((entry) => {
    const key = failoverLabel(entry);
    const [, value, ...rest] = entry.split('=');
    return [key, value === undefined || rest.length > 0 ? (own[key] ?? '') : value];
  });
}
