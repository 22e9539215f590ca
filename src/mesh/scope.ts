// What the clients of a namespace may call: visible services, one for each hostname, with the DestinationRule in
// force, and visible VirtualServices. Namespaces for which nothing is special share one scope; what a Sidecar lets see
// of it is egress.ts.
import { memoize, sameOr } from '../lib/memo.js';
import { changedKeys, patched } from '../lib/patched-map.js';
import { amendable, type Replacement, replaceAt } from '../lib/replaced.js';
import { firstNotBefore } from '../lib/sorted.js';
import { findDestinationRule, type SelectingRule, selectingRules } from './destination-rule.js';
import { egressOf, unionOf, unionOfRules, wholeService } from './egress.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { Mesh } from './mesh.js';
import { compareText, sameKeys } from './order.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type { EgressListener, OutboundScope, ServiceView } from './proxy-view.js';
import type { DestinationRule } from './rules.js';
import type { CachedScope, ScopeSources } from './scope-cache.js';
import { changedNamespaces, isUnaffected } from './scope-changes.js';
import type { Service } from './service.js';
import type { EgressPlace, Sidecar } from './sidecar.js';
import { visibleRulesOfMesh } from './visible-rules.js';
import { visibleByHostname } from './visible-services.js';

/** Whose scope it is. */
interface Client {
  namespace: string;
  sidecar: Sidecar | undefined;
  selecting: readonly SelectingRule[];
}

/** A scope by its key among the scopes of a mesh. */
export interface KeyedScope {
  key: string;
  cached: CachedScope;
}

/**
 * What a proxy may call; the same object for proxies that see the same, and while they do: those of namespaces that
 * nothing is special for, or of one namespace, Sidecar (`sidecarOf`) and set of rules that select them.
 */
export function outboundScope(
  mesh: Mesh,
  proxy: ConnectedProxy,
  sidecar: Sidecar | undefined,
): KeyedScope {
  const client: Client = {
    namespace: proxy.namespace,
    sidecar,
    selecting: selectingRules(mesh.destinationRules, proxy),
  };
  const key = scopeKey(mesh, client);
  const { scopes } = mesh.parts;
  let cached = scopes.now.get(key);
  if (cached === undefined) {
    const special = key === '' ? { ...client, namespace: '' } : client;
    cached = {
      scope: buildScope(mesh, special, scopes.before.get(key)),
      from: scopeSources(mesh),
      sidecar,
      selecting: client.selecting,
    };
    scopes.now.set(key, cached);
  }
  return { key, cached };
}

const scopeSources = memoize(
  ({ services, virtualServices, destinationRules, endpoints }: Mesh): ScopeSources => ({
    services,
    virtualServices,
    destinationRules,
    endpoints,
  }),
);

/**
 * The scope of another mesh in this one, if all that differs are rules and endpoints that the scope does not see;
 * undefined when that cannot be told without making the scope anew.
 */
export function untouchedScope(
  mesh: Mesh,
  namespace: string,
  { key, cached }: KeyedScope,
): KeyedScope | undefined {
  const from = scopeSources(mesh);
  if (cached.from === from) return { key, cached };
  const { scope, sidecar, selecting } = cached;
  if (!sameCalled(cached.from, from)) {
    const client = { namespace, sidecar, selecting };
    if (!isLimited(client) || !isUnaffected(mesh, client, cached)) return undefined;
  }
  const changed = changedServices(cached.from.endpoints, from.endpoints);
  if (changed === undefined || isTrimmed(scope.services)) return undefined;
  for (const service of changed) if (scope.endpoints.has(service)) return undefined;
  let next = mesh.parts.scopes.now.get(key);
  if (next === undefined) {
    next = { scope, from, sidecar, selecting };
    mesh.parts.scopes.now.set(key, next);
  }
  return { key, cached: next };
}

function sameCalled(a: ScopeSources, b: ScopeSources): boolean {
  return (
    a.services === b.services &&
    a.virtualServices === b.virtualServices &&
    a.destinationRules === b.destinationRules
  );
}

/** Asked for each scope of a mesh. */
const changedServices = memoize(changedKeys<Service, ServiceEndpoints>);

