// Which outbound listeners and routes a view needs: the one place that decides what shares a listener, what is left
// out for a conflict, and which services a route configuration covers. No Envoy message is made here: a plan is plain
// data, and equal plans are the same object, so that a listener is built again only when something in it changes.
import { interner } from '../lib/intern.js';
import { memoize } from '../lib/memo.js';
import { originOf, replaceAll } from '../lib/replaced.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem, VirtualService } from '../mesh/rules.js';
import { servicesByName } from './destination.js';
import { seenAtPort, seenByRoute } from './egress-listener.js';
import { headlessKey } from './headless.js';
import { boundInboundNames } from './inbound-plan.js';
import { boundAddresses, localhosts } from './listener-address.js';
import { listenerProtocol } from './listener-protocol.js';
import { HTTP_PROXY_ROUTE, listenerName, portRouteName } from './names.js';
import { type ListenerEntry, outboundEntries } from './outbound-conflict.js';
import { sameServices } from './service-views.js';
import { connectionHosts, connectionRules, type TcpChainPlan } from './tcp-route.js';

/** The HTTP side of a listener. */
export interface HttpChainPlan {
  /** RDS name. */
  route: string;
  /** A service on it speaks gRPC-Web. */
  grpcWeb: boolean;
  /** It is an HTTP proxy, whose callers name the port. */
  absoluteUrls?: boolean;
}

/** One outbound listener. Equal plans are the same object. */
export interface OutboundListenerPlan {
  /** `0.0.0.0_8080`, or `unix:///path_0`. */
  name: string;
  /** First the primary address; or a Unix socket, `unix://PATH`. */
  addresses: readonly string[];
  /** 0 for a Unix socket. */
  port: number;
  /** False: reached only from virtualOutbound, by the address that the client called. */
  bindToPort: boolean;
  http?: HttpChainPlan;
  /** No two of them match the same. */
  tcp: readonly TcpChainPlan[];
}

/** One route configuration that listeners ask for by name. `services` is the same array while it is equal. */
export interface OutboundRoutePlan {
  /** `PORT`, `HOST:PORT`, `http_proxy`, or `unix://PATH`. */
  name: string;
  /** The port that clients call; 0 for HTTP proxies and sockets, whose clients name it themselves. */
  port: number;
  /** The services that get a virtual host, sorted by hostname. */
  services: readonly ServiceView[];
}

export interface OutboundPlan {
  /** By port, then name; the HTTP proxy is last. virtualOutbound is not among them. */
  listeners: readonly OutboundListenerPlan[];
  routes: readonly OutboundRoutePlan[];
  /** Ports of services that are left out, and why. */
  problems: readonly Problem[];
}

const nothing: OutboundPlan = { listeners: [], routes: [], problems: [] };

/** Decides the outbound side of a view; nothing for routers. The same object for the same parts of the view. */
export function outboundPlan(view: ProxyView): OutboundPlan {
  if (view.proxy.type !== 'sidecar') return nothing;
  const { services, virtualServices, listeners } = view.outbound;
  const rules = connectionRules(virtualServices);
  const { settings } = view;
  const traits = traitsKey(view);
  const last = lastPlan(listeners ?? services, traits);
  // Only addresses of headless services make listeners, so other changes of endpoints do not come this far.
  const headless = headlessKey(view.outbound);
  const of: PlanSources = { services, rules, settings, headless };
  if (last.plan === undefined || !sameSources(last, of)) {
    last.plan = planWithOtherRules(view, traits, of) ?? makePlan(view);
    Object.assign(last, of);
  }
  return last.plan;
}

interface PlanSources {
  services: readonly ServiceView[];
  rules: readonly VirtualService[];
  settings: MeshSettings;
  headless: string;
}

/** The plan made last for what proxies of some traits see, and of what. */
interface LastPlan extends Partial<PlanSources> {
  plan?: OutboundPlan;
}

const lastPlan = memoize((_seen: object, _traits: string): LastPlan => ({}));

function sameSources(a: Partial<PlanSources>, b: PlanSources): boolean {
  return (Object.keys(b) as (keyof PlanSources)[]).every((key) => a[key] === b[key]);
}

/**
 * The plan of before where other DestinationRules are in force for HTTP services: its listeners do not ask for these,
 * and its routes take the new views. Undefined for other changes.
 */
function planWithOtherRules(
  { outbound }: ProxyView,
  traits: string,
  of: PlanSources,
): OutboundPlan | undefined {
  const origin = originOf(of.services);
  if (origin === undefined || outbound.listeners !== undefined) return undefined;
  const last = lastPlan(origin.list, traits);
  if (last.plan === undefined || !sameSources(last, { ...of, services: origin.list })) {
    return undefined;
  }
  const { changes } = origin;
  const called = servicesByName(changes.map(({ after }) => after));
  const inListeners =
    changes.some(({ after }) => after.service.ports.some(speaksTcp)) ||
    of.rules.some((rule) => connectionHosts(rule).some((host) => called.has(host)));
  if (!sameServices(changes) || inListeners) return undefined;
  const routes = last.plan.routes.map((route) => {
    const ofRoute = changes.filter(({ before }) => route.services.includes(before));
    if (ofRoute.length === 0) return route;
    return routePlan(route.name, route.port, replaceAll(route.services, ofRoute));
  });
  return { ...last.plan, routes };
}

