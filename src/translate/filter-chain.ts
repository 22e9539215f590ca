// Filter chains: what a chain matches, and the chain itself. Which chains a listener has is decided in
// outbound-listener.ts and inbound-listener.ts. A chain of later issues gets its transport socket (mTLS) here.

import type { TransportSocket } from '../envoy/gen/types/envoy/config/core/v3/TransportSocket.js';
import type { Filter } from '../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { FilterChain } from '../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { FilterChainMatch } from '../envoy/gen/types/envoy/config/listener/v3/FilterChainMatch.js';
import { parsePrefix, prefixKey } from '../lib/ip.js';

/**
 * What the HTTP inspector finds in plain HTTP that Envoy can serve. HTTP/1.0 is left out on purpose: it would be
 * refused as HTTP, while as TCP it passes (Istio, PILOT_HTTP10).
 */
const plainHttpProtocols = ['http/1.1', 'h2c'];

/** What a chain matches; absent or empty parts match all. */
export interface ChainMatch {
  destinationPort?: number;
  /** IPs or CIDRs. */
  destinationCidrs?: readonly string[];
  /** Server names; `*` matches all. */
  serverNames?: readonly string[];
  /** Only plain text that the HTTP inspector took for HTTP. */
  sniffedHttp?: boolean;
  /** Only plain text. */
  plainText?: boolean;
  /** Only TLS. */
  tls?: boolean;
}

/** True for a chain that takes every connection; a listener has it as its default chain. */
export function matchesAll(match: ChainMatch): boolean {
  return (
    match.destinationPort === undefined &&
    cidrsThatCount(match).length === 0 &&
    namesThatCount(match).length === 0 &&
    !match.sniffedHttp &&
    !match.plainText &&
    !match.tls
  );
}

/** Envoy's form of a match; undefined when it matches all. */
export function filterChainMatch(match: ChainMatch): FilterChainMatch | undefined {
  if (matchesAll(match)) return undefined;
  const result: FilterChainMatch = {};
  if (match.destinationPort !== undefined) {
    result.destination_port = { value: match.destinationPort };
  }
  const ranges = cidrsThatCount(match).flatMap((cidr) => parsePrefix(cidr) ?? []);
  if (ranges.length > 0) {
    result.prefix_ranges = ranges.map(({ address, length }) => ({
      address_prefix: address,
      prefix_len: { value: length },
    }));
  }
  const names = namesThatCount(match);
  if (names.length > 0) result.server_names = names;
  if (match.sniffedHttp || match.plainText) result.transport_protocol = 'raw_buffer';
  if (match.tls) result.transport_protocol = 'tls';
  if (match.sniffedHttp) result.application_protocols = [...plainHttpProtocols];
  return result;
}

/** One chain. The name is for stats and access logs; Envoy needs none. */
export function filterChain(options: {
  name?: string;
  match?: FilterChainMatch;
  filters: Filter[];
  transportSocket?: TransportSocket;
}): FilterChain {
  const chain: FilterChain = { filters: options.filters };
  if (options.name !== undefined) chain.name = options.name;
  if (options.match !== undefined) chain.filter_chain_match = options.match;
  if (options.transportSocket !== undefined) chain.transport_socket = options.transportSocket;
  return chain;
}

/**
 * The blocks that a chain is matched by, each network once: Envoy refuses repetitions. `0.0.0.0` and `::` stand for
 * every address, as Istio reads them. Sorted, so that their order in YAML does not matter.
 */
export function cidrsThatCount({ destinationCidrs = [] }: ChainMatch): string[] {
  const byNetwork = new Map<string, string>();
  for (const cidr of [...destinationCidrs].sort()) {
    if (/^(0\.0\.0\.0|::)(\/|$)/.test(cidr)) continue;
    const network = prefixKey(cidr) ?? cidr;
    if (!byNetwork.has(network)) byNetwork.set(network, cidr);
  }
  return [...byNetwork.values()];
}

/**
 * The server names that a chain is matched by, each once: none when `*` is among them. In lower case, as the TLS
 * inspector gives them. Sorted.
 */
export function namesThatCount({ serverNames = [] }: ChainMatch): string[] {
  if (serverNames.includes('*')) return [];
  return [...new Set(serverNames.map((name) => name.toLowerCase()))].sort();
}
