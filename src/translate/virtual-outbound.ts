// virtualOutbound: the listener that iptables sends all outgoing connections to. It hands each to the listener of the
// address that was called; what finds none is unknown traffic.
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { listenerAccessLog } from './access-log.js';
import { filterChain } from './filter-chain.js';
import { acceptOneByOne, listenerAddresses, wildcards } from './listener-address.js';
import {
  BLACK_HOLE_CLUSTER,
  VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN,
  VIRTUAL_OUTBOUND_CATCHALL_CHAIN,
  VIRTUAL_OUTBOUND_LISTENER,
} from './names.js';
import { singleCluster, tcpProxyFilter, unknownTarget } from './tcp-proxy.js';

/** The listener; `transparent` for TPROXY, where the socket must take foreign addresses. */
export const virtualOutbound = memoize(
  (settings: MeshSettings, transparent: boolean, ipv4: boolean, ipv6: boolean): Listener => {
    const port = settings.proxyListenPort;
    return {
      name: VIRTUAL_OUTBOUND_LISTENER,
      ...listenerAddresses(wildcards({ ipv4, ipv6 }), port),
      traffic_direction: 'OUTBOUND',
      // Envoy adds the original_dst listener filter by itself for this.
      use_original_dst: { value: true },
      ...(transparent ? { transparent: { value: true } } : {}),
      filter_chains: [
        // A connection straight to this port would be passed on to this port, and so on for ever.
        filterChain({
          name: VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN,
          match: { destination_port: { value: port } },
          filters: [tcpProxyFilter(singleCluster(BLACK_HOLE_CLUSTER))],
        }),
        filterChain({
          name: VIRTUAL_OUTBOUND_CATCHALL_CHAIN,
          filters: [tcpProxyFilter(unknownTarget(settings), settings)],
        }),
      ],
      ...acceptOneByOne,
      access_log: listenerAccessLog(settings),
    };
  },
);
