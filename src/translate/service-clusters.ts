// The clusters of each service of a view, and what is missing for them: the same objects for whatever did not change.
import { memoize } from '../lib/memo.js';
import { amendable, mapAgain } from '../lib/replaced.js';
import type { ServiceEndpoints } from '../mesh/endpoint.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { ProxyTraits, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { Secrets } from '../mesh/secret.js';
import type { ServiceClusters } from './assignment-map.js';
import { passesThrough } from './gateway-auto-passthrough.js';
import { isDns, outboundClusters } from './outbound-cluster.js';
import { ofServices } from './service-views.js';
import { placeOf, traitsOf } from './traits.js';
import { missingCredential } from './upstream-credentials.js';

/** The same array while no cluster of a service changed, whatever happens to endpoints that EDS carries. */
export function clustersByService(view: ProxyView): readonly ServiceClusters[] {
  const { outbound, settings } = view;
  const dns = dnsServices(outbound.services).map((service) => outbound.endpoints.get(service));
  const place = dns.length > 0 ? placeOf(view) : undefined;
  const { secrets } = view;
  const passthrough = passesThrough(view.gateway?.gateways);
  const proxy = traitsOf(view);
  return clustersOfScope(outbound.services, settings, proxy, place, secrets, passthrough, ...dns);
}

/** Clusters that are dead for want of a Secret. */
export const missingCredentials = memoize(
  (outbound: readonly ServiceClusters[], services: readonly ServiceView[]): readonly Problem[] =>
    deadServices(outbound).flatMap((i) =>
      outbound[i]!.clusters.flatMap(
        ({ missing }) => missingCredential(missing, services[i]?.destinationRule) ?? [],
      ),
    ),
);

/** The places of services with such clusters. */
const deadServices = amendable(
  (outbound: readonly ServiceClusters[]): readonly number[] =>
    outbound.flatMap((each, i) => (isDead(each) ? [i] : [])),
  ({ result, changes }) =>
    changes.some(({ before, after }) => isDead(before) || isDead(after)) ? undefined : result,
);

function isDead({ clusters }: ServiceClusters): boolean {
  return clusters.some(({ missing }) => missing !== undefined);
}

const dnsServices = ofServices((services: readonly ServiceView[]) =>
  services.map(({ service }) => service).filter(isDns),
);

type ScopeClusters = readonly [
  settings: MeshSettings,
  proxy: ProxyTraits,
  place: ProxyPlace | undefined,
  secrets: Secrets | undefined,
  passthrough: boolean,
  ...dnsEndpoints: readonly (ServiceEndpoints | undefined)[],
];

const clustersOfScope = amendable(
  (services: readonly ServiceView[], ...given: ScopeClusters): readonly ServiceClusters[] =>
    mapAgain(services, clustersOfService(services, given), undefined),
  ({ list, result }, services, ...given) =>
    mapAgain(services, clustersOfService(services, given), { list, made: result }),
);

function clustersOfService(
  services: readonly ServiceView[],
  [settings, proxy, place, secrets, passthrough, ...dnsEndpoints]: ScopeClusters,
) {
  const inline = new Map(dnsServices(services).map((service, i) => [service, dnsEndpoints[i]]));
  return (view: ServiceView, last?: ServiceClusters): ServiceClusters => {
    const { service } = view;
    const options = { proxy, endpoints: inline.get(service), place, secrets, passthrough };
    const clusters = outboundClusters(view, settings, options);
    return last?.service === service && last.clusters === clusters ? last : { service, clusters };
  };
}
