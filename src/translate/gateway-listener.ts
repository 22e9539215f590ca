// One listener of a router from its plan: a chain for all of plain HTTP, or one for each server name. Which listeners
// there are is decided in gateway-plan.ts.
import type { Filter } from '../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { FilterChain } from '../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { FilterChainMatch } from '../envoy/gen/types/envoy/config/listener/v3/FilterChainMatch.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { listenerAccessLog } from './access-log.js';
import { toDuration } from './duration.js';
import { filterChain, namesThatCount } from './filter-chain.js';
import type { GatewayChainPlan, GatewayListenerPlan } from './gateway-plan.js';
import { gatewayHttpFilter } from './http-connection-manager.js';
import { acceptOneByOne, balance, listenerAddresses } from './listener-address.js';
import { PROXY_PROTOCOL, TLS_INSPECTOR } from './listener-filters.js';
import { quicListenerName } from './names.js';
import { quicSocket, serverTlsSocket } from './server-tls.js';
import { tcpFilters } from './tcp-proxy.js';

/** The listeners of a plan: over TCP and, where a server asks for HTTP/3, over UDP at the same port. */
export const gatewayListeners = memoize(
  (plan: GatewayListenerPlan, settings: MeshSettings): readonly Listener[] => [
    tcpListener(plan, settings),
    ...(plan.quic ? [quicListener(plan, plan.quic, settings)] : []),
  ],
);

function tcpListener(plan: GatewayListenerPlan, settings: MeshSettings): Listener {
  const topology = settings.config.defaultConfig?.gatewayTopology;
  return {
    ...common(plan.name, settings),
    ...listenerAddresses(plan.addresses, plan.port),
    filter_chains: plan.chains.map((chain) => tcpChain(plan, chain, settings)),
    listener_filters: [
      ...(topology?.proxyProtocol ? [PROXY_PROTOCOL] : []),
      ...(plan.inspects ? [TLS_INSPECTOR] : []),
    ],
    // A client that connects and says nothing holds a connection (Istio leaves Envoy's 15 s here too).
    ...acceptOneByOne,
    ...balance(settings.node?.balancedOutbound),
  };
}

function common(name: string, settings: MeshSettings): Listener {
  const limit =
    settings.config.defaultConfig?.connectionSettings?.listenerPerConnectionBufferLimitBytes;
  return {
    name,
    traffic_direction: 'OUTBOUND',
    ...(limit !== undefined && { per_connection_buffer_limit_bytes: { value: limit } }),
    access_log: listenerAccessLog(settings),
  };
}

/** A client that begins TLS and never ends it holds a connection (Istio, the default of its gateways). */
const handshakeTimeoutMs = 15_000;

function tcpChain(
  plan: GatewayListenerPlan,
  chain: GatewayChainPlan,
  settings: MeshSettings,
): FilterChain {
  return {
    ...filterChain({
      ...chainMatch(chain),
      filters: chainFilters(plan, chain, settings),
      ...(chain.tls && { transportSocket: serverTlsSocket(chain.tls, settings) }),
    }),
    ...(chain.tls && { transport_socket_connect_timeout: toDuration(handshakeTimeoutMs) }),
  };
}

function chainFilters(
  plan: GatewayListenerPlan,
  { http, tcp }: GatewayChainPlan,
  settings: MeshSettings,
): Filter[] {
  if (tcp !== undefined || http === undefined) {
    return tcpFilters(tcp ?? { statPrefix: '', clusters: [] }, settings);
  }
  return [gatewayHttpFilter({ ...http, statName: plan.name }, settings)];
}

function chainMatch({ serverNames }: GatewayChainPlan): { match?: FilterChainMatch } {
  if (serverNames === undefined) return {};
  return { match: { server_names: namesThatCount({ serverNames }) } };
}

function quicListener(
  plan: GatewayListenerPlan,
  chains: readonly GatewayChainPlan[],
  settings: MeshSettings,
): Listener {
  const { address, additional_addresses } = listenerAddresses(plan.addresses, plan.port);
  const udp = { ...address.socket_address, protocol: 'UDP' as const };
  return {
    ...common(quicListenerName(plan.addresses[0]!, plan.port), settings),
    address: { socket_address: udp },
    ...(additional_addresses && {
      additional_addresses: additional_addresses.map((other) => ({
        address: { socket_address: { ...other.address?.socket_address, protocol: 'UDP' as const } },
      })),
    }),
    filter_chains: chains.flatMap(({ http, tls, ...chain }) => {
      if (http === undefined || tls === undefined) return [];
      const { http3Port: _, ...rest } = http;
      const filter = gatewayHttpFilter({ ...rest, statName: plan.name, overQuic: true }, settings);
      const transportSocket = quicSocket(tls);
      return filterChain({ ...chainMatch(chain), filters: [filter], transportSocket });
    }),
    udp_listener_config: {
      quic_options: {},
      downstream_socket_config: { prefer_gro: { value: true } },
    },
    listener_filters_timeout: toDuration(0),
  };
}
