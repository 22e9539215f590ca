// Where the routers of a Gateway are, as far as Services and WorkloadEntries tell: for findings before any router is
// connected. Which routers a Gateway is for is known of the connected ones only (gateway-scope.ts).
import { memoize } from '../lib/memo.js';
import type { Parts } from './analyzed-parts.js';
import type { Gateway } from './gateway.js';
import { hasLabels } from './has-labels.js';
import type { Service } from './service.js';
import { selectWorkloads, workloadIndex, workloadLabels } from './workload-index.js';

/** What is known of the routers of a Gateway. */
export interface Places {
  /** In which they are; empty: nobody says. */
  namespaces: ReadonlySet<string>;
  /** Those that lead to them. */
  services: readonly Service[];
  /** What says so: `the Service`, or `a WorkloadEntry`. */
  what: string;
}

/** Finds the places of a Gateway. */
export type GatewayPlaces = (gateway: Gateway) => Places;

/** Places of the Gateways of a mesh; those of one selector are found once. */
export function gatewayPlaces({
  services,
  workloads,
}: Parts<'services' | 'workloads'>): GatewayPlaces {
  const byLabel = servicesByLabel(services);
  const bySelector = new Map<string, Places>();
  return ({ selector: { labels } }) => {
    const key = JSON.stringify(Object.entries(labels).sort());
    const places = bySelector.get(key) ?? placesOf(workloads, labels, byLabel);
    bySelector.set(key, places);
    return places;
  };
}

const nowhere: Places = { namespaces: new Set(), services: [], what: 'a WorkloadEntry' };

type Labels = Readonly<Record<string, string>>;

/** By the first pair of the selector: whoever has all pairs has that one. */
const servicesByLabel = memoize(
  (services: readonly Service[]): ReadonlyMap<string, readonly Service[]> => {
    const index = new Map<string, Service[]>();
    for (const service of services) {
      const [first] = Object.entries(service.selector ?? {});
      if (first === undefined) continue;
      const key = first.join('=');
      const others = index.get(key);
      if (others === undefined) index.set(key, [service]);
      else others.push(service);
    }
    return index;
  },
);

function placesOf(
  entries: Parts<'workloads'>['workloads'],
  labels: Labels,
  byLabel: ReadonlyMap<string, readonly Service[]>,
): Places {
  const leadingTo = (own: Labels) =>
    Object.entries(own)
      .flatMap((pair) => byLabel.get(pair.join('=')) ?? [])
      .filter(({ selector }) => hasLabels(own, selector));
  // It is for all routers, and these are not all workloads.
  if (Object.keys(labels).length === 0) return nowhere;
  const workloads = [...entries.values()].flatMap((own) =>
    selectWorkloads(workloadIndex(own), labels),
  );
  // A Service may ask for more labels than the Gateway does.
  const ofWorkloads = workloads.flatMap((workload) =>
    leadingTo(workloadLabels(workload)).filter(({ namespace }) => namespace === workload.namespace),
  );
  const services = [...new Set([...leadingTo(labels), ...ofWorkloads])];
  return {
    namespaces: new Set([...services, ...workloads].map(({ namespace }) => namespace)),
    services,
    what: services.length > 0 ? 'the Service' : 'a WorkloadEntry',
  };
}
