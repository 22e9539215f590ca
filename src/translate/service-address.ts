// The addresses that a service has for one proxy: its own, or, where the proxy answers the DNS queries of its workload,
// the ones that the mesh gave it.
import { ipFamily } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import type { ProxyTraits } from '../mesh/proxy-view.js';
import type { Service } from '../mesh/service.js';

/** What of a proxy decides addresses. */
type AddressClient = Pick<ProxyTraits, 'ipv4' | 'ipv6' | 'dnsCapture'>;

/** Addresses and CIDRs; empty for a service that stands at the wildcard. */
export function addressesOf(service: Service, client: AddressClient): readonly string[] {
  return service.addresses.length > 0 ? service.addresses : autoAddressesOf(service, client);
}

/** Those that the mesh gave it, of the families that the proxy has. */
export function autoAddressesOf(service: Service, client: AddressClient): readonly string[] {
  if (!client.dnsCapture || service.addresses.length > 0) return none;
  return service.autoAddresses ? ofFamilies(service, client.ipv4, client.ipv6) : none;
}

const none: readonly string[] = [];

const ofFamilies = memoize((service: Service, ipv4: boolean, ipv6: boolean): readonly string[] =>
  (service.autoAddresses ?? none).filter((ip) => (ipFamily(ip) === 6 ? ipv6 : ipv4)),
);
