// Which service of a hostname clients of a namespace see, when several namespaces have it.
import { memoize } from '../lib/memo.js';
import { byAge, compareText } from './order.js';
import type { Service } from './service.js';
import { isVisible } from './visibility.js';

/**
 * One service for each hostname, sorted by it: the client namespace's own, else a v1 Service, else what is exported
 * to the namespace by name, else the oldest (Istio's default sidecar scope).
 */
export const visibleByHostname = memoize(
  (services: readonly Service[], namespace: string): readonly Service[] => {
    const chosen = new Map<string, Service>();
    for (const service of services) {
      if (!isVisible(service.visibility, namespace)) continue;
      const other = chosen.get(service.hostname);
      if (other === undefined || preferred(service, other, namespace)) {
        chosen.set(service.hostname, service);
      }
    }
    return [...chosen.values()].sort((a, b) => compareText(a.hostname, b.hostname));
  },
);

/** Whether a service goes before another one of the same hostname, whichever is seen first: the older of equals. */
export function goesBefore(service: Service, other: Service, namespace: string): boolean {
  if (preferred(service, other, namespace)) return true;
  return !preferred(other, service, namespace) && byAge(service, other) < 0;
}

/** Whether a service goes before an older one of the same hostname. */
export function preferred(service: Service, older: Service, namespace: string): boolean {
  return rank(service, namespace) < rank(older, namespace);
}

function rank(service: Service, namespace: string): number {
  if (service.namespace === namespace) return 0;
  return (service.registry === 'kubernetes' ? 1 : 3) + (service.visibility === '*' ? 1 : 0);
}
