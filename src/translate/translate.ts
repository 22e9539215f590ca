// The top of translation: one view in, every Envoy resource of it out. The parts are in their own files; what is
// sent to whom and in which order is not decided here. There are no counters: a message that is the same object as
// in the result before was not built, and rebuilt.ts counts those that are not.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import {
  CLUSTER,
  ENDPOINT,
  type EnvoyMessage,
  LISTENER,
  type ResourceName,
  type ResourcesByType,
  ROUTE,
  SECRET,
  type TypeUrl,
  VIRTUAL_HOST,
} from '../envoy/resource.js';
import { Keep, KeepMap } from '../lib/keep.js';
import { layered } from '../lib/layered-map.js';
import { memoize, sameOr } from '../lib/memo.js';
import { replacedRuns } from '../lib/patched-map.js';
import { amendable, replaceAll } from '../lib/replaced.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { ProxyTraits, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem, VirtualService } from '../mesh/rules.js';
import type { Secrets } from '../mesh/secret.js';
import { assignmentMap, type ServiceClusters } from './assignment-map.js';
import {
  blackHoleCluster,
  dynamicDnsCluster,
  dynamicDnsSecrets,
  inboundPassthroughCluster,
  passthroughCluster,
} from './cluster.js';
import { seenByRoute } from './egress-listener.js';
import { applyEnvoyFilters, type PatchReport } from './envoy-filter/apply.js';
import { rulesOfServers } from './gateway-hosts.js';
import { gatewayPlan } from './gateway-plan.js';
import { buildGatewayRoute } from './gateway-route.js';
import { gatewaySecrets } from './gateway-secrets.js';
import type { BoundServer } from './gateway-server.js';
import { translateGrpc } from './grpc/translate.js';
import { inboundClusters } from './inbound-cluster.js';
import { inboundSecrets } from './inbound-listener.js';
import { inboundPlan } from './inbound-plan.js';
import { outboundListeners, ownListeners } from './listener.js';
import { hasLocality, peerAssignments } from './load-assignments.js';
import { type OutboundPlan, type OutboundRoutePlan, outboundPlan } from './outbound-plan.js';
import { buildRouteConfiguration } from './route.js';
import { secretsFor } from './server-secrets.js';
import { clustersByService, missingCredentials } from './service-clusters.js';
import { placeOf, traitsOf } from './traits.js';
import { splitRoutes } from './virtual-host-discovery.js';

/** What translating a view gives: messages by type and name, and what is doubtful in what users wrote. */
export interface Translation {
  resources: ResourcesByType;
  problems: readonly Problem[];
  /** What EnvoyFilters changed; absent for a view without any. */
  patches?: PatchReport;
}

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;

/**
 * Translates all that one view sees. Pure: equal inputs give equal objects and identical inputs the same ones, down
 * to the map of a type in which nothing changed. A bug of ours throws; the caller keeps the last good result of the
 * view (DESIGN.md, invariant 8).
 */
export const translate = memoize((view: ProxyView): Translation => {
  if (view.proxy.generator === 'grpc') return { resources: translateGrpc(view), problems: [] };
  const plan = outboundPlan(view);
  const resources = new Map<TypeUrl, ByName>([
    [CLUSTER, clusters(view)],
    [ENDPOINT, assignments(view)],
    [LISTENER, listeners(view)],
    [ROUTE, routes(view)],
  ]);
  const secrets = secretsOf(view);
  if (secrets.size > 0) resources.set(SECRET, secrets);
  const problems = [
    ...plan.problems,
    ...inboundPlan(view).problems,
    ...gatewayPlan(view).problems,
    ...missingCredentials(clustersByService(view), view.outbound.services),
  ];
  if (view.envoyFilters === undefined) {
    return { resources: withVirtualHosts(resources, view), problems };
  }
  const filtered = applyEnvoyFilters(resources, view);
  return {
    resources: withVirtualHosts(filtered.resources, view),
    problems: [...problems, ...filtered.problems],
    patches: filtered.report,
  };
});

/** Does the work of `translate` in a few parts, the largest of which is one type's: it finds them done. */
export function* translationSteps(view: ProxyView): Generator<void> {
  if (view.proxy.generator === 'grpc') return;
  outboundPlan(view);
  yield;
  clustersByService(view);
  yield;
  for (const make of [clusters, assignments, listeners, routes]) {
    make(view);
    yield;
  }
}

/**
 * What all proxies of a scope have is one layer, by identity; what is the workload's own is another. A proxy more of
 * a known scope costs its own layer and nothing else.
 */
const together = memoize((...layers: readonly ByName[]): ByName => layered(layers));

/** The same map for the same messages; for the few of one workload. */
const ownMap = memoize((...messages: readonly { name?: string }[]): ByName => byName(messages));

