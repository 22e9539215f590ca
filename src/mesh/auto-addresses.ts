// Addresses for services that have none, so that a name can be resolved to something which stands for that service
// alone: Istio's 240.240.0.0/16 and 2001:2::/48, which are routed nowhere. Only proxies that answer the DNS queries of
// their workload use them (translate/service-address.ts).
//
// An address follows from namespace and host, so that it is the same on every replica and after a restart. Only where
// two hosts have the same hash (one in 65,000 pairs) can a new one move another's address.
import { memoize } from '../lib/memo.js';
import { compareText } from './order.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Service } from './service.js';

/** 240.240.0.1 to 240.240.255.254, without addresses that end in 0 or 255. */
const perByte = 254;
const slots = 256 * perByte;
const prefix = '240.240.';

/** Istio's label of a ServiceEntry that wants none. */
const optOut = 'networking.istio.io/enable-autoallocate-ip';

/** The entries, those without an address with `autoAddresses`; the same objects for the same places. */
export function withAutoAddresses(entries: readonly RegistryEntry[]): RegistryEntry[] {
  const taken = new Map<number, string>();
  for (const { service } of entries) {
    for (const address of service.addresses) {
      const slot = slotOf(address);
      if (slot !== undefined) taken.set(slot, '');
    }
  }
  const placed = new Map<string, number>();
  const late = atTheirOwn(entries.filter(isEligible), taken, placed);
  for (const { service } of late) probe(keyOf(service), taken, placed);
  return entries.map((entry) => {
    const slot = isEligible(entry) ? placed.get(keyOf(entry.service)) : undefined;
    return slot === undefined ? entry : withSlot(entry, slot);
  });
}

/**
 * Istio's rule for ServiceEntries: no address, resolution not NONE, no wildcard but with DYNAMIC_DNS. v1 Services without a clusterIP, of
 * which Kubernetes has none, are treated alike.
 */
function isEligible({ service }: RegistryEntry): boolean {
  const { addresses, headless, resolution, hostname, labels } = service;
  if (addresses.length > 0 || headless || resolution === 'none') return false;
  const dynamic = resolution === 'dynamic-dns';
  return (dynamic || !hostname.startsWith('*')) && labels[optOut]?.toLowerCase() !== 'false';
}

/** Gives each slot to the first by name of those it is home to; the others, sorted, are left over. */
function atTheirOwn(
  entries: readonly RegistryEntry[],
  taken: Map<number, string>,
  placed: Map<string, number>,
): RegistryEntry[] {
  const homes = new Map<number, RegistryEntry>();
  const late: RegistryEntry[] = [];
  for (const entry of entries) {
    const home = hash(entry.service) % slots;
    const rival = homes.get(home);
    if (taken.has(home)) late.push(entry);
    else if (rival === undefined) homes.set(home, entry);
    else if (compareText(keyOf(rival.service), keyOf(entry.service)) < 0) late.push(entry);
    else {
      homes.set(home, entry);
      late.push(rival);
    }
  }
  for (const [slot, { service }] of homes) {
    taken.set(slot, keyOf(service));
    placed.set(keyOf(service), slot);
  }
  return late.sort((a, b) => compareText(keyOf(a.service), keyOf(b.service)));
}

function probe(key: string, taken: Map<number, string>, placed: Map<string, number>): void {
  if (taken.size >= slots) return;
  const home = fnv1a(key);
  // A prime that does not divide the number of slots comes by all of them.
  for (let slot = home % slots; ; slot = (slot + 7919) % slots) {
    if (taken.has(slot)) continue;
    taken.set(slot, key);
    placed.set(key, slot);
    return;
  }
}

const withSlot = memoize((entry: RegistryEntry, slot: number): RegistryEntry => {
  return { service: atSlot(entry.service, slot), definitions: entry.definitions };
});

const atSlot = memoize((service: Service, slot: number): Service => {
  const [third, fourth] = [Math.floor(slot / perByte), (slot % perByte) + 1];
  const autoAddresses = [
    `${prefix}${third}.${fourth}`,
    `2001:2::f0f0:${(third * 256 + fourth).toString(16)}`,
  ];
  return { ...service, autoAddresses };
});

function slotOf(address: string): number | undefined {
  if (!address.startsWith(prefix)) return undefined;
  const [, , third = 0, fourth = 0] = address.split('.').map(Number);
  return third * perByte + fourth - 1;
}

const hash = memoize((service: Service): number => fnv1a(keyOf(service)));

function keyOf({ namespace, hostname }: Service): string {
  return `${namespace}/${hostname}`;
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193) >>> 0;
  }
  return value;
}
