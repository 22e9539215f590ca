// Findings about the order of EnvoyFilters: a patch that goes by a filter which another EnvoyFilter adds changes nothing
// when it is applied before that one. What a patch changes at a proxy is found there (unmatched-patches.ts).
import type { Problem } from '../kinds/problem.js';
import type { Parts } from './analyzed-parts.js';
import type { EnvoyFilter, EnvoyFilters } from './envoy-filter.js';
import type { EnvoyFilterPatch } from './envoy-patch.js';

interface Placed {
  filter: EnvoyFilter;
  patch: EnvoyFilterPatch;
  /** Among those of its namespace, in the order of application. */
  place: number;
}

const adding: ReadonlySet<string> = new Set([
  'ADD',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
]);

/** Patches whose place depends on the age of another EnvoyFilter, or that come before it. */
export function analyzeEnvoyFilters({ envoyFilters }: Parts<'envoyFilters'>): Problem[] {
  const placed = [...envoyFilters.byNamespace.values()].flatMap((filters) =>
    filters.flatMap((filter, place) =>
      filter.patches.map(({ patch }): Placed => ({ filter, patch, place })),
    ),
  );
  const adders = new Map<string, Placed[]>();
  for (const one of placed) {
    const { name } = (one.patch.value ?? {}) as { name?: unknown };
    if (!adding.has(one.patch.operation) || typeof name !== 'string') continue;
    const key = `${one.patch.applyTo} ${name}`;
    adders.set(key, [...(adders.get(key) ?? []), one]);
  }
  return placed.flatMap((one): Problem[] => {
    const name = anchorOf(one.patch);
    const all = (name && adders.get(`${one.patch.applyTo} ${name}`)) || [];
    const others = all.filter((other) => meet(one, other, envoyFilters));
    const [adder] = others;
    if (adder === undefined || others.some((other) => isSettled(one, other, envoyFilters)))
      return [];
    return [problemOf(one, adder, envoyFilters)];
  });
}

/** The filter that a patch goes by. */
function anchorOf({ applyTo, listener }: EnvoyFilterPatch): string | undefined {
  if (applyTo === 'LISTENER_FILTER') return listener?.listenerFilter;
  const filter = listener?.filterChain?.filter;
  if (applyTo === 'HTTP_FILTER') return filter?.subFilter?.name;
  return applyTo === 'NETWORK_FILTER' ? filter?.name : undefined;
}

/** Whether some proxy may have both. */
function meet(a: Placed, b: Placed, { rootNamespace }: EnvoyFilters): boolean {
  const namespaces = new Set([a, b].map(({ patch }) => patch.source.namespace));
  namespaces.delete(rootNamespace);
  const contexts = new Set([a, b].map(({ patch }) => patch.context));
  contexts.delete('ANY');
  return namespaces.size < 2 && contexts.size < 2;
}

/** Applied after the other, whatever the age of the two. */
function isSettled(one: Placed, adder: Placed, filters: EnvoyFilters): boolean {
  if (one.filter === adder.filter) return one.patch.index >= adder.patch.index;
  if (one.filter.priority !== adder.filter.priority) return isAfter(one, adder, filters);
  return (
    one.patch.source.namespace !== adder.patch.source.namespace && isAfter(one, adder, filters)
  );
}

/** By priority, the root namespace before others, then by age (Istio API, EnvoyFilter). */
function isAfter(one: Placed, other: Placed, { rootNamespace }: EnvoyFilters): boolean {
  const byPriority = one.filter.priority - other.filter.priority;
  if (byPriority !== 0) return byPriority > 0;
  const isSameNamespace = one.patch.source.namespace === other.patch.source.namespace;
  if (!isSameNamespace) return other.patch.source.namespace === rootNamespace;
  return one.place > other.place;
}

function problemOf(one: Placed, adder: Placed, filters: EnvoyFilters): Problem {
  const { source, path } = one.patch;
  const other = `EnvoyFilter ${adder.patch.source.namespace}/${adder.patch.source.name}`;
  const after = isAfter(one, adder, filters);
  const message = after
    ? `it comes after ${other}, which adds ${anchorOf(one.patch)}, only because that one is older; a higher priority would make sure`
    : `it is applied before ${other}, which adds ${anchorOf(one.patch)}; give this one a higher priority`;
  const severity = after ? 'info' : 'warning';
  return { code: 'patch-order', severity, message, resource: source, path };
}
