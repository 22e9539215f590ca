// The tcp_proxy network filter: connections to one cluster, or shared among several by weight. Which clusters these
// are is decided in tcp-route.ts and inbound-plan.ts.
import type { Filter } from '../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { TcpProxy } from '../envoy/gen/types/envoy/extensions/filters/network/tcp_proxy/v3/TcpProxy.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { filterAccessLog } from './access-log.js';
import { any } from './any.js';
import { toDuration } from './duration.js';
import { type ServerNameLookup, serverNameLookupFilter } from './dynamic-dns.js';
import {
  BLACK_HOLE_CLUSTER,
  DYNAMIC_DNS_CLUSTER,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
} from './names.js';

/** Where the connections of one filter chain go. Durations in ms. */
export interface TcpTarget {
  statPrefix: string;
  /** At least one; weights count only where there are several. */
  clusters: readonly { name: string; weight: number }[];
  /** DestinationRule connectionPool.tcp.idleTimeout; Envoy's hour when absent. */
  idleTimeoutMs?: number;
  /** DestinationRule connectionPool.tcp.maxConnectionDuration. */
  maxConnectionDurationMs?: number;
  /** DestinationRule loadBalancer.consistentHash.useSourceIp. */
  hashSourceIp?: boolean;
  /** DestinationRule tunnel: the connection goes through a proxy that is asked for this `host:port`. */
  tunnel?: { host: string; usePost: boolean };
  /** The cluster is of names that are looked up when they are called (ServiceEntry, DYNAMIC_DNS). */
  lookup?: ServerNameLookup;
}

/** A target that is one cluster with its name for statistics. */
export function singleCluster(name: string): TcpTarget {
  return { statPrefix: name, clusters: [{ name, weight: 1 }] };
}

/** The cluster of allowed traffic to unknown hosts: that of a Sidecar's egressProxy, else to where it was going. */
export function unknownCluster({ egressProxy }: MeshSettings): string {
  if (egressProxy === undefined) return PASSTHROUGH_CLUSTER;
  const { host, subset, port } = egressProxy;
  return outboundClusterName(host, port?.number ?? 0, subset);
}

/** The cluster of allowed requests to unknown hosts, whose names may be looked up. */
export function unknownHttpCluster(settings: MeshSettings): string {
  const dynamic = settings.outboundTrafficPolicy === 'ALLOW_ANY_DYNAMIC_DNS';
  return dynamic ? DYNAMIC_DNS_CLUSTER : unknownCluster(settings);
}

/** Where connections to unknown addresses go (outboundTrafficPolicy). */
export function unknownTarget(settings: MeshSettings): TcpTarget {
  const allowed = settings.outboundTrafficPolicy !== 'REGISTRY_ONLY';
  return singleCluster(allowed ? unknownCluster(settings) : BLACK_HOLE_CLUSTER);
}

/** All network filters of a chain that leads to a target. */
export function tcpFilters(target: TcpTarget, settings: MeshSettings): Filter[] {
  const proxy = tcpProxyFilter(target, settings);
  return target.lookup ? [serverNameLookupFilter(target.lookup, settings), proxy] : [proxy];
}

/** The filter. Without `settings` it has no access log (Istio's loop guards have none). */
export function tcpProxyFilter(target: TcpTarget, settings?: MeshSettings): Filter {
  const proxy: TcpProxy = { stat_prefix: target.statPrefix, ...clusterSpecifier(target) };
  const idleTimeoutMs = target.idleTimeoutMs ?? settings?.node?.tcpIdleTimeoutMs;
  if (idleTimeoutMs !== undefined) proxy.idle_timeout = toDuration(idleTimeoutMs);
  if (target.maxConnectionDurationMs !== undefined) {
    proxy.max_downstream_connection_duration = toDuration(target.maxConnectionDurationMs);
  }
  if (target.tunnel) {
    const { host, usePost } = target.tunnel;
    proxy.tunneling_config = { hostname: host, ...(usePost && { use_post: true }) };
  }
  if (target.hashSourceIp) proxy.hash_policy = [{ source_ip: {} }];
  if (settings !== undefined) proxy.access_log = filterAccessLog(settings);
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', proxy),
  };
}

function clusterSpecifier({
  clusters,
}: TcpTarget): Pick<TcpProxy, 'cluster' | 'weighted_clusters'> {
  if (clusters.length === 1) return { cluster: clusters[0]!.name };
  return {
    weighted_clusters: { clusters: clusters.map(({ name, weight }) => ({ name, weight })) },
  };
}
