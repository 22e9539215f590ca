// Which Gateways need the filter that keeps sessions: those that a route with sessionPersistence names.
import type { HttpRouteSpec } from '../../kinds/http-route.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';

/** `namespace/name`, each once, sorted, one a line. */
export const sessionGateways = memoize(
  (httpRoutes: readonly Resource[], grpcRoutes: readonly Resource[]): string => {
    const names = [...namedWithSession(httpRoutes), ...namedWithSession(grpcRoutes)];
    return [...new Set(names)].sort().join('\n');
  },
);

function namedWithSession(routes: readonly Resource[]): string[] {
  return routes.flatMap(({ namespace, spec }) => {
    const { parentRefs = [], rules = [] } = spec as HttpRouteSpec;
    if (!rules.some(({ sessionPersistence }) => sessionPersistence)) return [];
    return parentRefs.map((ref) => `${ref.namespace ?? namespace}/${ref.name}`);
  });
}
