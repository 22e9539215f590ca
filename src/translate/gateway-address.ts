// Where the listeners of Gateways stand, so that two ways to write one address are one place.
import { prefixKey } from '../lib/ip.js';
import type { ProxyTraits } from '../mesh/proxy-view.js';
import { wildcards } from './listener-address.js';

/** The addresses of a server's listener, the primary one first. */
export interface BoundAddresses {
  addresses: readonly string[];
  /** These are all that the proxy can have, whether the server says so or says nothing. */
  isAnywhere: boolean;
}

/** Where a server's listener stands at a proxy: what `bind` says, or any address of the proxy's families. */
export function boundAddresses(
  bind: string,
  proxy: Pick<ProxyTraits, 'ipv4' | 'ipv6'>,
): BoundAddresses {
  const all = wildcards(proxy);
  if (bind === '') return { addresses: all, isAnywhere: true };
  const same = all.find((address) => isSameAddress(address, bind));
  return { addresses: [same ?? bind], isAnywhere: same !== undefined && all.length === 1 };
}

/** `0.0.0.0` and `::`, in any of their forms. */
export function isWildcardAddress(address: string): boolean {
  return isSameAddress(address, '0.0.0.0') || isSameAddress(address, '::');
}

/** Whether two texts are one IP address; for Unix sockets, one path. */
export function isSameAddress(a: string, b: string): boolean {
  return (prefixKey(a) ?? a) === (prefixKey(b) ?? b);
}

/** One text for all forms of an address and port; a Unix socket has no port. */
export function placeKey(address: string, port: number): string {
  return address.startsWith('unix:') ? address : `${prefixKey(address) ?? address} ${port}`;
}
