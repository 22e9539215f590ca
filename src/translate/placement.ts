// Weights and priorities of a list of endpoints, by where they are seen from. Works on endpoints of the mesh in groups
// of one locality; endpoint.ts makes Envoy's message of the result.
import type { Endpoint } from '../mesh/endpoint.js';
import { labelOf } from '../mesh/place.js';
import type { Locality } from '../mesh/proxy.js';

/** What a client's place does to endpoints. JSON, as its text is a key. */
export interface Placement {
  /** Percentages by locality, which may end in `*`; endpoints of other localities are left out. */
  weights?: readonly (readonly [string, number])[];
  /** Priority by how many of these labels an endpoint has, counted from the first. */
  labels?: readonly (readonly [string, string])[];
  /** Priority by nearness to this locality; `next` is the region to go to when one's own is down. */
  here?: Locality & { next?: string };
  /** As `here`, by region only. */
  region?: { region: string; next?: string | undefined };
}

/** Endpoints of one locality and one priority. */
export interface Group {
  locality: Locality;
  endpoints: readonly Endpoint[];
  /** Of the whole group; at most 2^32 - 1. */
  weight: number;
  priority: number;
}

/** Envoy needs at least 1; 0 is "not given". */
export function weightOf(endpoint: Endpoint): number {
  return Math.max(1, endpoint.weight);
}

/** A group with the sum of its endpoints' weights. */
export function group(locality: Locality, endpoints: readonly Endpoint[], priority = 0): Group {
  const sum = endpoints.reduce((total, endpoint) => total + weightOf(endpoint), 0);
  return { locality, endpoints, weight: Math.min(sum, 2 ** 32 - 1), priority };
}

/** The groups as one place sees them; priorities begin at 0 and skip none. */
export function placed(groups: readonly Group[], placement: Placement): readonly Group[] {
  const { weights, labels, here, region } = placement;
  if (weights) return weighted(groups, weights);
  let out = labels ? withoutGaps(byLabels(groups, labels)) : groups;
  // Of two orders the labels are the coarser one (Istio multiplies by the number of steps of the finer).
  if (here) out = withoutGaps(finer(out, 5, (each) => nearness(here, each)));
  if (region) out = withoutGaps(finer(out, 3, (each) => regionNearness(region, each)));
  return out;
}

/** Whether a locality is the one written, `region/zone/subzone`; `*` or nothing stands for any zone or subzone. */
export function localityMatches(locality: Locality, written: string): boolean {
  const [region = '', zone = '', subzone = ''] = written.split('/');
  return (
    (region === '*' || region === locality.region) &&
    (zone === '*' || zone === '' || zone === locality.zone) &&
    (subzone === '*' || subzone === '' || subzone === locality.subzone)
  );
}

/** Several localities behind one `*` share its percentage by their own weights, rounded up. */
function weighted(
  groups: readonly Group[],
  weights: NonNullable<Placement['weights']>,
): readonly Group[] {
  const shares = new Map<Group, number>();
  for (const [written, percent] of weights) {
    const matching = groups.filter(
      (each) => !shares.has(each) && localityMatches(each.locality, written),
    );
    const total = matching.reduce((sum, { weight }) => sum + weight, 0);
    for (const each of matching) shares.set(each, Math.ceil((each.weight * percent) / total));
  }
  return groups.flatMap((each) => {
    const weight = shares.get(each);
    return weight === undefined ? [] : [{ ...each, weight }];
  });
}

/** Splits groups by how well endpoints match (Istio, failoverPriority); the network as first label counts apart. */
function byLabels(
  groups: readonly Group[],
  labels: NonNullable<Placement['labels']>,
): readonly Group[] {
  return groups.flatMap(({ locality, endpoints }) => {
    const byPriority = new Map<number, Endpoint[]>();
    for (const endpoint of endpoints) {
      const priority = labelPriority(endpoint, labels);
      const same = byPriority.get(priority);
      if (same === undefined) byPriority.set(priority, [endpoint]);
      else same.push(endpoint);
    }
    return [...byPriority]
      .sort(([a], [b]) => a - b)
      .map(([priority, some]) => group(locality, some, priority));
  });
}

/**
 * 0 where all labels are equal, else the more the earlier the first difference is. Another network puts an endpoint
 * behind all of one's own network and leaves the order by the other labels.
 */
function labelPriority(endpoint: Endpoint, labels: NonNullable<Placement['labels']>): number {
  const differs = ([key, value]: readonly [string, string]) =>
    (labelOf(endpoint, key) ?? '') !== value &&
    !(key === 'topology.kubernetes.io/region' && isZoneOnly(endpoint.locality));
  const [first] = labels;
  const apart = first?.[0] === 'topology.istio.io/network' && differs(first);
  const at = labels.findIndex((label, index) => !(apart && index === 0) && differs(label));
  return (at < 0 ? 0 : labels.length - at) + (apart ? labels.length : 0);
}

/** EndpointSlices name the zone alone; that is taken for one of the client's region. */
export function isZoneOnly({ region, zone }: Locality): boolean {
  return region === '' && zone !== '';
}

/** The same subzone, zone, region, then the region to fail over to, then the rest. */
function nearness(here: NonNullable<Placement['here']>, there: Locality): number {
  if (here.region !== there.region && !isZoneOnly(there)) {
    return here.next === undefined || here.next === there.region ? 3 : 4;
  }
  if (here.zone !== there.zone) return 2;
  return here.subzone === there.subzone ? 0 : 1;
}

function regionNearness(here: NonNullable<Placement['region']>, there: Locality): number {
  if (here.region === there.region || isZoneOnly(there)) return 0;
  return here.next === there.region ? 1 : 2;
}

function finer(
  groups: readonly Group[],
  steps: number,
  step: (locality: Locality) => number,
): readonly Group[] {
  return groups.map((each) => ({
    ...each,
    priority: each.priority * steps + step(each.locality),
  }));
}

/** Envoy refuses priorities with gaps. */
function withoutGaps(groups: readonly Group[]): readonly Group[] {
  const used = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b);
  const rank = new Map(used.map((priority, index) => [priority, index]));
  return groups.map((each) => ({ ...each, priority: rank.get(each.priority) ?? 0 }));
}
