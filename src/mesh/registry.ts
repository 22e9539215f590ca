// The services of the mesh from v1 Services and ServiceEntries: several definitions of one host in one namespace, and
// what ExternalName stands for. Which of several namespaces' services a client gets is scope.ts.
import type { Resource } from '../kinds/resource.js';
import { isEqual } from '../lib/keep.js';
import { memoize } from '../lib/memo.js';
import { type Replacement, regrouped, replaceAll, replacements } from '../lib/replaced.js';
import { withAutoAddresses } from './auto-addresses.js';
import { kubernetesService } from './kubernetes-service.js';
import type { MeshSettings } from './mesh-settings.js';
import { type NamespaceDefaults, namespaceDefaults } from './namespace-defaults.js';
import { byAge, compareText, groupBy } from './order.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Service } from './service.js';
import { serviceEntryServices } from './service-entry.js';

/** All services. */
export interface Registry {
  /** What it was made with and of. */
  settings: MeshSettings;
  namespaces: readonly Resource[];
  resources: readonly Resource[];
  /** Oldest first. */
  entries: readonly RegistryEntry[];
  services: readonly Service[];
  /** Oldest first, v1 Services before ServiceEntries. */
  byHostname: ReadonlyMap<string, readonly Service[]>;
  byNamespace: ReadonlyMap<string, readonly RegistryEntry[]>;
}

/** Builds the registry from v1 Services and ServiceEntries, oldest first, and the Namespaces that are written down. */
export function buildRegistry(
  resources: readonly Resource[],
  { settings, namespaces }: Pick<Registry, 'settings' | 'namespaces'>,
  previous?: Registry,
): Registry {
  const before = previous?.settings === settings ? previous : undefined;
  const amended =
    before?.namespaces === namespaces ? withSameServices(resources, before) : undefined;
  if (amended !== undefined) return amended;
  const origin = originOf(settings, namespaces, before);
  const defined = joined(resources, (resource) => entriesOf(resource, origin(resource)));
  const named = withAliases(defined).filter(mayBeCalled(settings));
  const found = named.sort(byServiceAge);
  const entries = withAutoAddresses(found);
  const services = entries.map(({ service }) => service);
  return {
    settings,
    namespaces,
    resources,
    entries,
    services,
    byHostname: byHostname(services),
    byNamespace: groupBy(entries, ({ service }) => service.namespace, previous?.byNamespace),
  };
}

type Amended = Pick<Replacement<RegistryEntry>, 'before' | 'after'>;

/**
 * The registry of before with other resources behind the same services, as an edit of a ServiceEntry's endpoints leaves
 * it; undefined where a service came, went or changed, or has several definitions.
 */
function withSameServices(resources: readonly Resource[], before: Registry): Registry | undefined {
  const changed: Amended[] = [];
  for (const change of replacements(before.resources, resources) ?? []) {
    const found = sameEntries(change, before);
    if (found === undefined) return undefined;
    changed.push(...found);
  }
  if (changed.length === 0) return undefined;
  return {
    ...before,
    resources,
    entries: replaceAll(before.entries, changed),
    byNamespace: regrouped(before.byNamespace, changed, ({ service }) => service.namespace),
  };
}

function sameEntries(change: Replacement<Resource>, before: Registry): Amended[] | undefined {
  const { settings, namespaces } = before;
  const origin = originOf(settings, namespaces, before);
  const defined = entriesOf(change.after, origin(change.after));
  const entries = (before.byNamespace.get(change.before.namespace) ?? []).filter(
    ({ definitions }) => definitions.some(({ resource }) => resource === change.before),
  );
  if (entries.length !== defined.length) return undefined;
  const changed: Amended[] = [];
  for (const { definitions } of defined) {
    const entry = entries.find((it) => it.definitions[0]?.service === definitions[0]?.service);
    if (entry?.definitions.length !== 1) return undefined;
    // The service of the entry may have names and addresses besides those that it is defined with.
    changed.push({ before: entry, after: { service: entry.service, definitions } });
  }
  return changed;
}

