// The names that a sidecar with DNS capture answers itself, and with which addresses (mesh-semantics 2.8; Istio,
// BuildNameTable). All other names are asked of the machine's resolvers; the listener is dns-listener.ts.
import { ipFamily } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import type { ProxyTraits, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Service } from '../mesh/service.js';
import { addressesOf } from './service-address.js';
import { shortForms } from './virtual-host-domains.js';

/** One name. */
export interface DnsName {
  /** In lower case, without a final dot; `*.` at the beginning stands for any number of labels. */
  name: string;
  addresses: readonly string[];
}

/** The names of a view, sorted; the same array while no service or address of a headless one changes. */
export function dnsNames(view: ProxyView): readonly DnsName[] {
  const { services } = view.outbound;
  const { dnsDomain, ipv4, ipv6 } = view.proxy;
  const place = tablePlace(services, dnsDomain, ipv4, ipv6);
  const addresses = headlessServices(services).map((service) => endpointsOf(view, service));
  const key = addresses.map((each) => each.join()).join(';');
  if (place.names === undefined || place.key !== key) {
    const headless = new Map(headlessServices(services).map((s, i) => [s, addresses[i] ?? none]));
    place.names = makeTable(services, view.proxy, headless);
    place.key = key;
  }
  return place.names;
}

const none: readonly string[] = [];

const tablePlace = memoize(
  (_s: readonly ServiceView[], _d: string, _4: boolean, _6: boolean) =>
    ({}) as { key?: string; names?: readonly DnsName[] },
);

const headlessServices = memoize((services: readonly ServiceView[]): readonly Service[] =>
  services.map(({ service }) => service).filter(({ headless }) => headless),
);

/** Ready endpoints of all ports, as Kubernetes' DNS has them, sorted. */
function endpointsOf({ outbound }: ProxyView, service: Service): readonly string[] {
  const byPort = outbound.endpoints.get(service)?.byPort ?? new Map();
  const all = new Set<string>();
  for (const endpoints of byPort.values()) {
    for (const { address, healthy } of endpoints) {
      if (healthy && ipFamily(address) !== 0) all.add(address);
    }
  }
  return [...all].sort();
}

/** Full names go before short ones: a short one never hides another service. The first of two services has a name. */
function makeTable(
  services: readonly ServiceView[],
  proxy: ProxyTraits,
  headless: ReadonlyMap<Service, readonly string[]>,
): readonly DnsName[] {
  const table = new Map<string, readonly string[]>();
  const short: [string, readonly string[]][] = [];
  for (const { service } of services) {
    const own = headless.get(service) ?? addressesOf(service, proxy);
    const addresses = answers(own.filter((ip) => ipFamily(ip) !== 0 && ip !== '0.0.0.0'));
    if (addresses.length === 0) continue;
    for (const full of [service.hostname, ...(service.aliases ?? [])]) {
      const name = full.toLowerCase();
      if (ipFamily(name) !== 0) continue;
      if (!table.has(name)) table.set(name, addresses);
      if (service.registry !== 'kubernetes') continue;
      for (const form of shortForms(name, proxy.dnsDomain)) {
        if (!form.endsWith('.')) short.push([form, addresses]);
      }
    }
  }
  for (const [name, addresses] of short) if (!table.has(name)) table.set(name, addresses);
  return [...table]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, addresses]) => ({ name, addresses }));
}

/**
 * Envoy asks the machine's resolvers for a family that a name has no address of. Their NXDOMAIN makes some clients
 * (musl, as in Alpine) believe that there is no such name at all, and a real IPv6 address would lead around the mesh.
 * IPv4 addresses in their IPv6 form (RFC 4291 2.5.5.2), to which a connection is an IPv4 one, answer instead.
 */
function answers(addresses: readonly string[]): readonly string[] {
  if (addresses.some((ip) => ipFamily(ip) === 6)) return addresses;
  return [...addresses, ...addresses.map((ip) => `::ffff:${ip}`)];
}
