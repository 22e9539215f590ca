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
  const all = headlessServices(services).map((service) => endpointsOf(view, service));
  const key = JSON.stringify(all);
  if (place.names === undefined || place.key !== key) {
    const headless = new Map(headlessServices(services).map((s, i) => [s, all[i] ?? noRecords]));
    place.names = makeTable(services, view.proxy, headless);
    place.key = key;
  }
  return place.names;
}

/** What a headless service answers with: addresses below its own name (''), and below that the names of its endpoints. */
type HeadlessRecords = readonly (readonly [hostname: string, addresses: readonly string[]])[];

const noRecords: HeadlessRecords = [];

const tablePlace = memoize(
  (_s: readonly ServiceView[], _d: string, _4: boolean, _6: boolean) =>
    ({}) as { key?: string; names?: readonly DnsName[] },
);

const headlessServices = memoize((services: readonly ServiceView[]): readonly Service[] =>
  services.map(({ service }) => service).filter(({ headless }) => headless),
);

/** Ready endpoints of all ports, as Kubernetes' DNS has them, sorted. */
function endpointsOf({ outbound }: ProxyView, service: Service): HeadlessRecords {
  const records = new Map<string, Set<string>>();
  const add = (hostname: string, address: string) => {
    const known = records.get(hostname) ?? new Set();
    records.set(hostname, known.add(address));
  };
  for (const endpoints of outbound.endpoints.get(service)?.byPort.values() ?? []) {
    for (const { address, healthy, hostname } of endpoints) {
      if (!healthy || ipFamily(address) === 0) continue;
      add('', address);
      if (hostname !== '') add(hostname.toLowerCase(), address);
    }
  }
  return [...records]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([hostname, addresses]) => [hostname, [...addresses].sort()]);
}

/** Full names go before short ones: a short one never hides another service. The first of two services has a name. */
function makeTable(
  services: readonly ServiceView[],
  proxy: ProxyTraits,
  headless: ReadonlyMap<Service, HeadlessRecords>,
): readonly DnsName[] {
  const table = new Map<string, readonly string[]>();
  const short: [string, readonly string[]][] = [];
  for (const { service } of services) {
    for (const [hostname, own] of headless.get(service) ?? [['', addressesFor(service, proxy)]]) {
      const addresses = answers(own);
      if (addresses.length === 0) continue;
      const below = hostname === '' ? '' : `${hostname}.`;
      for (const full of [service.hostname, ...(service.aliases ?? [])]) {
        const name = full.toLowerCase();
        if (ipFamily(name) !== 0) continue;
        if (!table.has(below + name)) table.set(below + name, addresses);
        if (service.registry !== 'kubernetes') continue;
        for (const form of shortForms(name, proxy.dnsDomain)) {
          if (!form.endsWith('.')) short.push([below + form, addresses]);
        }
      }
    }
  }
  for (const [name, addresses] of short) if (!table.has(name)) table.set(name, addresses);
  return [...table]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, addresses]) => ({ name, addresses }));
}

/** A client that has IPv4 alone is not told IPv6 addresses beside IPv4 ones: it would try them in vain (Istio). */
function addressesFor(service: Service, proxy: ProxyTraits): readonly string[] {
  const all = addressesOf(service, proxy).filter((ip) => ipFamily(ip) !== 0 && ip !== '0.0.0.0');
  const four = proxy.ipv6 ? [] : all.filter((ip) => ipFamily(ip) === 4);
  return four.length > 0 ? four : all;
}

/**
 * Envoy asks the machine's resolvers for a family that a name has no address of. Their NXDOMAIN makes some clients
 * (musl, as in Alpine) believe that there is no such name at all, and a real IPv6 address would lead around the mesh.
 * IPv4 addresses in their IPv6 form (RFC 4291 2.5.5.2), to which a connection is an IPv4 one, answer instead.
 */
function answers(addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0 || addresses.some((ip) => ipFamily(ip) === 6)) return addresses;
  return [...addresses, ...addresses.map((ip) => `::ffff:${ip}`)];
}
