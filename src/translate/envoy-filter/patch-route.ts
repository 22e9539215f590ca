// Patches of route configurations, virtual hosts and routes, in Istio's order: what is there is merged and removed,
// then what is new is added.
import type { Route } from '../../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteConfiguration } from '../../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { mergeMessages } from '../../envoy/merge.js';
import { patchType } from '../../envoy/patch-type.js';
import { memoize } from '../../lib/memo.js';
import type { EnvoyFilterPatch } from '../../mesh/envoy-patch.js';
import { editList } from './edit-list.js';
import {
  matchesRoute,
  matchesRouteConfiguration,
  matchesVirtualHost,
  namesRoute,
} from './match.js';
import { isAdd, listRuleOf, type PatchJob, patchesTo, valueOf } from './patch.js';

/**
 * The route configuration with all patches of the job applied; the same object when none is for it. `serverPorts`: of a
 * gateway's.
 */
export function patchRouteConfiguration(
  given: RouteConfiguration,
  job: PatchJob,
  serverPorts: readonly number[] = [],
): RouteConfiguration {
  const meant = (applyTo: 'ROUTE_CONFIGURATION' | 'VIRTUAL_HOST' | 'HTTP_ROUTE') =>
    patchesTo(job, applyTo).filter((patch) => matchesRouteConfiguration(patch, given, serverPorts));
  const whole = meant('ROUTE_CONFIGURATION');
  const ofHosts = meant('VIRTUAL_HOST');
  const ofRoutes = meant('HTTP_ROUTE');
  if (whole.length + ofHosts.length + ofRoutes.length === 0) return given;
  let configuration = given;
  for (const patch of whole) {
    const lists = listRuleOf(patch);
    if (lists === undefined) continue;
    job.applied.add(patch);
    configuration = mergeMessages(
      patchType.ROUTE_CONFIGURATION,
      configuration,
      valueOf(patch),
      lists,
    );
  }
  const [hostPatches, routePatches] = [sameArray(...ofHosts), sameArray(...ofRoutes)];
  const hosts = (configuration.virtual_hosts ?? []).flatMap((host) => {
    const patched = patchVirtualHost(host, hostPatches, routePatches);
    for (const patch of patched.applied) job.applied.add(patch);
    return patched.host ?? [];
  });
  const added = ofHosts.filter(isAdd);
  for (const patch of added) job.applied.add(patch);
  return {
    ...configuration,
    virtual_hosts: [...hosts, ...added.map((patch) => valueOf<VirtualHost>(patch))],
  };
}

type Patches = readonly EnvoyFilterPatch[];

const sameArray = memoize((...patches: Patches): Patches => patches);

interface PatchedHost {
  /** Absent when it is removed. */
  host?: VirtualHost;
  applied: ReadonlySet<EnvoyFilterPatch>;
}

/** Remembered for each host: an edit of one among thousands merges that one again. */
const patchVirtualHost = memoize(
  (given: VirtualHost, ofHosts: Patches, ofRoutes: Patches): PatchedHost => {
    const applied = new Set<EnvoyFilterPatch>();
    let host = given;
    for (const patch of ofHosts) {
      const lists = listRuleOf(patch);
      if (isAdd(patch) || !matchesVirtualHost(patch, host)) continue;
      applied.add(patch);
      if (patch.operation === 'REMOVE') return { applied };
      if (patch.operation === 'REPLACE') host = valueOf(patch);
      if (lists) host = mergeMessages(patchType.VIRTUAL_HOST, host, valueOf(patch), lists);
    }
    const meant = ofRoutes.filter((patch) => matchesVirtualHost(patch, host));
    const routes = host.routes ?? [];
    const before = applied.size;
    const kept = routes.flatMap((route) => patchRoute(route, meant, applied) ?? []);
    const patched = addRoutes(kept, meant, applied);
    return { host: applied.size === before ? host : { ...host, routes: patched }, applied };
  },
);

/** Undefined when it is removed. */
function patchRoute(
  given: Route,
  patches: Patches,
  applied: Set<EnvoyFilterPatch>,
): Route | undefined {
  let route = given;
  for (const patch of patches) {
    const lists = listRuleOf(patch);
    if (!matchesRoute(patch, route)) continue;
    if (patch.operation === 'REMOVE') {
      applied.add(patch);
      return undefined;
    }
    if (lists === undefined) continue;
    applied.add(patch);
    route = mergeMessages(patchType.HTTP_ROUTE, route, valueOf(patch), lists);
  }
  return route;
}

function addRoutes(
  routes: readonly Route[],
  patches: Patches,
  applied: Set<EnvoyFilterPatch>,
): Route[] {
  let current = [...routes];
  for (const patch of patches.filter(isAdd)) {
    const edited = editList<Route>(current, patch, {
      value: valueOf(patch),
      ...(namesRoute(patch) && { anchor: (route) => matchesRoute(patch, route) }),
      firstNeedsAnchor: true,
    });
    if (edited === undefined) continue;
    applied.add(patch);
    current = edited;
  }
  return current;
}
