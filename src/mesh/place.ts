// Where a proxy is, as far as rules ask: its locality and the labels that failoverPriority compares with those of
// endpoints. What the rules then do to endpoints is translation (translate/locality.ts).
import { interner } from '../lib/intern.js';
import { memoize, sameOr } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import type { MeshSettings } from './mesh-settings.js';
import { compareText } from './order.js';
import type { Locality, ProxyPlace } from './proxy.js';
import type { ServiceView } from './proxy-view.js';
import type { TrafficPolicy } from './rules.js';

interface Placed {
  labels: Readonly<Record<string, string>>;
  locality: Locality;
  network: string;
}

/**
 * A label of a workload, with those that Istio adds of itself: region, zone and subzone are those of the locality
 * whatever was written, the network is the one of the workload unless a label says it.
 */
export function labelOf({ labels, locality, network }: Placed, key: string): string | undefined {
  switch (key) {
    case 'topology.kubernetes.io/region':
      return locality.region || labels[key];
    case 'topology.kubernetes.io/zone':
      return locality.zone || labels[key];
    case 'topology.istio.io/subzone':
      return locality.subzone || labels[key];
    case 'topology.istio.io/network':
      return labels[key] || network || undefined;
    default:
      return labels[key];
  }
}

/** The key of an entry of failoverPriority, `key` or `key=value`. */
export function failoverLabel(entry: string): string {
  return entry.split('=', 1)[0] ?? '';
}

/** What trafficDistribution of a service stands for: a failoverPriority that needs no outlier detection. */
export const distributionLabels = {
  PreferSameZone: [
    'topology.istio.io/network',
    'topology.kubernetes.io/region',
    'topology.kubernetes.io/zone',
  ],
  PreferSameNode: [
    'topology.istio.io/network',
    'topology.kubernetes.io/region',
    'topology.kubernetes.io/zone',
    'topology.istio.io/subzone',
    'kubernetes.io/hostname',
  ],
} as const;

/**
 * The labels that the endpoints of these services are chosen by, sorted, joined by newlines; undefined where the place
 * of the client has no say at all. It may ask for more than is used, never for less.
 */
export const askedPlace = amendable(
  (services: readonly ServiceView[], settings: MeshSettings): string | undefined => {
    let asked = false;
    const labels = new Set<string>();
    for (const view of services) {
      const of = askedByService(view, settings);
      if (of === undefined) continue;
      asked = true;
      for (const label of of) labels.add(label);
    }
    return asked ? [...labels].sort(compareText).join('\n') : undefined;
  },
  ({ result, changes }, _services, settings) => {
    const same = changes.every(({ before, after }) => {
      const [old, next] = [askedByService(before, settings), askedByService(after, settings)];
      return old === next || (old && next && sameOr(old, next) === old);
    });
    return same ? result : undefined;
  },
);

/** The labels that one service's rules ask about; undefined where the place of the client has no say. */
export function askedByService(
  view: ServiceView,
  settings: MeshSettings,
): readonly string[] | undefined {
  const { defaultTrafficPolicy, zoneAwareLbSetting } = settings.config;
  const plain =
    view.destinationRule === undefined &&
    view.service.trafficDistribution === undefined &&
    zoneAwareLbSetting === undefined &&
    defaultTrafficPolicy?.outlierDetection === undefined &&
    settings.config.localityLbSetting?.distribute === undefined;
  return plain ? undefined : askedByRules(settings, view);
}

const askedByRules = memoize(
  ({ config }: MeshSettings, view: ServiceView): readonly string[] | undefined => {
    const { service, destinationRule: rule } = view;
    const policies = [rule, ...(rule?.subsets ?? [])].flatMap((level) => sections(level));
    const balancers = policies.map(({ loadBalancer }) => loadBalancer);
    const settings = [...balancers, config]
      .flatMap((level) => [level?.localityLbSetting, level?.zoneAwareLbSetting])
      .filter((setting) => setting !== undefined);
    const distribution = service.trafficDistribution;
    const asked =
      distribution !== undefined ||
      config.defaultTrafficPolicy?.outlierDetection !== undefined ||
      policies.some(({ outlierDetection }) => outlierDetection !== undefined) ||
      [...balancers, config].some(
        (level) => level?.localityLbSetting?.distribute ?? level?.zoneAwareLbSetting,
      );
    if (!asked) return undefined;
    const entries = settings.flatMap(({ failoverPriority }) => failoverPriority ?? []);
    if (distribution !== undefined) entries.push(...distributionLabels[distribution]);
    return entries.map(failoverLabel);
  },
);

function sections(
  level: { trafficPolicy?: TrafficPolicy | undefined } | undefined,
): Omit<TrafficPolicy, 'portLevelSettings'>[] {
  const policy = level?.trafficPolicy;
  return policy === undefined ? [] : [policy, ...(policy.portLevelSettings ?? [])];
}

/** The place of a proxy, with those of the labels asked about (askedPlace) that it has. */
export function placeOf(proxy: Placed, asked: string): ProxyPlace {
  const keys = asked === '' ? [] : asked.split('\n');
  const labels = keys.flatMap((key) => {
    const value = labelOf(proxy, key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return { locality: proxy.locality, labels: Object.fromEntries(labels) };
}

/** One object for equal places, whose labels placeOf has put in order. */
export const canonicalPlace = memoize(
  (place: ProxyPlace): ProxyPlace => samePlace(JSON.stringify(place), place),
);

const samePlace = interner<ProxyPlace>();
