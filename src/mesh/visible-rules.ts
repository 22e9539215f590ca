// Which VirtualServices sidecars of a namespace see, in which order of precedence.
import type { VirtualService } from './rules.js';
import { isVisible } from './visibility.js';

/**
 * In order of precedence: the namespace's own that others do not see, those exported to it by name, then public ones;
 * each oldest first (the order in which Istio's sidecar scope collects them).
 */
export function visibleRules(
  virtualServices: readonly VirtualService[],
  namespace: string,
): readonly VirtualService[] {
  const visible = virtualServices.filter(
    ({ visibility, gateways, hosts }) =>
      hosts.length > 0 && gateways.includes('mesh') && isVisible(visibility, namespace),
  );
  const isPublic = visible.filter(({ visibility }) => visibility === '*');
  if (isPublic.length === visible.length) return visible;
  const exported = visible.filter(({ visibility }) => visibility !== '*');
  const own = exported.filter(({ source }) => source.namespace === namespace);
  const others = exported.filter(({ source }) => source.namespace !== namespace);
  return [...own, ...others, ...isPublic];
}
