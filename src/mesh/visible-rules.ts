// Which VirtualServices sidecars of a namespace see; and the order of precedence of those that a proxy sees.
import { amendable, replaceAll } from '../lib/replaced.js';
import type { VirtualService } from './rules.js';
import { isVisible } from './visibility.js';

/** The VirtualServices for sidecars of a namespace, in order of precedence. */
export function visibleRules(
  virtualServices: readonly VirtualService[],
  namespace: string,
): readonly VirtualService[] {
  return byPrecedence(
    virtualServices.filter((rule) => isSeen(rule, namespace)),
    namespace,
  );
}

/** The same for all rules of a mesh, of which an edit replaces one. */
export const visibleRulesOfMesh = amendable(
  visibleRules,
  ({ result, changes }, _rules, namespace) => {
    const all = changes.flatMap(({ before, after }) => [before, after]);
    if (all.every((rule) => isSeen(rule, namespace) && rule.visibility === '*')) {
      return replaceAll(result, changes);
    }
    return all.some((rule) => isSeen(rule, namespace)) ? undefined : result;
  },
);

function isSeen({ visibility, gateways, hosts }: VirtualService, namespace: string): boolean {
  return hosts.length > 0 && gateways.includes('mesh') && isVisible(visibility, namespace);
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
