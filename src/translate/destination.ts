// Which cluster a destination of a VirtualService is. A destination that does not exist is named all the same:
// requests to it get a 503 with the flag NC, as with Istio.
import { memoize } from '../lib/memo.js';
import { patched } from '../lib/patched-map.js';
import { amendable } from '../lib/replaced.js';
import type { ServiceView } from '../mesh/proxy-view.js';
import type { HttpRouteDestination, HttpRule, VirtualService } from '../mesh/rules.js';
import { outboundClusterName, UNKNOWN_CLUSTER } from './names.js';
import { sameServices } from './service-views.js';

type Destination = HttpRouteDestination['destination'];

/** Finds a visible service by its fully qualified name, or by that of an alias of it. */
export type FindService = (hostname: string) => ServiceView | undefined;

/** What FindService looks up: services by hostname, and by their aliases. */
export const servicesByName = amendable(
  (services: readonly ServiceView[]): ReadonlyMap<string, ServiceView> =>
    new Map([
      ...services.flatMap((view) =>
        (view.service.aliases ?? []).map((alias) => [alias, view] as const),
      ),
      ...services.map((view) => [view.service.hostname, view] as const),
    ]),
  ({ result, changes }) => {
    if (!sameServices(changes)) return undefined;
    const entries = changes.flatMap(({ before, after }) =>
      [before.service.hostname, ...(before.service.aliases ?? [])]
        .filter((name) => result.get(name) === before)
        .map((name) => [name, after] as const),
    );
    return patched(result, new Map(entries));
  },
);

/** The port that is called: the one given, else the only one of the service, else that of the listener. */
export function destinationPort(
  destination: Destination,
  service: ServiceView | undefined,
  listenerPort: number,
): number {
  const { port } = destination;
  if (port?.number !== undefined) return port.number;
  const ports = service?.service.ports ?? [];
  return ports.length === 1 ? ports[0]!.number : listenerPort;
}

/**
 * `outbound|PORT|SUBSET|HOST` of a destination; an ExternalName alias is called as the service it stands for. One
 * without a host, which only the Gateway API has, is a cluster that does not exist.
 */
export function destinationCluster(
  destination: Destination,
  findService: FindService,
  listenerPort: number,
): string {
  if (destination.host === '') return UNKNOWN_CLUSTER;
  const service = findService(destination.host);
  const port = destinationPort(destination, service, listenerPort);
  return outboundClusterName(
    service?.service.hostname ?? destination.host,
    port,
    destination.subset,
  );
}

/** The hosts that the HTTP rules of a VirtualService name as destinations, each once, in the order of the rules. */
export const destinationHosts = memoize((rule: VirtualService): readonly string[] => [
  ...new Set(rule.http.flatMap(hostsOfRule)),
]);

function hostsOfRule(rule: HttpRule): string[] {
  return [
    ...(rule.route ?? []).map((route) => route.destination.host),
    ...(rule.mirror ? [rule.mirror.host] : []),
    ...(rule.mirrors ?? []).map((mirror) => mirror.destination.host),
  ];
}
