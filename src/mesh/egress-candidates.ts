// What the egress hosts of a Sidecar may mean at most, found without a look at all services and rules of the mesh:
// `./*` costs what the namespace has. Whether it is really seen is EgressFilter's to say.
import { memoize, sameOr } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import { isWildcard } from './host-name.js';
import type { Mesh } from './mesh.js';
import type { VirtualService } from './rules.js';
import type { Service } from './service.js';
import type { EgressFilter } from './sidecar.js';

/** Services that the entries may mean, each once. */
export function candidateServices(mesh: Mesh, { included }: EgressFilter): Iterable<Service> {
  const found = new Set<Service>();
  for (const { namespace, host } of included) {
    if (!isWildcard(host)) add(found, mesh.servicesByHostname.get(host));
    else if (namespace !== '*') add(found, servicesByNamespace(mesh.services).get(namespace));
    else return mesh.services;
  }
  return found;
}

const servicesByNamespace = memoize((services: readonly Service[]) => {
  const index = new Map<string, Service[]>();
  for (const service of services) push(index, service.namespace, service);
  return index;
});

/** Rules that the entries may mean, in the order of the mesh, each once. */
export function candidateRules(
  virtualServices: readonly VirtualService[],
  { included }: EgressFilter,
): readonly VirtualService[] {
  const index = indexRules(virtualServices);
  const found = new Set<number>();
  for (const { namespace, host } of included) {
    if (namespace !== '*') add(found, index.byNamespace.get(namespace));
    else if (isWildcard(host)) return virtualServices;
    else {
      add(found, index.byHost.get(host));
      add(found, index.wild);
    }
  }
  return [...found].sort((a, b) => a - b).map((at) => virtualServices[at]!);
}

/** Some rules of the mesh in its order. */
export function inOrder(
  virtualServices: readonly VirtualService[],
  some: Iterable<VirtualService>,
): readonly VirtualService[] {
  const places = placesOf(virtualServices);
  return [...some].sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
}

const placesOf = memoize(
  (virtualServices: readonly VirtualService[]): ReadonlyMap<VirtualService, number> =>
    new Map(virtualServices.map((rule, at) => [rule, at])),
);

/** Places of rules in the list: by namespace, by host, and those for any wildcard. */
const indexRules = amendable(
  (virtualServices: readonly VirtualService[]) => {
    const byNamespace = new Map<string, number[]>();
    const byHost = new Map<string, number[]>();
    const wild: number[] = [];
    for (const [at, { source, hosts }] of virtualServices.entries()) {
      push(byNamespace, source.namespace, at);
      for (const host of hosts) {
        if (isWildcard(host)) wild.push(at);
        else push(byHost, host, at);
      }
    }
    return { byNamespace, byHost, wild };
  },
  ({ result, changes }) => {
    const same = changes.every(
      ({ before, after }) =>
        before.source.namespace === after.source.namespace &&
        sameOr(before.hosts, after.hosts) === before.hosts,
    );
    return same ? result : undefined;
  },
);

function add<T>(set: Set<T>, items: Iterable<T> = []): void {
  for (const item of items) set.add(item);
}

function push<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
