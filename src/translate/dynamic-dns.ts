// Names that are looked up when they are called (ServiceEntry resolution DYNAMIC_DNS, ALLOW_ANY_DYNAMIC_DNS): Envoy's
// dynamic forward proxy. Names that are part of clusters are in outbound-cluster.ts.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Filter } from '../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { DnsCacheConfig } from '../envoy/gen/types/envoy/extensions/common/dynamic_forward_proxy/v3/DnsCacheConfig.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { any } from './any.js';
import { toDuration } from './duration.js';
import { dnsCacheName } from './names.js';

/** Addresses that a workload can reach. */
export type DnsLookupFamily = 'V4_ONLY' | 'V6_ONLY' | 'ALL';

/** By the families of the workload's own addresses. */
export function dnsLookupFamily(proxy: { ipv4: boolean; ipv6: boolean }): DnsLookupFamily {
  if (!proxy.ipv6) return 'V4_ONLY';
  return proxy.ipv4 ? 'ALL' : 'V6_ONLY';
}

/** A lookup of the server names of connections. */
export interface ServerNameLookup {
  /** The wildcard host whose cluster they go to. */
  host: string;
  /** The port that is called there. */
  port: number;
  family: DnsLookupFamily;
}

/**
 * The cluster. The name is that of the Host header, or of the filter below. Istio puts a filter before the router, too;
 * Envoy since 1.33 looks names of requests up in the cluster itself. `checked`: it has TLS that checks the name of each request.
 */
export function dynamicForwardProxy(
  host: string,
  family: DnsLookupFamily,
  settings: MeshSettings,
  checked: boolean,
): Cluster['cluster_type'] {
  return {
    name: 'envoy.clusters.dynamic_forward_proxy',
    typed_config: any('envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig', {
      dns_cache_config: dnsCache(host, family, settings),
      // Envoy refuses a cluster with HTTP options otherwise, though there may be no TLS at all.
      ...(!checked && { allow_insecure_cluster_options: true }),
    }),
  };
}

/** Holds a connection until its server name is looked up; before tcp_proxy. */
export function serverNameLookupFilter(
  { host, port, family }: ServerNameLookup,
  settings: MeshSettings,
): Filter {
  return {
    name: 'envoy.filters.network.sni_dynamic_forward_proxy',
    typed_config: any(
      'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig',
      {
        dns_cache_config: dnsCache(host, family, settings),
        port_value: port,
      },
    ),
  };
}

function dnsCache(host: string, family: DnsLookupFamily, settings: MeshSettings): DnsCacheConfig {
  const { dnsRefreshRateMs } = settings;
  return {
    // All of one name share it and must agree on its settings, as long as Envoy runs.
    name: dnsCacheName(host, dnsRefreshRateMs),
    dns_lookup_family: family,
    dns_refresh_rate: toDuration(dnsRefreshRateMs),
  };
}
