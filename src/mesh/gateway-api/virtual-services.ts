// The VirtualServices that routes stand for: one for each host of a listener, or of a Service in the mesh, with the rules
// of all routes for it in their order of precedence. As in Istio, a host is looked at by itself.
import type { ResourceId } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';
import { byAge, compareText } from '../order.js';
import type { HttpMatch, TcpRule, TlsRule, VirtualService } from '../rules.js';
import type { Attachment, ParentState } from './attachment.js';
import { isMoreSpecific } from './attachment.js';
import type { Backend } from './backends.js';
import type { GatewayState, ListenerState } from './listeners.js';
import { byPrecedence, type RankedRule } from './precedence.js';

/** A route with its parents and what its rules are. */
export interface RouteState {
  resource: Resource;
  parents: readonly ParentState[];
  /** By who enforces grants: Gateways do. */
  http?: { gateway: readonly RankedRule[]; mesh: readonly RankedRule[] };
  /** Of TLSRoute and TCPRoute: the backends of the first rule, with their weights. */
  connections?: { gateway: WeightedBackends; mesh: WeightedBackends };
}

/** All VirtualServices of routes, oldest first. Routes are given oldest first. */
export function virtualServicesOf(
  routes: readonly RouteState[],
  gateways: readonly GatewayState[],
): VirtualService[] {
  return [
    ...httpAtListeners(routes),
    ...httpInMesh(routes),
    ...routes.flatMap(connectionRules),
    ...gateways.flatMap(({ listeners }) => isolation(listeners, routes)),
  ].sort(
    (a, b) =>
      byAge({ age: a.age, ...a.source }, { age: b.age, ...b.source }) ||
      compareText(placeOf(a), placeOf(b)),
  );
}

const placeOf = ({ gateways, hosts }: VirtualService) => `${gateways.join()} ${hosts.join()}`;

/** What is put together: the routes of one place, and their rules. */
interface Group {
  routes: { resource: Resource; rules: readonly RankedRule[]; port?: number }[];
  host: string;
  gateway: string;
  namespace: string;
}

function httpAtListeners(routes: readonly RouteState[]): VirtualService[] {
  const groups = new Map<string, Group>();
  for (const { resource, parents, http } of routes) {
    if (http === undefined) continue;
    for (const { listener, hosts } of attachmentsOf(parents)) {
      if (listener.server === undefined) continue;
      for (const host of hosts) {
        const { name: gateway } = listener;
        const group = groupOf(groups, { host, gateway, namespace: '' });
        // Two parents may lead to one listener.
        if (group.routes.some((each) => each.resource === resource)) continue;
        group.routes.push({ resource, rules: http.gateway });
      }
    }
  }
  return [...groups.values()].map(mergedOf);
}

/**
 * Routes of the namespace of the Service are for all clients; those of another one only for clients there (Gateway
 * API, "consumer routes").
 */
function httpInMesh(routes: readonly RouteState[]): VirtualService[] {
  const groups = new Map<string, Group>();
  for (const { resource, parents, http } of routes) {
    for (const { service } of parents) {
      if (service === undefined || http === undefined) continue;
      const namespace = service.namespace === resource.namespace ? '' : resource.namespace;
      const group = groupOf(groups, { host: service.hostname, gateway: 'mesh', namespace });
      const { port } = service;
      const rules = withoutSessions(http.mesh);
      group.routes.push({ resource, rules, ...(port !== undefined && { port }) });
    }
  }
  return [...groups.values()].map(mergedOf);
}

/** Sidecars have no filter for sessions. */
const withoutSessions = memoize((rules: readonly RankedRule[]): readonly RankedRule[] =>
  rules.some(({ rule }) => rule.session)
    ? rules.map(({ rule: { session: _, ...rule }, rank }) => ({ rule, rank }))
    : rules,
);

function groupOf(groups: Map<string, Group>, of: Omit<Group, 'routes'>): Group {
  const key = `${of.gateway} ${of.host} ${of.namespace}`;
  const group = groups.get(key) ?? { ...of, routes: [] };
  groups.set(key, group);
  return group;
}

function mergedOf({ routes, host, gateway, namespace }: Group): VirtualService {
  const [first, ...others] = routes.map(({ resource, rules, port }) =>
    partOf(resource, rules, port),
  );
  return merged(host, gateway, namespace, first!, ...others);
}

/** A route's part in a VirtualService. */
interface Part {
  resource: Resource;
  rules: readonly RankedRule[];
}

const partOf = memoize(
  (resource: Resource, rules: readonly RankedRule[], port: number | undefined): Part => ({
    resource,
    rules: port === undefined ? rules : rules.map((each) => atPort(each, port)),
  }),
);

function atPort({ rule, rank }: RankedRule, port: number): RankedRule {
  const match = (rule.match ?? []).map((one): HttpMatch => ({ ...one, port }));
  return { rule: { ...rule, match }, rank };
}