/** Endpoints are part of clusters only where clustersByService says so, which gives another array then. */
function clusters(view: ProxyView): ByName {
  const outbound = outboundClusterMap(clustersByService(view), view.settings, traitsOf(view));
  return together(outbound, ownMap(...ownClusters(view)));
}

function secretsOf(view: ProxyView): ByName {
  const own =
    view.gateway === undefined
      ? [...inboundSecrets(view), ...dynamicDnsSecrets(view.settings)]
      : gatewaySecrets(view);
  const outbound = clustersByService(view);
  const named = credentialSecrets(outbound, view.settings, view.secrets);
  return together(secretMap(outbound), ownMap(...named, ...own));
}

/** Of Secrets that DestinationRules name. */
const credentialSecrets = memoize(
  (outbound: readonly ServiceClusters[], settings: MeshSettings, secrets: Secrets | undefined) =>
    secrets === undefined
      ? []
      : outbound.flatMap(({ clusters }) =>
          clusters.flatMap(({ credentials }) =>
            credentials ? secretsFor(credentials, secrets, settings) : [],
          ),
        ),
);

const secretMap = amendable(
  (outbound: readonly ServiceClusters[]): ByName => byName(outbound.flatMap(filesOf)),
  ({ result, changes }) => {
    const all = changes.flatMap(({ before, after }) => [...filesOf(before), ...filesOf(after)]);
    return all.length === 0 ? result : undefined;
  },
);

function filesOf({ clusters }: ServiceClusters) {
  return clusters.flatMap(({ secrets = [] }) => secrets);
}

/** What all proxies are sent alike is one layer; what depends on the place of the client is another. */
function assignments(view: ProxyView): ByName {
  const { endpoints } = view.outbound;
  const { anywhere, placed } = byPlace(clustersByService(view));
  const { settings } = view;
  const proxy = traitsOf(view);
  const at = (clusters: readonly ServiceClusters[], place?: ProxyPlace) =>
    keptSame(assignmentMap(clusters, endpoints, place), kept(settings, proxy, ENDPOINT, place));
  const peers = peersOf(view);
  if (placed.length === 0) return together(at(anywhere), peers);
  return together(at(anywhere), at(placed, placeOf(view)), peers);
}

/** For a proxy that asks for its peers. */
function peersOf({ inbound, proxy }: ProxyView): ByName {
  if (inbound.peers === undefined) return noPeers;
  return peerAssignments(inbound.peers, proxy.place?.locality.region ?? '');
}

const noPeers: ByName = new Map();

/** Looked at once for each map. */
const keptSame = memoize((made: ByName, keep: KeepMap<ResourceName, EnvoyMessage>) =>
  keep.same(made),
);

const byPlace = amendable(
  (all: readonly ServiceClusters[]) => ({
    anywhere: all.filter((each) => !isPlaced(each)) as readonly ServiceClusters[],
    placed: all.filter(isPlaced) as readonly ServiceClusters[],
  }),
  ({ result: { anywhere, placed }, changes }) => {
    if (changes.some(({ before, after }) => isPlaced(before) !== isPlaced(after))) return undefined;
    const here = changes.filter(({ after }) => isPlaced(after));
    const all = changes.filter(({ after }) => !isPlaced(after));
    return { anywhere: replaceAll(anywhere, all), placed: replaceAll(placed, here) };
  },
);

function isPlaced({ clusters }: ServiceClusters): boolean {
  return hasLocality(clusters);
}

/** Endpoints come into listeners by the plan only. */
function listeners(view: ProxyView): ByName {
  const outbound = outboundListenerMap(view.settings, traitsOf(view), outboundListeners(view));
  return together(outbound, ownMap(...ownListeners(view)));
}

const outboundListenerMap = memoize(
  (settings: MeshSettings, proxy: ProxyTraits, made: readonly Listener[]): ByName =>
    kept(settings, proxy, LISTENER).same(byName(made)),
);

/** VHDS beside RDS where the proxy takes virtual hosts one by one. */
function withVirtualHosts(resources: ResourcesByType, { proxy }: ProxyView): ResourcesByType {
  const whole = resources.get(ROUTE);
  if (!proxy.virtualHostDiscovery || whole === undefined) return resources;
  const { routes: cut, virtualHosts } = splitRoutes(whole);
  return new Map(resources).set(ROUTE, cut).set(VIRTUAL_HOST, virtualHosts);
}

function routes(view: ProxyView): ByName {
  if (view.gateway !== undefined) return gatewayRoutes(view);
  const plan = outboundPlan(view);
  const { services, virtualServices, listeners } = view.outbound;
  const proxy = traitsOf(view);
  const seen = listeners ?? services;
  const { settings } = view;
  const last = lastRoutes(proxy, plan);
  const same =
    last.settings === settings &&
    last.services === services &&
    last.seen === seen &&
    last.virtualServices === virtualServices;
  if (last.made === undefined || !same) {
    const all = byName(plan.routes.map((planned) => routeConfiguration(view, planned)));
    const made = kept(settings, proxy, ROUTE).same(all);
    Object.assign(last, { settings, services, seen, virtualServices, made });
    return made;
  }
  return last.made;
}

