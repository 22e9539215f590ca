// Which user resources an Envoy resource was made of, found from its name: a NACK names the Envoy resource, the
// user wants the file. Kept out of the messages themselves (DESIGN.md, invariant 10). A look-up, used seldom; it
// names every resource that may have shaped the message, and the order says which is the likelier cause.
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourceName,
  ROUTE,
  SECRET,
  type TypeUrl,
  VIRTUAL_HOST,
} from '../envoy/resource.js';
import { hostCovers } from '../mesh/host-name.js';
import type { ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { ResourceId, VirtualService } from '../mesh/rules.js';
import { gatewayListenerSources, gatewayRouteSources } from './gateway-sources.js';
import { grpcSources } from './grpc/sources.js';
import { boundInboundName } from './inbound-plan.js';
import {
  parseClusterName,
  parseVirtualHostResourceName,
  VIRTUAL_INBOUND_LISTENER,
} from './names.js';
import { outboundPlan } from './outbound-plan.js';
import { secretSources } from './secret-sources.js';
import { translate } from './translate.js';

/**
 * The resources that shaped the named Envoy resource in this view: EnvoyFilters first, then rules before services,
 * since a service alone seldom makes what Envoy refuses. Empty for what no user resource makes.
 */
export function sourcesOf(
  view: ProxyView,
  typeUrl: TypeUrl,
  name: ResourceName,
): readonly ResourceId[] {
  return unique([...patchSources(view, typeUrl, name), ...ruleSourcesOf(view, typeUrl, name)]);
}

/** EnvoyFilters that changed the resource, the last one first: it saw the others' work. */
function patchSources(view: ProxyView, typeUrl: TypeUrl, name: ResourceName): ResourceId[] {
  if (view.envoyFilters === undefined) return [];
  const { patches } = translate(view);
  const found =
    typeUrl === VIRTUAL_HOST
      ? patches?.on(ROUTE, parseVirtualHostResourceName(name).route)
      : patches?.on(typeUrl, name);
  return [...(found ?? [])].reverse().map(({ source }) => source);
}

function ruleSourcesOf(
  view: ProxyView,
  typeUrl: TypeUrl,
  name: ResourceName,
): readonly ResourceId[] {
  if (view.proxy.generator === 'grpc') return unique(grpcSources(view, name));
  switch (typeUrl) {
    case CLUSTER:
    case ENDPOINT:
      return unique(clusterSources(view, name));
    case ROUTE:
      return unique(routeSources(view, name));
    case VIRTUAL_HOST:
      return unique(virtualHostSources(view, name));
    case LISTENER:
      return unique(listenerSources(view, name));
    case SECRET:
      return unique(secretSources(view, name));
    default:
      return [];
  }
}

function clusterSources(view: ProxyView, name: ResourceName): ResourceId[] {
  const parsed = parseClusterName(name);
  if (parsed === undefined) return [];
  const { direction, port, host } = parsed;
  if (direction === 'inbound') return inboundSources(view, port);
  return view.outbound.services
    .filter(({ service }) => service.hostname === host)
    .flatMap((seen) => [...ruleSources(seen), seen.service.source]);
}

/** Limits of a rule hold inbound too, so a rule may spoil an inbound cluster. */
function inboundSources({ inbound, outbound }: ProxyView, targetPort?: number): ResourceId[] {
  const services = inbound.ports
    .filter((port) => targetPort === undefined || port.targetPort === targetPort)
    .map(({ service }) => service);
  const hosts = new Set(services.map(({ hostname }) => hostname));
  const rules = outbound.services
    .filter(({ service }) => hosts.has(service.hostname))
    .flatMap(ruleSources);
  return [...rules, ...services.map(({ source }) => source)];
}

function routeSources(view: ProxyView, name: ResourceName): ResourceId[] {
  if (view.gateway !== undefined) return gatewayRouteSources(view, name);
  const plan = outboundPlan(view).routes.find((route) => route.name === name);
  if (plan === undefined) return [];
  const { services } = plan;
  return [
    ...virtualServices(view, services).flatMap(({ source, delegates = [] }) => [
      source,
      ...delegates,
    ]),
    ...services.flatMap(ruleSources),
    ...services.map(({ service }) => service.source),
  ];
}

/** The resources that are about this host; those of the whole route where it is no service. */
function virtualHostSources(view: ProxyView, name: ResourceName): ResourceId[] {
  const { route, virtualHost } = parseVirtualHostResourceName(name);
  const host = virtualHost.slice(0, virtualHost.lastIndexOf(':'));
  const found = view.outbound.services.filter(({ service }) => service.hostname === host);
  if (found.length === 0) return routeSources(view, route);
  return [
    ...view.outbound.virtualServices
      .filter(({ hosts }) => hosts.some((each) => hostCovers(each, host)))
      .flatMap(({ source, delegates = [] }) => [source, ...delegates]),
    ...found.flatMap(ruleSources),
    ...found.map(({ service }) => service.source),
  ];
}

function listenerSources(view: ProxyView, name: ResourceName): ResourceId[] {
  if (view.gateway !== undefined) return gatewayListenerSources(view, name);
  if (name === VIRTUAL_INBOUND_LISTENER) return inboundSources(view);
  const own = view.inbound.ports.find((port) => boundInboundName(port, view) === name);
  if (own !== undefined) return inboundSources(view, own.targetPort);
  const plan = outboundPlan(view).listeners.find((listener) => listener.name === name);
  if (plan === undefined) return [];
  if (plan.port === 0 || plan.http?.absoluteUrls) return routeSources(view, plan.http?.route ?? '');
  // Chains do not say whose they are; a service of this port may be there, save for those at other addresses.
  const services = view.outbound.services.filter(
    ({ service }) =>
      service.ports.some(({ number }) => number === plan.port) &&
      (service.addresses.length === 0 ||
        plan.addresses.some((bound) => isAnyAddress(bound) || service.addresses.includes(bound))),
  );
  const rules = virtualServices(view, services).filter(
    ({ tcp, tls }) => tcp.length > 0 || tls.length > 0,
  );
  return [
    ...rules.map(({ source }) => source),
    ...services.flatMap(ruleSources),
    ...services.map(({ service }) => service.source),
  ];
}

function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Rules for one of the services, and those for hosts that no service has: these may show up on any port. */
function virtualServices(view: ProxyView, services: readonly ServiceView[]): VirtualService[] {
  const known = view.outbound.services;
  const claims = (host: string, among: readonly ServiceView[]) =>
    among.some(({ service }) => hostCovers(host, service.hostname));
  return view.outbound.virtualServices.filter(({ hosts }) =>
    hosts.some((host) => claims(host, services) || !claims(host, known)),
  );
}

function ruleSources({ destinationRule }: ServiceView): readonly ResourceId[] {
  return destinationRule?.sources ?? [];
}

function unique(ids: readonly ResourceId[]): readonly ResourceId[] {
  const byKey = new Map(ids.map((id) => [`${id.kind}/${id.namespace}/${id.name}`, id]));
  return [...byKey.values()];
}
