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
  connections?: { gateway: string; mesh: string };
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
      group.routes.push({ resource, rules: http.mesh, ...(port !== undefined && { port }) });
    }
  }
  return [...groups.values()].map(mergedOf);
}

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

function connectionRules({ resource, parents, connections }: RouteState): VirtualService[] {
  if (connections === undefined) return [];
  const isTls = resource.kind === 'TLSRoute';
  const seen = new Set<string>();
  const atListeners = attachmentsOf(parents).flatMap(({ listener, hosts }) =>
    listener.server === undefined
      ? []
      : hosts.flatMap((host): VirtualService | [] => {
          const key = `${listener.name} ${host}`;
          if (seen.has(key)) return [];
          seen.add(key);
          const passes = listener.server?.servers[0]?.tls?.mode === 'PASSTHROUGH';
          const kind = isTls && passes ? 'tls' : 'tcp';
          return connectionRule(resource, kind, host, listener.name, connections.gateway, 0);
        }),
  );
  const inMesh = parents.flatMap(({ service }) => {
    if (service === undefined) return [];
    const { hostname, port = 0 } = service;
    return connectionRule(
      resource,
      isTls ? 'tls' : 'tcp',
      hostname,
      'mesh',
      connections.mesh,
      port,
    );
  });
  return [...atListeners, ...inMesh];
}

const connectionRule = memoize(
  (
    resource: Resource,
    kind: 'tls' | 'tcp',
    host: string,
    gateway: string,
    backends: string,
    port: number,
  ): VirtualService => {
    const route = (JSON.parse(backends) as WeightedBackends).map(({ backend, weight }) => ({
      destination: backend
        ? { host: backend.host, port: { number: backend.port } }
        : { host: '', port: { number: 0 } },
      weight,
    }));
    const at = port === 0 ? {} : { port };
    const isConsumer = gateway === 'mesh' && host.split('.')[1] !== resource.namespace;
    const rule = emptyRule(resource, host, gateway, isConsumer ? resource.namespace : '');
    const hostnames = (resource.spec as { hostnames?: string[] }).hostnames ?? [];
    const sniHosts = gateway === 'mesh' && hostnames.length > 0 ? hostnames : [host];
    const tls: TlsRule[] = [{ match: [{ sniHosts, ...at }], route }];
    const tcp: TcpRule[] = [{ ...(port !== 0 && { match: [at] }), route }];
    return route.length === 0 ? rule : { ...rule, ...(kind === 'tls' ? { tls } : { tcp }) };
  },
);