/** The routes of a router; the same map while none of them changed. */
function gatewayRoutes(view: ProxyView): ByName {
  const { outbound, settings } = view;
  const proxy = traitsOf(view);
  const virtualServices = view.gateway?.virtualServices ?? [];
  const made = gatewayPlan(view).routes.map(({ name, port, servers }) => {
    // An edit of one rule leaves the routes of other servers as they are, of which there may be a thousand.
    const last = lastRules(servers);
    last.rules = sameOr(last.rules, rulesOfServers(servers, virtualServices));
    return gatewayRoute(servers, outbound.services, last.rules, settings, proxy, name, port);
  });
  return kept(settings, proxy, ROUTE).same(byName(made));
}

const lastRules = memoize(
  (_servers: readonly BoundServer[]): { rules?: readonly VirtualService[] } => ({}),
);

const gatewayRoute = memoize(
  (
    servers: readonly BoundServer[],
    outbound: readonly ServiceView[],
    virtualServices: readonly VirtualService[],
    settings: MeshSettings,
    proxy: ProxyTraits,
    name: string,
    port: number,
  ): RouteConfiguration => {
    const request = { name, port, servers, outbound, virtualServices, proxy, settings };
    return keptRoute(settings, proxy, name).equal(buildGatewayRoute(request));
  },
);

/** The routes made last of a plan, and of what. */
interface LastRoutes {
  settings?: MeshSettings;
  services?: readonly ServiceView[];
  seen?: object;
  virtualServices?: readonly VirtualService[];
  made?: ByName;
}

const lastRoutes = memoize((_proxy: ProxyTraits, _plan: OutboundPlan): LastRoutes => ({}));

function byName(messages: readonly { name?: string }[]): ByName {
  return new Map(messages.map((message) => [message.name ?? '', message]));
}

/** The map of before where nothing of the type changed. Kept apart by what proxies may differ in. */
const kept = memoize(
  (..._key: [MeshSettings, ProxyTraits, TypeUrl, ProxyPlace?]) =>
    new KeepMap<ResourceName, EnvoyMessage>(),
);

function ownClusters(view: ProxyView): Cluster[] {
  const { settings, proxy } = view;
  if (proxy.type !== 'sidecar') return [];
  return [...inboundClusters(view), inboundPassthroughCluster(settings, proxy.ipv4, proxy.ipv6)];
}

const outboundClusterMap = amendable(
  (byService: readonly ServiceClusters[], settings: MeshSettings, proxy: ProxyTraits): ByName => {
    const all = new Map<ResourceName, EnvoyMessage>();
    for (const { clusters: ofService } of byService) {
      for (const { name, cluster } of ofService) all.set(name, cluster);
    }
    const dynamic =
      settings.outboundTrafficPolicy === 'ALLOW_ANY_DYNAMIC_DNS' && proxy.type === 'sidecar';
    for (const cluster of [
      blackHoleCluster(settings),
      passthroughCluster(settings),
      ...(dynamic ? [dynamicDnsCluster(settings, proxy.ipv4, proxy.ipv6)] : []),
    ]) {
      all.set(cluster.name ?? '', cluster);
    }
    return kept(settings, proxy, CLUSTER).same(all);
  },
  ({ result, changes }, _byService, settings, proxy) => {
    const runs = changes.map(({ before, after }) => ({
      keys: before.clusters.map(({ name }) => name),
      entries: after.clusters.map(({ name, cluster }) => [name, cluster] as const),
    }));
    const next = replacedRuns<ResourceName, EnvoyMessage>(result, runs);
    return next && kept(settings, proxy, CLUSTER).same(next);
  },
);

function routeConfiguration(view: ProxyView, plan: OutboundRoutePlan): RouteConfiguration {
  const { outbound, settings } = view;
  const { services } = outbound;
  const { virtualServices } = seenByRoute(outbound, plan);
  const proxy = traitsOf(view);
  return route(services, virtualServices, settings, proxy, plan.services, plan.name, plan.port);
}

const route = memoize(
  (
    outbound: readonly ServiceView[],
    virtualServices: readonly VirtualService[],
    settings: MeshSettings,
    proxy: ProxyTraits,
    services: readonly ServiceView[],
    name: string,
    port: number,
  ): RouteConfiguration => {
    const request = { name, port, services, outbound, virtualServices, proxy, settings };
    // Most edits of DestinationRules and services leave most routes equal.
    return keptRoute(settings, proxy, name).equal(buildRouteConfiguration(request));
  },
);

const keptRoute = memoize(
  (..._key: [MeshSettings, ProxyTraits, string]) => new Keep<RouteConfiguration>(),
);
