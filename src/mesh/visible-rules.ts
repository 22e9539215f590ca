// Which VirtualServices sidecars of a namespace see; and the order of precedence of those that a proxy sees.
import type { VirtualService } from './rules.js';
import { isVisible } from './visibility.js';

/** The VirtualServices for sidecars of a namespace, in order of precedence. */
export function visibleRules(
  virtualServices: readonly VirtualService[],
  namespace: string,
): readonly VirtualService[] {
  const visible = virtualServices.filter(
    ({ visibility, gateways, hosts }) =>
      hosts.length > 0 && gateways.includes('mesh') && isVisible(visibility, namespace),
  );
  return byPrecedence(visible, namespace);
}

/**
 * What proxies of a namespace see, oldest first, in order of precedence: the namespace's own that others do not see,
 * those exported to it by name, then public ones (the order in which Istio collects them, for sidecars and gateways).
 */
export function byPrecedence(
  visible: readonly VirtualService[],
  namespace: string,
): readonly VirtualService[] {
  const isPublic = visible.filter(({ visibility }) => visibility === '*');
  if (isPublic.length === visible.length) return visible;
  const exported = visible.filter(({ visibility }) => visibility !== '*');
  const own = exported.filter(({ source }) => source.namespace === namespace);
  const others = exported.filter(({ source }) => source.namespace !== namespace);
  return [...own, ...others, ...isPublic];
}
