// IP addresses and prefixes as text: which family, and whether two prefixes are the same network. No sockets, no names.
import { isIP } from 'node:net';

/** 4 or 6 for a literal address, 0 for anything else (names, prefixes, paths). */
export function ipFamily(text: string): 0 | 4 | 6 {
  return isIP(text) as 0 | 4 | 6;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  return ipFamily(address) === 4 ? address.startsWith('127.') : toBits(address) === 1n;
}

/** A network: the address has its host bits cleared. */
export interface Prefix {
  address: string;
  length: number;
  family: 4 | 6;
}

/** Reads `10.0.0.0/8`, `fd00::/8`, or an address (then all its bits count); undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', lengthText, ...rest] = text.split('/');
  const family = ipFamily(address);
  if (family === 0 || rest.length > 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (lengthText === undefined) return { address, length: bits, family };
  if (!/^\d{1,3}$/.test(lengthText) || Number(lengthText) > bits) return undefined;
  const length = Number(lengthText);
  if (length === bits) return { address, length, family };
  const hostBits = BigInt(bits - length);
  const network = ((toBits(address) ?? 0n) >> hostBits) << hostBits;
  return { address: toText(network, family), length, family };
}

/** The one text of a network: `10.1.2.3/8` and `10.0.0.0/8` give the same. Undefined when it is not a prefix. */
export function prefixKey(text: string): string | undefined {
  const prefix = parsePrefix(text);
  if (prefix === undefined) return undefined;
  // An IPv4 address has one spelling.
  if (prefix.family === 4) return `${prefix.address}/${prefix.length}`;
  return `${toBits(prefix.address)}/${prefix.length}/${prefix.family}`;
}

function toBits(address: string): bigint | undefined {
  const family = ipFamily(address);
  if (family === 0) return undefined;
  if (family === 4) return ipv4Bits(address);
  const [head = '', tail] = address.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = new Array<bigint>(8 - left.length - right.length).fill(0n);
  return [...left, ...zeros, ...right].reduce((bits, group) => (bits << 16n) | group, 0n);
}

function ipv4Bits(address: string): bigint {
  return address.split('.').reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

/** The 16-bit groups of one side of `::`; a trailing IPv4 form counts as two. */
function groups(side: string): bigint[] {
  if (side === '') return [];
  return side.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const bits = ipv4Bits(group);
    return [bits >> 16n, bits & 0xffffn];
  });
}

function toText(bits: bigint, family: 4 | 6): string {
  const [parts, width] = family === 4 ? [4, 8n] : [8, 16n];
  const mask = (1n << width) - 1n;
  const values: bigint[] = [];
  for (let i = parts - 1; i >= 0; i--) values.push((bits >> (BigInt(i) * width)) & mask);
  return family === 4 ? values.join('.') : values.map((value) => value.toString(16)).join(':');
}
