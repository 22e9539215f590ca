// Patches of listeners and of what is in them, in Istio's order: the listener, its listener filters, then each chain,
// its network filters, and the HTTP filters of its connection managers. Nothing that is given is changed.
import type { Filter } from '../../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { FilterChain } from '../../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { Listener } from '../../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { ListenerFilter } from '../../envoy/gen/types/envoy/config/listener/v3/ListenerFilter.js';
import type { HttpConnectionManager } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { mergeAnys, mergeMessages } from '../../envoy/merge.js';
import { patchType } from '../../envoy/patch-type.js';
import type { ApplyTo, EnvoyFilterPatch } from '../../mesh/envoy-patch.js';
import { isTerminalHttp, isTerminalNetwork, managerOf } from './filter-kinds.js';
import { matchesChain, matchesListener, matchesManager } from './match.js';
import { isAdd, listRuleOf, type PatchJob, patchesTo, valueOf } from './patch.js';
import { editFilters, mergeFilter } from './patch-filters.js';
import { patchRouteConfiguration } from './patch-route.js';

/** The listener with all patches of the job applied; undefined when one removes it. */
export function patchListener(given: Listener, job: PatchJob): Listener | undefined {
  let listener = given;
  for (const patch of patchesTo(job, 'LISTENER')) {
    if (!matchesListener(patch, listener)) continue;
    const lists = listRuleOf(patch);
    if (patch.operation === 'REMOVE') {
      job.applied.add(patch);
      return undefined;
    }
    if (lists === undefined) continue;
    job.applied.add(patch);
    listener = mergeMessages(patchType.LISTENER, listener, valueOf(patch), lists);
  }
  return patchChains(patchListenerFilters(listener, job), job);
}

function patchListenerFilters(listener: Listener, job: PatchJob): Listener {
  const patches = patchesTo(job, 'LISTENER_FILTER').filter((each) =>
    matchesListener(each, listener),
  );
  if (patches.length === 0) return listener;
  const before: readonly ListenerFilter[] = listener.listener_filters ?? [];
  const after = editFilters(before, patches, { job }).map((filter) =>
    mergeFilter(filter, patches, job),
  );
  return { ...listener, listener_filters: after };
}

function patchChains(listener: Listener, job: PatchJob): Listener {
  const chains = (listener.filter_chains ?? []).flatMap(
    (chain) => patchChain(chain, listener, job) ?? [],
  );
  const added = patchesTo(job, 'FILTER_CHAIN').filter(
    (patch) => isAdd(patch) && matchesListener(patch, listener),
  );
  for (const patch of added) job.applied.add(patch);
  const all = [...chains, ...added.map((patch) => valueOf<FilterChain>(patch))];
  const { default_filter_chain: fallback, ...rest } = listener;
  const patched = fallback ? patchChain(fallback, listener, job) : undefined;
  return {
    ...rest,
    ...(listener.filter_chains || all.length > 0 ? { filter_chains: all } : {}),
    ...(patched && { default_filter_chain: patched }),
  };
}

/** Undefined when it is removed. */
function patchChain(
  given: FilterChain,
  listener: Listener,
  job: PatchJob,
): FilterChain | undefined {
  let chain = given;
  const meant = (applyTo: ApplyTo) =>
    patchesTo(job, applyTo).filter(
      (patch) => matchesListener(patch, listener) && matchesChain(patch, listener, chain),
    );
  for (const patch of meant('FILTER_CHAIN')) {
    const lists = listRuleOf(patch);
    if (patch.operation === 'REMOVE') {
      job.applied.add(patch);
      return undefined;
    }
    if (lists === undefined) continue;
    job.applied.add(patch);
    chain = mergeChain(chain, valueOf(patch), lists);
  }
  const network = meant('NETWORK_FILTER');
  const http = meant('HTTP_FILTER');
  const filters = (chain.filters ?? []).map((filter) => patchInlineRoutes(filter, job));
  const edited = editFilters(filters, network, { job, isTerminal: isTerminalNetwork })
    .map((filter) => mergeFilter(filter, network, job))
    .map((filter) => patchHttpFilters(filter, http, job));
  return chain.filters || edited.length > 0 ? { ...chain, filters: edited } : chain;
}

/** Two transport sockets of one name are merged by what is in them; of two names, the patch's counts. */
function mergeChain(chain: FilterChain, patch: FilterChain, lists: 'append' | 'replace') {
  const { transport_socket: socket, ...rest } = patch;
  const merged = mergeMessages(patchType.FILTER_CHAIN, chain, rest, lists);
  return socket
    ? { ...merged, transport_socket: mergeSocket(chain.transport_socket, socket) }
    : merged;
}

/** A named extension with its configuration. */
interface Socket {
  name?: string;
  typed_config?: object | null;
}

/** The socket of the patch, merged into the one of the same name and type that is there. */
export function mergeSocket<S extends Socket>(base: S | null | undefined, patch: S): S {
  if (!base?.typed_config || !patch.typed_config || base.name !== patch.name) return patch;
  const config = mergeAnys(base.typed_config, patch.typed_config);
  return config === undefined ? patch : { ...base, typed_config: config };
}

/** Inbound chains carry their routes themselves. */
function patchInlineRoutes(filter: Filter, job: PatchJob): Filter {
  const manager = managerOf(filter);
  if (!manager?.route_config) return filter;
  const routes = patchRouteConfiguration(manager.route_config, job);
  if (routes === manager.route_config) return filter;
  return withManager(filter, { ...manager, route_config: routes });
}

function patchHttpFilters(
  filter: Filter,
  patches: readonly EnvoyFilterPatch[],
  job: PatchJob,
): Filter {
  const manager = managerOf(filter);
  const meant = patches.filter((patch) => matchesManager(patch, filter));
  if (manager === undefined || meant.length === 0) return filter;
  const before: readonly HttpFilter[] = manager.http_filters ?? [];
  const after = editFilters(before, meant, { job, isTerminal: isTerminalHttp }).map((each) =>
    mergeFilter(each, meant, job),
  );
  return withManager(filter, { ...manager, http_filters: [...after] });
}

function withManager(filter: Filter, manager: HttpConnectionManager): Filter {
  return { ...filter, typed_config: manager as NonNullable<Filter['typed_config']> };
}