function scopeKey(mesh: Mesh, { namespace, sidecar, selecting }: Client): string {
  if (sidecar === undefined && selecting.length === 0) {
    return specialNamespaces(mesh).has(namespace) ? namespace : '';
  }
  const rules = selecting.flatMap(({ rule }) => rule.sources.map(({ name }) => name));
  const by = sidecar && `${sidecar.source.namespace}/${sidecar.source.name}`;
  return JSON.stringify([namespace, by ?? '', ...rules]);
}

/**
 * Namespaces whose clients may see something else than those of any other: named by an exportTo, with rules of their
 * own, or with a service whose hostname other namespaces have too.
 */
function specialNamespaces(mesh: Mesh): ReadonlySet<string> {
  return findSpecial(mesh.virtualServices, mesh.services, mesh.destinationRules.namespaces);
}

const findSpecial = amendable(
  (
    virtualServices: Mesh['virtualServices'],
    services: Mesh['services'],
    ofRules: ReadonlySet<string>,
  ): ReadonlySet<string> => {
    const special = new Set(ofRules);
    for (const namespace of serviceNamespaces(services)) special.add(namespace);
    for (const { visibility } of virtualServices) {
      if (visibility !== '*') for (const namespace of visibility) special.add(namespace);
    }
    return special;
  },
  ({ result, changes }) => {
    const arePublic = changes.every(
      ({ before, after }) => before.visibility === '*' && after.visibility === '*',
    );
    return arePublic ? result : undefined;
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

function buildScope(mesh: Mesh, client: Client, before: CachedScope | undefined): OutboundScope {
  const old = before?.scope;
  const { sidecar, selecting } = client;
  const from = before?.sidecar === sidecar ? before?.from : undefined;
  const sameSelecting = before?.selecting === selecting;
  const sameRules = from?.virtualServices === mesh.virtualServices;
  const sameServices =
    from?.services === mesh.services &&
    from.destinationRules === mesh.destinationRules &&
    sameSelecting &&
    // What rules lead to is seen as well where a Sidecar limits it.
    (sameRules || sidecar === undefined);
  const untouched =
    (sameServices && sameRules) ||
    (before !== undefined &&
      sameSelecting &&
      isLimited(client) &&
      isUnaffected(mesh, client, before));
  if (old !== undefined && from !== undefined && untouched) {
    const endpoints =
      from.endpoints === mesh.endpoints
        ? old.endpoints
        : (changedEndpoints(mesh, from.endpoints, old) ??
          visibleEndpoints(mesh, old.services, old.endpoints));
    return endpoints === old.endpoints ? old : { ...old, endpoints };
  }
  const seen = sidecar ? limitedBy(mesh, { ...client, sidecar }, old) : undefined;
  const reviewed =
    before && sidecar === undefined && sameSelecting ? viewsAgain(mesh, client, before) : undefined;
  const services =
    seen?.services ??
    reviewed ??
    sameOr(old?.services, views(mesh, client, visibleByHostname(mesh.services, client.namespace)));
  const virtualServices =
    seen?.virtualServices ??
    sameOr(old?.virtualServices, visibleRulesOfMesh(mesh.virtualServices, client.namespace));
  const endpoints =
    old !== undefined &&
    (services === old.services || services === reviewed) &&
    from?.endpoints === mesh.endpoints
      ? old.endpoints
      : visibleEndpoints(mesh, services, old?.endpoints);
  const listeners = seen?.listeners;
  const same =
    old !== undefined &&
    old.services === services &&
    old.virtualServices === virtualServices &&
    old.endpoints === endpoints &&
    old.listeners === listeners;
  return same ? old : { services, virtualServices, endpoints, ...(listeners && { listeners }) };
}

function isLimited(client: Client): client is Client & { sidecar: Sidecar } {
  return client.sidecar !== undefined && client.sidecar.egress.length > 0;
}

/** What a Sidecar lets see; undefined when it limits nothing. */
function limitedBy(
  mesh: Mesh,
  client: Client & { sidecar: Sidecar },
  old: OutboundScope | undefined,
): Omit<OutboundScope, 'endpoints'> | undefined {
  const seen = egressOf(mesh, client);
  if (seen === undefined) return undefined;
  const services = sameOr(old?.services, views(mesh, client, unionOf(seen)));
  const virtualServices = sameOr(old?.virtualServices, unionOfRules(mesh, seen, client.namespace));
  // One entry for all ports is what a scope is anyway, unless rules lead beyond it.
  const [first] = seen;
  if (first && seen.length === 1 && isAnywhere(first) && first.destinations.length === 0) {
    return { services, virtualServices };
  }
  const listeners = seen.map(({ destinations: _destinations, ...at }, i): EgressListener => {
    const last = old?.listeners?.[i];
    const next: EgressListener = {
      ...at,
      services: sameOr(last?.services, views(mesh, client, at.services)),
      virtualServices: sameOr(last?.virtualServices, at.virtualServices),
    };
    return last && placeKeys.every((key) => last[key] === next[key]) ? last : next;
  });
  return { services, virtualServices, listeners: sameOr(old?.listeners, listeners) };
}

const placeKeys = [
  'port',
  'protocol',
  'httpProxy',
  'socket',
  'bind',
  'captured',
  'services',
  'virtualServices',
] as const satisfies (keyof EgressListener)[];

/** Neither at a port or socket nor at an address of its own. */
function isAnywhere({ port, socket, bind, captured }: EgressPlace): boolean {
  return [port, socket, bind, captured].every((value) => value === undefined);
}

function views(mesh: Mesh, client: Client, services: readonly Service[]): readonly ServiceView[] {
  const { namespace, selecting } = client;
  return services.map((service) =>
    serviceView(service, findDestinationRule(mesh.destinationRules, namespace, service, selecting)),
  );
}

/** The views of before, with the rules in force looked up where they may be others. */
function viewsAgain(
  mesh: Mesh,
  client: Client,
  { scope, from }: CachedScope,
): readonly ServiceView[] | undefined {
  if (from.services !== mesh.services) return undefined;
  const changed = changedNamespaces(from.destinationRules, mesh.destinationRules);
  if (changed === undefined || changed.has(client.namespace)) return undefined;
  const changes: Replacement<ServiceView>[] = [];
  for (const namespace of changed) {
    for (const { service } of mesh.parts.registry.byNamespace.get(namespace) ?? []) {
      // Views are sorted by hostname.
      const index = firstNotBefore(scope.services, (view) => {
        return compareText(view.service.hostname, service.hostname) < 0;
      });
      const before = scope.services[index];
      if (before?.service !== service) continue;
      const [after] = views(mesh, client, [service]);
      if (after && after !== before) changes.push({ index, before, after });
    }
  }
  return replaceAt(scope.services, changes);
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

/** Where no service came or went: those of before with the visible ones of what changed. */
function changedEndpoints(
  mesh: Mesh,
  before: ReadonlyMap<Service, ServiceEndpoints>,
  { services, endpoints }: OutboundScope,
): ReadonlyMap<Service, ServiceEndpoints> | undefined {
  const changed = changedKeys(before, mesh.endpoints);
  if (changed === undefined || isTrimmed(services)) return undefined;
  if (endpoints === before) return mesh.endpoints;
  const visible = changed.filter((service) => endpoints.has(service));
  return patched(
    endpoints,
    new Map(visible.map((service) => [service, mesh.endpoints.get(service)!])),
  );
}

const isTrimmed = amendable(
  (services: readonly ServiceView[]): boolean => services.some(isPart),
  ({ result, changes }) =>
    changes.every(({ before, after }) => isPart(before) === isPart(after)) ? result : undefined,
);

function isPart({ service }: ServiceView): boolean {
  return wholeService(service) !== service;
}

function visibleEndpoints(
  mesh: Mesh,
  services: readonly ServiceView[],
  old: ReadonlyMap<Service, ServiceEndpoints> | undefined,
): ReadonlyMap<Service, ServiceEndpoints> {
  if (services.length === mesh.services.length && !isTrimmed(services)) return mesh.endpoints;
  const visible = new Map<Service, ServiceEndpoints>();
  let same = old !== undefined;
  for (const { service } of services) {
    const endpoints = mesh.endpoints.get(wholeService(service));
    if (endpoints === undefined) continue;
    if (old?.get(service) !== endpoints) same = false;
    visible.set(service, endpoints);
  }
  return same && old !== undefined && sameKeys(old, visible) ? old : visible;
}
