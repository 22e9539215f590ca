// The listener on 15053 that answers the DNS queries of a workload, which interception rules send to it. Its table is
// made in dns-table.ts. Over TCP there is none: Envoy's filter speaks UDP only.
import type { SocketAddress } from '../envoy/gen/types/envoy/config/core/v3/SocketAddress.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { DnsFilterConfig } from '../envoy/gen/types/envoy/extensions/filters/udp/dns_filter/v3/DnsFilterConfig.js';
import { memoize } from '../lib/memo.js';
import { any } from './any.js';
import type { DnsName } from './dns-table.js';
import { DNS_LISTENER, DNS_LISTENER_IPV6 } from './names.js';

/** As Istio's agent. */
const DNS_PORT = 15053;

/** How long a client may remember an answer, in s; as Istio's agent, and the least that Envoy takes. */
const TTL = 30;

/** How long the machine's resolvers may take for one query, in s. */
const RESOLVER_TIMEOUT = 5;

/** Queries that wait for the machine's resolvers; more are not answered. */
const PENDING_MAX = 1024;

/** The listeners, one for each family. Rules redirect to the loopback address, so nobody else reaches them. */
export const dnsListeners = memoize(
  (names: readonly DnsName[], ipv4: boolean, ipv6: boolean): readonly Listener[] => {
    const filter = dnsFilter(names);
    return [
      ...(ipv4 ? [dnsListener(DNS_LISTENER, '127.0.0.1', filter)] : []),
      ...(ipv6 ? [dnsListener(DNS_LISTENER_IPV6, '::1', filter)] : []),
    ];
  },
);

function dnsListener(name: string, address: string, filter: DnsFilterConfig): Listener {
  const socket_address: SocketAddress = { protocol: 'UDP', address, port_value: DNS_PORT };
  return {
    name,
    address: { socket_address },
    traffic_direction: 'OUTBOUND',
    listener_filters: [
      {
        name: 'envoy.filters.udp.dns_filter',
        typed_config: any('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig', filter),
      },
    ],
  };
}

function dnsFilter(names: readonly DnsName[]): DnsFilterConfig {
  return {
    stat_prefix: 'dns',
    server_config: {
      inline_dns_table: {
        external_retry_count: 1,
        virtual_domains: names.map(({ name, addresses }) => ({
          name,
          endpoint: { address_list: { address: [...addresses] } },
          answer_ttl: { seconds: TTL },
        })),
      },
    },
    client_config: {
      resolver_timeout: { seconds: RESOLVER_TIMEOUT },
      max_pending_lookups: PENDING_MAX,
      typed_dns_resolver_config: {
        name: 'envoy.network.dns_resolver.cares',
        typed_config: any('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
          // The workload's own resolver has tried its search domains already.
          dns_resolver_options: { no_default_search_domain: true },
        }),
      },
    },
  };
}