/** One entry for each host of a namespace. v1 Services come first, whatever their age. */
function joined(
  resources: readonly Resource[],
  entriesOf: (resource: Resource) => readonly RegistryEntry[],
): RegistryEntry[] {
  const hosts = new Map<string, RegistryEntry>();
  const isService = ({ kind }: Resource) => kind === 'Service';
  const others = resources.filter((resource) => !isService(resource));
  for (const resource of [...resources.filter(isService), ...others]) {
    for (const next of entriesOf(resource)) {
      const key = `${resource.namespace}/${next.service.hostname}`;
      const existing = hosts.get(key);
      const entry = existing === undefined ? next : join(existing, next);
      if (entry !== existing) hosts.set(key, entry);
    }
  }
  return [...hosts.values()];
}

interface Defined {
  entries?: readonly RegistryEntry[];
}

const definedBy = memoize(
  (_settings: MeshSettings, _resource: Resource, _defaults: NamespaceDefaults): Defined => ({}),
);

/** What the services of a resource are made with. */
interface Origin {
  settings: MeshSettings;
  defaults: NamespaceDefaults;
  previous: Registry | undefined;
}

function originOf(
  settings: MeshSettings,
  namespaces: readonly Resource[],
  previous: Registry | undefined,
): (resource: Resource) => Origin {
  const defaults = namespaceDefaults(namespaces, settings);
  return ({ namespace }) => ({ settings, defaults: defaults(namespace), previous });
}

/**
 * The services that a resource defines. An edit that leaves a service equal, as one of the endpoints of a ServiceEntry
 * does, leaves it the same object, so that nothing is made of it again.
 */
function entriesOf(resource: Resource, origin: Origin): readonly RegistryEntry[] {
  const defined = definedBy(origin.settings, resource, origin.defaults);
  defined.entries ??= servicesOf(resource, origin).map((made) => {
    const service = equalBefore(made, origin.previous) ?? made;
    return { service, definitions: [{ service, resource }] };
  });
  return defined.entries;
}

function servicesOf(resource: Resource, { settings, defaults }: Origin): readonly Service[] {
  return resource.kind === 'Service'
    ? [kubernetesService(settings, resource, defaults)]
    : serviceEntryServices(settings, resource, defaults);
}

function equalBefore(made: Service, previous: Registry | undefined): Service | undefined {
  for (const { definitions } of previous?.byNamespace.get(made.namespace) ?? []) {
    for (const { service } of definitions) {
      if (service.hostname === made.hostname && isEqual(service, made)) return service;
    }
  }
  return undefined;
}

/**
 * The older of two definitions counts, but a v1 Service counts before a ServiceEntry, so that nobody takes a host
 * away from a Service. The endpoints of ServiceEntries of one resolution come together, whatever else they differ in
 * (Istio's endpoint index is by host and namespace), and so do those of a ServiceEntry and a Service; ports only where
 * ServiceEntries are alike, addresses also where all ports are known.
 */
const join = memoize((existing: RegistryEntry, next: RegistryEntry): RegistryEntry => {
  const [a, b] = [existing.service, next.service];
  if (a.registry === 'kubernetes') return withEndpointsOf(existing, next);
  if (a.resolution !== b.resolution) return existing;
  const alike =
    visibilityKey(a) === visibilityKey(b) &&
    sameLabels(a.labels, b.labels) &&
    sameLabels(a.selector, b.selector);
  const numbers = new Set(a.ports.map(({ number }) => number));
  const added = alike ? b.ports.filter(({ number }) => !numbers.has(number)) : [];
  const known = alike || b.ports.every(({ number }) => numbers.has(number));
  // One without addresses stands at the wildcard, which must not be lost.
  const called = known && a.addresses.length > 0 ? b.addresses : [];
  const addresses = [...new Set([...a.addresses, ...called])];
  const same = added.length === 0 && addresses.length === a.addresses.length;
  return {
    service: same ? a : { ...a, addresses, ports: [...a.ports, ...added] },
    definitions: [...existing.definitions, ...next.definitions],
  };
});

