// Addresses as the command line takes and prints them: HOST:PORT, [IPV6]:PORT, unix:/path. Nothing listens here.
import { BlockList, isIP, isIPv6 } from 'node:net';
import { ControlPlaneError } from '../lib/error.js';

/** Where to listen or to ask. */
export type Address = { host: string; port: number } | { path: string };

/** `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (all addresses) or `unix:/path`; anything else is wrong usage. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:') && text.length > 'unix:'.length) {
    return { path: text.slice('unix:'.length) };
  }
  const match = /^(?:\[([^\]]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535 || (match[1] !== undefined && !isIPv6(match[1]))) {
    throw new ControlPlaneError('usage', `not an address (HOST:PORT or unix:/path): ${text}`);
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

/** As parseAddress, for what can only be a TCP address; `flag` is for the message. */
export function parseHostPort(flag: string, text: string): { host: string; port: number } {
  const address = parseAddress(text);
  if ('path' in address) throw new ControlPlaneError('usage', `${flag} takes HOST:PORT`);
  return address;
}

/** The text that parseAddress reads. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  return `${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True only for addresses that no other machine reaches; a name other than `localhost` may mean anything. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