/** What the plan reads of the proxy. Without interception two proxies share a plan only at equal addresses. */
function traitsKey(view: ProxyView): string {
  const { namespace, labels, interceptionMode, ipv4, ipv6, dnsCapture } = view.proxy;
  const bound = interceptionMode === 'NONE';
  const own = bound ? [view.inbound.ips, view.inbound.ports.map((port) => port.targetPort)] : [];
  const taken = boundInboundNames(view);
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, sorted, bound, ipv4, ipv6, own, taken, dnsCapture]);
}

const internListener = interner<OutboundListenerPlan>();

function makePlan(view: ProxyView): OutboundPlan {
  const { entries, problems } = outboundEntries(view);
  const listeners = entries
    .map(toListener)
    .sort((a, b) => a.port - b.port || (a.name < b.name ? -1 : 1));
  const routes = new Map<string, OutboundRoutePlan>();
  for (const { http, port } of entries) {
    if (http !== undefined && !routes.has(http.route)) {
      const at = http.isProxy ? 0 : port;
      routes.set(http.route, routePlan(http.route, at, servicesOfRoute(view, http, at)));
    }
  }
  const proxy = httpProxy(view);
  if (proxy !== undefined) {
    const others = listeners.filter(({ name }) => name !== proxy.name);
    listeners.splice(0, listeners.length, ...others, proxy);
    const { services } = seenAtPort(view.outbound, 0);
    const all = services.filter(({ service }) => service.ports.some(speaksHttp));
    routes.set(HTTP_PROXY_ROUTE, routePlan(HTTP_PROXY_ROUTE, 0, all));
  }
  const sortedRoutes = [...routes.values()].sort(
    (a, b) => a.port - b.port || (a.name < b.name ? -1 : 1),
  );
  return {
    listeners: listeners.map((plan) => internListener(JSON.stringify(plan), plan)),
    routes: sortedRoutes,
    problems,
  };
}

function toListener({
  addresses,
  port,
  bindToPort,
  http,
  tcp,
}: ListenerEntry): OutboundListenerPlan {
  return {
    name: listenerName(addresses[0]!, port),
    addresses,
    port,
    bindToPort,
    ...(http && {
      http: {
        route: http.route,
        grpcWeb: http.grpcWeb,
        ...(http.isProxy && { absoluteUrls: true }),
      },
    }),
    tcp: tcp.map(({ chain }) => chain),
  };
}

/**
 * `http_proxy=http://ADDRESS:PORT`: any service by its name. At MeshConfig.proxyHttpPort; without interception also
 * when that is not given, at the port that intercepted traffic would come to.
 */
function httpProxy(view: ProxyView): OutboundListenerPlan | undefined {
  const { proxy, settings } = view;
  const bound = proxy.interceptionMode === 'NONE';
  const port = settings.config.proxyHttpPort || (bound ? settings.proxyListenPort : undefined);
  if (port === undefined || proxy.type !== 'sidecar') return undefined;
  const addresses = bound ? boundAddresses(view) : localhosts(proxy);
  return {
    name: listenerName(addresses[0]!, port),
    addresses,
    port,
    bindToPort: true,
    http: { route: HTTP_PROXY_ROUTE, grpcWeb: false, absoluteUrls: true },
    tcp: [],
  };
}

/** The shared route of a port has every service with HTTP or undeclared protocol there, those at own addresses too. */
function servicesOfRoute(
  view: ProxyView,
  http: NonNullable<ListenerEntry['http']>,
  port: number,
): readonly ServiceView[] {
  if (port === 0) {
    const { services } = seenByRoute(view.outbound, { name: http.route, port });
    return services.filter(({ service }) => service.ports.some(speaksHttp));
  }
  if (http.route !== portRouteName(port)) return [http.view];
  return httpServicesByPort(seenAtPort(view.outbound, port).services).get(port) ?? [];
}

const httpServicesByPort = memoize((services: readonly ServiceView[]) => {
  const byPort = new Map<number, ServiceView[]>();
  for (const view of services) {
    for (const port of view.service.ports.filter(speaksHttp)) {
      const known = byPort.get(port.number) ?? [];
      byPort.set(port.number, known);
      // A service may have a number twice, for another protocol.
      if (known.at(-1) !== view) known.push(view);
    }
  }
  return byPort;
});

function speaksTcp({ protocol }: ServiceView['service']['ports'][number]): boolean {
  const kind = listenerProtocol(protocol);
  return kind === 'tcp' || kind === 'auto';
}

function speaksHttp({ protocol }: ServiceView['service']['ports'][number]): boolean {
  const kind = listenerProtocol(protocol);
  return kind === 'http' || kind === 'auto';
}

const lastRoutes = new WeakMap<ServiceView, Map<string, OutboundRoutePlan>>();

/** The route plan of the last time when it covers the same services: what is built from it is then found again. */
function routePlan(
  name: string,
  port: number,
  services: readonly ServiceView[],
): OutboundRoutePlan {
  const first = services[0];
  if (first === undefined) return { name, port, services };
  const byName = lastRoutes.get(first) ?? new Map<string, OutboundRoutePlan>();
  lastRoutes.set(first, byName);
  const before = byName.get(name);
  const same =
    before?.services.length === services.length &&
    before.services.every((view, i) => view === services[i]);
  if (before !== undefined && same) return before;
  const plan = { name, port, services };
  byName.set(name, plan);
  return plan;
}