/** A v1 Service with the ServiceEntries of its host; they add nothing but endpoints, as workloads outside Kubernetes. */
function withEndpointsOf(service: RegistryEntry, other: RegistryEntry): RegistryEntry {
  if (service.service.resolution !== 'static') return service;
  return { ...service, definitions: [...service.definitions, ...other.definitions] };
}

function visibilityKey({ visibility }: Service): string {
  return visibility === '*' ? '*' : [...visibility].sort(compareText).join(',');
}

function sameLabels(
  a: Readonly<Record<string, string>> | undefined,
  b: Readonly<Record<string, string>> | undefined,
): boolean {
  const keys = Object.keys(a ?? {});
  if (keys.length !== Object.keys(b ?? {}).length) return false;
  return keys.every((key) => a?.[key] === b?.[key]);
}

/** REGISTRY_ONLY: an ExternalName opens no way to a host that the registry does not have. */
function mayBeCalled(settings: MeshSettings) {
  const all = settings.outboundTrafficPolicy !== 'REGISTRY_ONLY';
  return ({ service }: RegistryEntry) => all || service.externalName === undefined;
}

/**
 * A v1 Service of type ExternalName whose target is a service of the mesh is another name of it (Istio's default
 * since 1.22) and no service of its own; aliases of aliases are followed, circles lead nowhere.
 */
function withAliases(entries: RegistryEntry[]): RegistryEntry[] {
  const targets = new Map<string, string>();
  for (const { service } of entries) {
    if (service.externalName === undefined) continue;
    if (!targets.has(service.hostname)) targets.set(service.hostname, service.externalName);
  }
  if (targets.size === 0) return entries;
  const concrete = new Set<string>();
  for (const { service } of entries) {
    if (service.externalName === undefined) concrete.add(service.hostname);
  }
  const aliases = new Map<string, string[]>();
  for (const hostname of targets.keys()) {
    const target = resolveAlias(hostname, targets);
    if (target === undefined || !concrete.has(target)) continue;
    aliases.set(target, [...(aliases.get(target) ?? []), hostname]);
  }
  const aliased = new Set([...aliases.values()].flat());
  return entries
    .filter(({ service }) => service.externalName === undefined || !aliased.has(service.hostname))
    .map((entry) => {
      const names = aliases.get(entry.service.hostname);
      return names ? withNames(entry, names.sort(compareText).join(' ')) : entry;
    });
}

function resolveAlias(hostname: string, targets: ReadonlyMap<string, string>) {
  const seen = new Set<string>();
  let target: string | undefined = hostname;
  while (target !== undefined && targets.has(target)) {
    if (seen.has(target)) return undefined;
    seen.add(target);
    target = targets.get(target);
  }
  return target;
}

const withNames = memoize(
  (entry: RegistryEntry, names: string): RegistryEntry => ({
    service: calledToo(entry.service, names),
    definitions: entry.definitions,
  }),
);

const calledToo = memoize(
  (service: Service, names: string): Service => ({ ...service, aliases: names.split(' ') }),
);

function byServiceAge(a: RegistryEntry, b: RegistryEntry): number {
  return byAge(a.service, b.service) || compareText(a.service.registry, b.service.registry);
}

function byHostname(services: readonly Service[]): ReadonlyMap<string, readonly Service[]> {
  const index = new Map<string, Service[]>();
  for (const service of services) {
    const others = index.get(service.hostname);
    if (others === undefined) index.set(service.hostname, [service]);
    else others.push(service);
  }
  for (const group of index.values()) {
    if (group.length > 1) group.sort((a, b) => rank(a) - rank(b) || byAge(a, b));
  }
  return index;
}

function rank(service: Service): number {
  return service.registry === 'kubernetes' ? 0 : 1;
}
