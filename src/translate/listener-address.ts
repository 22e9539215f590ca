// Where outbound listeners stand: at the addresses of services, at the wildcard, or at a loopback address that is
// really bound (INTERCEPTION_MODE NONE). What is served there is not decided here.
import type { Address } from '../envoy/gen/types/envoy/config/core/v3/Address.js';
import type { AdditionalAddress } from '../envoy/gen/types/envoy/config/listener/v3/AdditionalAddress.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { ipFamily, isLoopback } from '../lib/ip.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ProxyView } from '../mesh/proxy-view.js';
import type { Service } from '../mesh/service.js';
import { parseSocketRouteName } from './names.js';
import { autoAddressesOf } from './service-address.js';

/** One place for a listener. */
export interface Site {
  /** First the primary address, which names the listener. */
  addresses: readonly string[];
  /** Blocks that tell this service from others at the same addresses. */
  cidrs?: readonly string[];
}

/** `0.0.0.0`, `::`, or both, by the proxy's own addresses. */
export function wildcards({ ipv4, ipv6 }: Pick<ProxyTraits, 'ipv4' | 'ipv6'>): readonly string[] {
  if (!ipv6) return ['0.0.0.0'];
  return ipv4 ? ['0.0.0.0', '::'] : ['::'];
}

/**
 * Where outbound listeners are bound without interception. Istio binds them to 127.0.0.1. A proxy whose own address
 * is a loopback one (several on one machine) binds to that instead, so that they do not meet.
 */
export function boundAddresses({ proxy, inbound }: ProxyView): readonly string[] {
  const own = inbound.ips[0];
  if (own !== undefined && isLoopback(own)) return [own];
  return localhosts(proxy);
}

/** 127.0.0.1 and ::1, of the families that the workload has. */
export function localhosts({ ipv4, ipv6 }: ProxyTraits): readonly string[] {
  if (!ipv6) return ['127.0.0.1'];
  return ipv4 ? ['127.0.0.1', '::1'] : ['::1'];
}

/**
 * The places of a TCP or undeclared port under interception. An address of a v1 Service is one listener with all of
 * its addresses (dual stack); the addresses of a ServiceEntry are a listener each, and its CIDRs share the wildcard,
 * told apart by prefix ranges. A service without addresses stands at the wildcard, or where the mesh gave it addresses.
 */
export function serviceSites(service: Service, proxy: ProxyTraits): Site[] {
  const wildcard = { addresses: wildcards(proxy) };
  const given = autoAddressesOf(service, proxy);
  if (given.length > 0) return [{ addresses: given }];
  if (service.addresses.length === 0) return [wildcard];
  const reachable = service.addresses.filter((address) => speaks(proxy, address));
  if (service.registry === 'kubernetes') {
    return reachable.length === 0 ? [] : [{ addresses: reachable }];
  }
  // Envoy matches on the address that was called, whatever the families of the proxy: better than no listener.
  const addresses = reachable.length === 0 ? service.addresses : reachable;
  const cidrs = addresses.filter((address) => address.includes('/'));
  return [
    ...addresses.filter((address) => ipFamily(address) !== 0).map((ip) => ({ addresses: [ip] })),
    ...(cidrs.length === 0 ? [] : [{ ...wildcard, cidrs }]),
  ];
}

function speaks(proxy: ProxyTraits, address: string): boolean {
  return ipFamily(address.split('/')[0]!) === 6 ? proxy.ipv6 : proxy.ipv4;
}

/** Ports that Envoy's own listeners have at the wildcard (bootstrap: health 15021, metrics 15090). */
const bootstrapPorts = [15021, 15090];

/** True where a listener of a service would take the place of one of the sidecar's own. */
export function isReserved(port: number, settings: MeshSettings): boolean {
  return (
    port === settings.proxyListenPort ||
    port === settings.proxyInboundListenPort ||
    bootstrapPorts.includes(port)
  );
}

/** A TCP address in Envoy's form. */
export function socketAddress(address: string, port: number): Address {
  return { socket_address: { address, port_value: port } };
}

/** The `address` and `additional_addresses` of a listener. */
export function listenerAddresses(
  [primary, ...others]: readonly string[],
  port: number,
): { address: Address; additional_addresses?: AdditionalAddress[] } {
  const path = parseSocketRouteName(primary!);
  if (path !== undefined) return { address: { pipe: { path } } };
  const address = socketAddress(primary!, port);
  if (others.length === 0) return { address };
  return {
    address,
    additional_addresses: others.map((other) => ({ address: socketAddress(other, port) })),
  };
}

/** Whether a port cannot be bound by a proxy that has said so of itself (UNPRIVILEGED_POD). */
export function isOutOfReach(port: number, { node }: MeshSettings): boolean {
  return node?.unprivileged === true && port > 0 && port < 1024;
}

/** Shares connections evenly among Envoy's threads, at some cost for each (…_LISTENER_EXACT_BALANCE). */
export function balance(isWanted: true | undefined): Pick<Listener, 'connection_balance_config'> {
  return isWanted ? { connection_balance_config: { exact_balance: {} } } : {};
}

/** Spreads connections over Envoy's threads; only listeners that are really bound accept any (Istio's default). */
export const acceptOneByOne = { max_connections_to_accept_per_socket_event: { value: 1 } } as const;
