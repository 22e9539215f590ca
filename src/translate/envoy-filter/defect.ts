// What is wrong with a patched resource that Envoy would surely refuse: told here, the patch alone is left out, and
// not the resource held back. Values of patches were checked against the protos when they were accepted; everything
// else is for Envoy to judge.
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { RouteConfiguration } from '../../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import { type EnvoyMessage, LISTENER, ROUTE, type TypeUrl } from '../../envoy/resource.js';
import { isTerminalHttp, isTerminalNetwork, managerOf } from './filter-kinds.js';
import type { AnyFilter } from './patch-filters.js';

/** The first mistake, or undefined. */
export function defectOf(typeUrl: TypeUrl, message: EnvoyMessage): string | undefined {
  if ((message as { name?: string }).name === '') return 'the name would be empty';
  if (typeUrl === LISTENER) return listenerDefect(message as Listener);
  return typeUrl === ROUTE ? routeDefect(message as RouteConfiguration) : undefined;
}

function listenerDefect(listener: Listener): string | undefined {
  const { filter_chains: chains = [], default_filter_chain: fallback } = listener;
  for (const { filters = [] } of [...(chains ?? []), ...(fallback ? [fallback] : [])]) {
    const found =
      behindTerminal(filters, isTerminalNetwork) ?? filters.map(managerDefect).find(Boolean);
    if (found !== undefined) return found;
  }
  return undefined;
}

function managerDefect(filter: AnyFilter): string | undefined {
  const manager = managerOf(filter as Parameters<typeof managerOf>[0]);
  if (manager === undefined) return undefined;
  const { http_filters: filters = [], route_config: routes } = manager;
  return (
    behindTerminal(filters ?? [], isTerminalHttp) ?? (routes ? routeDefect(routes) : undefined)
  );
}

function behindTerminal(
  filters: readonly AnyFilter[],
  isTerminal: (filter: AnyFilter) => boolean,
): string | undefined {
  const at = filters.findIndex(isTerminal);
  if (at < 0 || at === filters.length - 1) return undefined;
  const [terminal, next] = [filters[at]?.name, filters[at + 1]?.name];
  return `${next} would stand behind ${terminal}, which ends the chain`;
}

/** Envoy takes each name and each domain once in a route configuration. */
function routeDefect({ virtual_hosts: hosts }: RouteConfiguration): string | undefined {
  const names = new Set<string>();
  const domains = new Set<string>();
  for (const { name = '', domains: own } of hosts ?? []) {
    if (names.has(name)) return `two virtual hosts would be called ${name}`;
    names.add(name);
    for (const domain of own ?? []) {
      if (domains.has(domain)) return `two virtual hosts would have the domain ${domain}`;
      domains.add(domain);
    }
  }
  return undefined;
}
