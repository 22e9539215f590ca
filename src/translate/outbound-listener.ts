// One outbound listener from its plan: chains for HTTP and TCP, what happens to the rest, and the listener filters
// that tell them apart. Which listeners there are is decided in outbound-plan.ts.
import type { FilterChain } from '../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { toDuration } from './duration.js';
import { type ChainMatch, filterChain, filterChainMatch, matchesAll } from './filter-chain.js';
import { outboundHttpFilter } from './http-connection-manager.js';
import { acceptOneByOne, balance, listenerAddresses } from './listener-address.js';
import { HTTP_INSPECTOR, inspectorsFor } from './listener-filters.js';
import { PASSTHROUGH_CHAIN } from './names.js';
import type { OutboundListenerPlan } from './outbound-plan.js';
import { tcpFilters, tcpProxyFilter, unknownTarget } from './tcp-proxy.js';

/** The listener of a plan. The same object for the same plan and settings. */
export const outboundListener = memoize(
  (settings: MeshSettings, plan: OutboundListenerPlan): Listener => {
    const { chains, defaultChain } = outboundChains(plan, settings);
    const inspectors = inspectorsFor(chains);
    const sniffs = inspectors.includes(HTTP_INSPECTOR);
    return {
      name: plan.name,
      ...listenerAddresses(plan.addresses, plan.port),
      traffic_direction: 'OUTBOUND',
      filter_chains: chains,
      ...(defaultChain === undefined ? {} : { default_filter_chain: defaultChain }),
      ...(inspectors.length === 0 ? {} : { listener_filters: inspectors }),
      // Only sniffing may give up waiting, and only where the user says so (MeshConfig.protocolDetectionTimeout).
      listener_filters_timeout: toDuration(sniffs ? settings.protocolDetectionTimeoutMs : 0),
      continue_on_listener_filters_timeout: true,
      ...(plan.bindToPort ? acceptOneByOne : { bind_to_port: { value: false } }),
      ...balance(settings.node?.balancedOutbound),
    };
  },
);

/**
 * A chain that matches everything becomes the default chain: it is then also used for connections that begin to match
 * another chain and fail on a later criterion. Where there is none, the rest is unknown traffic.
 */
function outboundChains(
  plan: OutboundListenerPlan,
  settings: MeshSettings,
): { chains: FilterChain[]; defaultChain?: FilterChain } {
  const chains: FilterChain[] = [];
  let defaultChain: FilterChain | undefined;
  const add = (match: ChainMatch, filter: FilterChain['filters']) => {
    const chain = filterChain({ match: filterChainMatch(match), filters: filter ?? [] });
    if (matchesAll(match)) defaultChain = chain;
    else chains.push(chain);
  };
  for (const { target, ...match } of plan.tcp) add(match, tcpFilters(target, settings));
  if (plan.http !== undefined) {
    const http = outboundHttpFilter({ ...plan.http, statName: plan.name }, settings);
    add({ sniffedHttp: sniffs(plan) }, [http]);
  }
  if (defaultChain !== undefined) {
    return chains.length === 0 ? { chains: [defaultChain] } : { chains, defaultChain };
  }
  // A listener without interception knows no original destination: it could only call itself.
  return plan.bindToPort ? { chains } : { chains, defaultChain: unknownChain(settings) };
}

/** HTTP is told from other traffic, unless there cannot be any: an explicit port with nothing but HTTP. */
function sniffs(plan: OutboundListenerPlan): boolean {
  return (!plan.bindToPort && !plan.http?.absoluteUrls) || plan.tcp.length > 0;
}

function unknownChain(settings: MeshSettings): FilterChain {
  return filterChain({
    name: PASSTHROUGH_CHAIN,
    match: {},
    filters: [tcpProxyFilter(unknownTarget(settings), settings)],
  });
}
