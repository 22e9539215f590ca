// Small hand-made inputs for the route tests: services, rules, a client. No expectations here.
import type { Route } from '../../src/envoy/gen/types/envoy/config/route/v3/Route.js';
import type { RouteConfiguration } from '../../src/envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { ProxyTraits, ServiceView } from '../../src/mesh/proxy-view.js';
import type { DestinationRule, HttpRule, VirtualService } from '../../src/mesh/rules.js';
import type { Service, ServicePort } from '../../src/mesh/service.js';
import { buildRouteConfiguration, type RouteRequest } from '../../src/translate/route.js';
import { settings } from './listener-inputs.js';

export const suffix = 'svc.cluster.local';

export const defaults = settings({});

export { settings };

export function proxy(some: Partial<ProxyTraits> = {}): ProxyTraits {
  const namespace = some.namespace ?? 'default';
  return {
    type: 'sidecar',
    namespace,
    labels: {},
    interceptionMode: 'REDIRECT',
    dnsDomain: `${namespace}.${suffix}`,
    ipv4: true,
    ipv6: false,
    envoyVersion: '1.40.0',
    ...some,
  };
}

/** A v1 Service `name.namespace` (namespace `default` when it is not named) with HTTP ports. */
export function service(name: string, ports: readonly number[], some: Partial<Service> = {}) {
  const [first, namespace = 'default'] = name.split('.') as [string, string?];
  return view({
    ...serviceBase(`${first}.${namespace}.${suffix}`, ports),
    name: first,
    namespace,
    ...some,
  });
}

/** A host of a ServiceEntry in namespace `default` with HTTP ports. */
export function external(host: string, ports: readonly number[], some: Partial<Service> = {}) {
  return view({ ...serviceBase(host, ports), registry: 'external', meshExternal: true, ...some });
}

export function withRule(of: ServiceView, rule: Partial<DestinationRule>): ServiceView {
  const host = of.service.hostname;
  return { ...of, destinationRule: { sources: [], host, subsets: [], ...rule } };
}

export function port(number: number, protocol: ServicePort['protocol'] = 'HTTP'): ServicePort {
  return { number, name: `p${number}`, protocol };
}

let age = 0;

/** A VirtualService for `hosts`, younger than those made before it. */
export function rule(
  hosts: readonly string[],
  http: readonly HttpRule[],
  some: Partial<VirtualService> = {},
): VirtualService {
  age += 1;
  return {
    source: { kind: 'VirtualService', namespace: 'default', name: `rule-${age}` },
    age: { firstSeen: age },
    hosts,
    gateways: ['mesh'],
    visibility: '*',
    http,
    tcp: [],
    tls: [],
    ...some,
  };
}

/** A rule that sends everything to one host. */
export function to(host: string, some: Partial<HttpRule> = {}): HttpRule {
  return { route: [{ destination: { host } }], ...some };
}

/** The route configuration of a port, for all services that have it as HTTP or undeclared. */
export function routes(
  at: number,
  outbound: readonly ServiceView[],
  some: Partial<RouteRequest> = {},
): RouteConfiguration {
  const serves = (each: ServicePort) =>
    each.number === at && ['HTTP', 'HTTP2', 'GRPC', 'GRPC-Web', 'Auto'].includes(each.protocol);
  return buildRouteConfiguration({
    name: String(at),
    port: at,
    services: outbound.filter((each) => each.service.ports.some(serves)),
    outbound,
    virtualServices: [],
    proxy: proxy(),
    settings: defaults,
    ...some,
  });
}

/** Domains by virtual host. */
export function domainsOf(configuration: RouteConfiguration): Record<string, string[]> {
  return Object.fromEntries(
    (configuration.virtual_hosts ?? []).map((host) => [host.name ?? '', host.domains ?? []]),
  );
}

/** The routes of one virtual host. */
export function routesOf(configuration: RouteConfiguration, virtualHost: string): Route[] {
  return configuration.virtual_hosts?.find((host) => host.name === virtualHost)?.routes ?? [];
}

/** Routes of `a` (port 80) under one rule, in a mesh with `a`, `b` (both port 80) and `multi` (80, 8080). */
export function routesUnder(
  http: readonly HttpRule[],
  some: Partial<RouteRequest> = {},
  services: readonly ServiceView[] = [],
): Route[] {
  const names = new Set(services.map((each) => each.service.hostname));
  const base = [service('a', [80]), service('b', [80]), service('multi', [80, 8080])];
  const all = [...base.filter((each) => !names.has(each.service.hostname)), ...services];
  const source = { kind: 'VirtualService', namespace: 'default', name: 'a-rule' };
  const virtualServices = [rule([`a.default.${suffix}`], http, { source })];
  return routesOf(routes(80, all, { virtualServices, ...some }), `a.default.${suffix}:80`);
}

function view(made: Service): ServiceView {
  return { service: made };
}

function serviceBase(hostname: string, ports: readonly number[]): Service {
  return {
    hostname,
    namespace: 'default',
    name: hostname,
    registry: 'kubernetes',
    addresses: [],
    headless: false,
    ports: ports.map((number) => port(number)),
    resolution: 'static',
    meshExternal: false,
    visibility: '*',
    labels: {},
    age: { firstSeen: 0 },
    source: { kind: 'Service', namespace: 'default', name: hostname },
  };
}
