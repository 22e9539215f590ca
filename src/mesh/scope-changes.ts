// Whether what changed in the mesh can be seen through a Sidecar at all: an edit in one namespace leaves the scopes of a
// thousand others as they are, and finding that out costs a look at the edit.
import { memoize } from '../lib/memo.js';
import { differingKeys } from '../lib/patched-map.js';
import type { DestinationRules } from './destination-rule.js';
import { destinationHostsOf, egressFilter } from './egress.js';
import type { Mesh } from './mesh.js';
import type { OutboundScope, ServiceView } from './proxy-view.js';
import type { VirtualService } from './rules.js';
import type { CachedScope } from './scope-cache.js';
import type { Service } from './service.js';
import type { Sidecar } from './sidecar.js';
import { isVisible } from './visibility.js';

/** More changes than this are not looked at one by one. */
const changesMax = 64;

/** True when services and rules of the scope, which was made `from` another mesh, are the same in this one. */
export function isUnaffected(
  mesh: Mesh,
  { sidecar, namespace }: { sidecar: Sidecar; namespace: string },
  { scope, from }: CachedScope,
): boolean {
  const services = differences(from.services, mesh.services);
  const rules = differences(from.virtualServices, mesh.virtualServices);
  if (services === undefined || rules === undefined) return false;
  const filters = () => sidecar.egress.map((entry) => egressFilter(entry, namespace));
  const seesRule = (rule: VirtualService) =>
    isVisible(rule.visibility, namespace) && filters().some((filter) => filter.seesRule(rule));
  const seesService = (service: Service) =>
    isVisible(service.visibility, namespace) &&
    (filters().some((filter) => filter.sees(service)) ||
      destinationHostsOf(scope.virtualServices, namespace).has(service.hostname));
  return (
    !rules.some(seesRule) &&
    !services.some(seesService) &&
    !asksOne(scope, namespace, changedNamespaces(from.destinationRules, mesh.destinationRules))
  );
}

/** What is in one of the lists only; undefined when that is much. */
function differences<T extends object>(
  before: readonly T[],
  after: readonly T[],
): readonly T[] | undefined {
  return before === after ? [] : (findDifferences(before, after) as readonly T[] | undefined);
}

const findDifferences = memoize(
  (before: readonly object[], after: readonly object[]): readonly object[] | undefined => {
    if (Math.abs(before.length - after.length) > changesMax) return undefined;
    const old = new Set(before);
    const changes: object[] = [];
    for (const item of after) {
      if (!old.delete(item)) changes.push(item);
      if (changes.length > changesMax) return undefined;
    }
    return old.size > changesMax ? undefined : [...changes, ...old];
  },
);

/** Namespaces whose DestinationRules changed; undefined when the root namespace is another one, or its rules are. */
export const changedNamespaces = memoize(
  (before: DestinationRules, after: DestinationRules): ReadonlySet<string> | undefined => {
    if (before.rootNamespace !== after.rootNamespace) return undefined;
    const changed = differingKeys(before.byNamespace, after.byNamespace);
    return changed.has(after.rootNamespace) ? undefined : changed;
  },
);

/** Whether a look-up of rules (findDestinationRule) for a service of the scope asks one of these namespaces. */
function asksOne(
  { services }: OutboundScope,
  clientNamespace: string,
  changed: ReadonlySet<string> | undefined,
): boolean {
  if (changed?.size === 0) return false;
  if (changed === undefined || changed.has(clientNamespace)) return true;
  return namespacesOf(services).some((namespace) => changed.has(namespace));
}

const namespacesOf = memoize((services: readonly ServiceView[]): readonly string[] => [
  ...new Set(services.map(({ service }) => service.namespace)),
]);
