// Whether endpoints near the client are preferred, where a Service, a ServiceEntry or a namespace says so.
import type { Service } from './service.js';

export type TrafficDistribution = NonNullable<Service['trafficDistribution']>;

/** Istio's form of trafficDistribution from before Kubernetes had the field; the only one of ServiceEntries. */
const distributionAnnotation = 'networking.istio.io/traffic-distribution';

/** PreferClose is the older name of the first. */
const distributions = new Map<string, TrafficDistribution>([
  ['preferclose', 'PreferSameZone'],
  ['prefersamezone', 'PreferSameZone'],
  ['prefersamenode', 'PreferSameNode'],
]);

/** What the annotations say: `Any` for a value that is unknown; undefined where they say nothing. */
export function annotatedDistribution(
  annotations: Readonly<Record<string, string>>,
): TrafficDistribution | 'Any' | undefined {
  const value = annotations[distributionAnnotation];
  return value ? (distributions.get(value.toLowerCase()) ?? 'Any') : undefined;
}

/** The field of a v1 Service, else its annotation, else that of the namespace. */
export function trafficDistribution(
  field: string | undefined,
  annotations: Readonly<Record<string, string>>,
  ofNamespace: TrafficDistribution | undefined,
): Pick<Service, 'trafficDistribution'> {
  const chosen =
    distributions.get(field?.toLowerCase() ?? '') ??
    annotatedDistribution(annotations) ??
    ofNamespace;
  return chosen === undefined || chosen === 'Any' ? {} : { trafficDistribution: chosen };
}
