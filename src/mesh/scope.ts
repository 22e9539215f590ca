// What the clients of a namespace may call: visible services, one for each hostname, with the DestinationRule in
// force, and visible VirtualServices. Namespaces for which nothing is special share one scope. Sidecar resources are
// not implemented.
import { memoize, sameOr } from '../lib/memo.js';
import { findDestinationRule } from './destination-rule.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { Mesh } from './mesh.js';
import { compareText, sameKeys } from './order.js';
import type { OutboundScope, ServiceView } from './proxy-view.js';
import type { DestinationRule, VirtualService } from './rules.js';
import type { CachedScope } from './scope-cache.js';
import type { Service } from './service.js';
import { isVisible } from './visibility.js';

/** What clients of `namespace` may call; the same object for namespaces that see the same, and while they do. */
export function outboundScope(
  mesh: Mesh,
  namespace: string,
): { key: string; scope: OutboundScope } {
  const key = specialNamespaces(mesh).has(namespace) ? namespace : '';
  const { scopes } = mesh.parts;
  let cached = scopes.now.get(key);
  if (cached === undefined) {
    const { services, virtualServices, destinationRules, endpoints } = mesh;
    cached = {
      scope: buildScope(mesh, key, scopes.before.get(key)),
      from: { services, virtualServices, destinationRules, endpoints },
    };
    scopes.now.set(key, cached);
  }
  return { key, scope: cached.scope };
}

/**
 * Namespaces whose clients may see something else than those of any other: named by an exportTo, with rules of their
 * own, or with a service whose hostname other namespaces have too.
 */
function specialNamespaces(mesh: Mesh): ReadonlySet<string> {
  return findSpecial(mesh.services, mesh.virtualServices, mesh.destinationRules);
}

const findSpecial = memoize(
  (
    services: Mesh['services'],
    virtualServices: Mesh['virtualServices'],
    rules: Mesh['destinationRules'],
  ): ReadonlySet<string> => {
    const special = new Set(rules.namespaces);
    for (const namespace of serviceNamespaces(services)) special.add(namespace);
    for (const { visibility } of virtualServices) {
      if (visibility !== '*') for (const namespace of visibility) special.add(namespace);
    }
    return special;
  },
);

const serviceNamespaces = memoize((services: readonly Service[]): ReadonlySet<string> => {
  const special = new Set<string>();
  const firstOf = new Map<string, string>();
  for (const { hostname, namespace, visibility } of services) {
    if (visibility !== '*') for (const name of visibility) special.add(name);
    const first = firstOf.get(hostname);
    if (first === undefined) firstOf.set(hostname, namespace);
    else special.add(first).add(namespace);
  }
  return special;
});

function buildScope(mesh: Mesh, namespace: string, before: CachedScope | undefined): OutboundScope {
  const old = before?.scope;
  const from = before?.from;
  const sameServices =
    from?.services === mesh.services && from?.destinationRules === mesh.destinationRules;
  const services =
    old !== undefined && sameServices
      ? old.services
      : sameOr(old?.services, visibleServices(mesh, namespace));
  const virtualServices =
    old !== undefined && from?.virtualServices === mesh.virtualServices
      ? old.virtualServices
      : sameOr(old?.virtualServices, visibleRules(mesh.virtualServices, namespace));
  const endpoints =
    old !== undefined && services === old.services && from?.endpoints === mesh.endpoints
      ? old.endpoints
      : visibleEndpoints(mesh, services, old?.endpoints);
  const same =
    old !== undefined &&
    old.services === services &&
    old.virtualServices === virtualServices &&
    old.endpoints === endpoints;
  return same ? old : { services, virtualServices, endpoints };
}

function visibleServices(mesh: Mesh, namespace: string): readonly ServiceView[] {
  return visibleByHostname(mesh.services, namespace).map((service) =>
    serviceView(service, findDestinationRule(mesh.destinationRules, namespace, service)),
  );
}

/**
 * One service for each hostname, sorted by it: the client namespace's own, else a v1 Service, else what is exported
 * to the namespace by name, else the oldest (Istio's default sidecar scope).
 */
const visibleByHostname = memoize(
  (services: readonly Service[], namespace: string): readonly Service[] => {
    const chosen = new Map<string, Service>();
    for (const service of services) {
      if (!isVisible(service.visibility, namespace)) continue;
      const other = chosen.get(service.hostname);
      if (other === undefined || rank(service, namespace) < rank(other, namespace)) {
        chosen.set(service.hostname, service);
      }
    }
    return [...chosen.values()].sort((a, b) => compareText(a.hostname, b.hostname));
  },
);

function rank(service: Service, namespace: string): number {
  if (service.namespace === namespace) return 0;
  return (service.registry === 'kubernetes' ? 1 : 3) + (service.visibility === '*' ? 1 : 0);
}

function serviceView(service: Service, rule: DestinationRule | undefined): ServiceView {
  return rule === undefined ? plainView(service) : ruledView(rule, service);
}

const plainView = memoize((service: Service): ServiceView => ({ service }));

const ruledView = memoize(
  (destinationRule: DestinationRule, service: Service): ServiceView => ({
    service,
    destinationRule,
  }),
);

/**
 * In order of precedence: the namespace's own that others do not see, those exported to it by name, then public ones;
 * each oldest first (the order in which Istio's sidecar scope collects them).
 */
function visibleRules(
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

function visibleEndpoints(
  mesh: Mesh,
  services: readonly ServiceView[],
  old: ReadonlyMap<Service, ServiceEndpoints> | undefined,
): ReadonlyMap<Service, ServiceEndpoints> {
  if (services.length === mesh.services.length) return mesh.endpoints;
  const visible = new Map<Service, ServiceEndpoints>();
  let same = old !== undefined;
  for (const { service } of services) {
    const endpoints = mesh.endpoints.get(service);
    if (endpoints === undefined) continue;
    if (old?.get(service) !== endpoints) same = false;
    visible.set(service, endpoints);
  }
  return same && old !== undefined && sameKeys(old, visible) ? old : visible;
}