const merged = (host: string, gateway: string, namespace: string, ...parts: readonly Part[]) =>
  mergedParts(parts[0]!, host, gateway, namespace, ...parts.slice(1));

const mergedParts = memoize(
  (
    first: Part,
    host: string,
    gateway: string,
    namespace: string,
    ...others: readonly Part[]
  ): VirtualService => ({
    ...emptyRule(first.resource, host, gateway, namespace),
    ...(others.length > 0 && { delegates: others.map(({ resource }) => idOf(resource)) }),
    http: byPrecedence([first, ...others].flatMap(({ rules }) => rules)),
  }),
);

const everybody = '*' as const;

function emptyRule(
  resource: Resource,
  host: string,
  gateway: string,
  namespace: string,
): VirtualService {
  return {
    source: idOf(resource),
    age: resource.age,
    hosts: [host],
    gateways: [gateway],
    visibility: namespace === '' ? everybody : new Set([namespace]),
    http: [],
    tcp: [],
    tls: [],
  };
}

function idOf({ kind, namespace, name }: Resource): ResourceId {
  return { kind, namespace, name };
}

function attachmentsOf(parents: readonly ParentState[]): readonly Attachment[] {
  return parents.flatMap(({ attachments }) => attachments);
}

/** A listener with a hostname of its own takes its requests from others of the port, even without a route for them. */
function isolation(
  listeners: readonly ListenerState[],
  routes: readonly RouteState[],
): VirtualService[] {
  return listeners.flatMap((listener) => {
    const { server, hostname } = listener;
    if (server === undefined || listener.listener.protocol !== 'HTTP') return [];
    if (!listeners.some((other) => isMoreSpecific(listener, other))) return [];
    const isServed = routes.some(
      ({ http, parents }) =>
        http !== undefined &&
        attachmentsOf(parents).some(
          (each) => each.listener === listener && each.hosts.includes(hostname),
        ),
    );
    return isServed ? [] : [nothingAt(listener.gateway, hostname, listener.name)];
  });
}

const nothingAt = memoize(
  (resource: Resource, hostname: string, gateway: string): VirtualService => ({
    ...emptyRule(resource, hostname, gateway, ''),
    http: [
      { match: [{ uri: { prefix: '/' } }], directResponse: { status: 404 }, gatewayApi: true },
    ],
  }),
);

/** Backends of connections with their weights. */
export type WeightedBackends = readonly { backend: Backend; weight: number }[];

/** One rule for connections; plain data, of which and of the route it is made. */
interface ConnectionPlace {
  kind: 'tls' | 'tcp';
  host: string;
  gateway: string;
  /** Of the clients that it is for; empty: all. */
  namespace: string;
  /** Of the Service that is called; 0: any. */
  port: number;
  backends: WeightedBackends;
}

function connectionRules({ resource, parents, connections }: RouteState): VirtualService[] {
  if (connections === undefined) return [];
  const isTls = resource.kind === 'TLSRoute';
  const places = new Map<string, ConnectionPlace>();
  for (const { listener, hosts } of attachmentsOf(parents)) {
    if (listener.server === undefined) continue;
    const passes = listener.server.servers[0]?.tls?.mode === 'PASSTHROUGH';
    for (const host of hosts) {
      places.set(`${listener.name} ${host}`, {
        ...{ kind: isTls && passes ? 'tls' : 'tcp', host, gateway: listener.name },
        ...{ namespace: '', port: 0, backends: connections.gateway },
      });
    }
  }
  for (const { service } of parents) {
    if (service === undefined) continue;
    const { hostname: host, namespace, port = 0 } = service;
    places.set(`mesh ${host} ${port}`, {
      ...{ kind: isTls ? 'tls' : 'tcp', host, gateway: 'mesh', port },
      namespace: namespace === resource.namespace ? '' : resource.namespace,
      backends: connections.mesh,
    });
  }
  return [...places.values()].map((place) => connectionRule(resource, JSON.stringify(place)));
}

const connectionRule = memoize((resource: Resource, place: string): VirtualService => {
  const { kind, host, gateway, namespace, port, backends } = JSON.parse(place) as ConnectionPlace;
  const rule = emptyRule(resource, host, gateway, namespace);
  const route = backends.map(({ backend, weight }) => ({
    destination: backend
      ? { host: backend.host, port: { number: backend.port } }
      : { host: '', port: { number: 0 } },
    weight,
  }));
  if (route.length === 0) return rule;
  const at = port === 0 ? {} : { port };
  const hostnames = (resource.spec as { hostnames?: string[] }).hostnames ?? [];
  const sniHosts = gateway === 'mesh' && hostnames.length > 0 ? hostnames : [host];
  const tls: TlsRule[] = [{ match: [{ sniHosts, ...at }], route }];
  const tcp: TcpRule[] = [{ ...(port !== 0 && { match: [at] }), route }];
  return { ...rule, ...(kind === 'tls' ? { tls } : { tcp }) };
});
