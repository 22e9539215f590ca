// Which listeners a route is attached to, for which hosts, and what each of its parents says to it.
import type { ParentRef } from '../../kinds/gateway-api-values.js';
import type { FieldPath } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import { hostCovers, serviceHostName } from '../host-name.js';
import { OUR_CONTROLLER } from './gateway-class.js';
import type { GatewayState, ListenerState, RouteKind } from './listeners.js';
import { find, GATEWAY_GROUP, type GatewayApiInput, isAllowedNamespace } from './resources.js';
import { bad, good, type Verdict } from './verdict.js';

/** A route at a listener. */
export interface Attachment {
  listener: ListenerState;
  /** What the route and the listener have in common, without what a more specific listener has; `*` is any. */
  hosts: readonly string[];
}

/** A parent that is ours. */
export interface ParentState {
  ref: ParentRef;
  controller: string;
  accepted: Verdict;
  attachments: readonly Attachment[];
  /** The Service in the mesh that is the parent. */
  service?: { hostname: string; namespace: string; port?: number };
}

/** What parents are looked up in. */
export type ParentInput = Pick<
  GatewayApiInput,
  'settings' | 'gateways' | 'services' | 'namespaces'
> & {
  /** Those that are ours, by `namespace/name`. */
  states: ReadonlyMap<string, GatewayState>;
};

interface Route {
  resource: Resource;
  kind: RouteKind;
  parentRefs: readonly ParentRef[];
  hostnames: readonly string[];
}

/** The parents of a route; Gateways of other controllers are left out. */
export function parentsOf(input: ParentInput, route: Route): ParentState[] {
  return route.parentRefs.flatMap((ref, i): ParentState | [] => {
    const { group = GATEWAY_GROUP, kind = 'Gateway' } = ref;
    const path = ['spec', 'parentRefs', i];
    if (group === GATEWAY_GROUP && kind === 'Gateway') {
      return gatewayParent(input, route, ref, path);
    }
    return group === '' && kind === 'Service' ? serviceParent(input, route, ref, path) : [];
  });
}

function gatewayParent(
  input: ParentInput,
  route: Route,
  ref: ParentRef,
  path: FieldPath,
): ParentState | [] {
  const namespace = ref.namespace ?? route.resource.namespace;
  const gateway = input.states.get(`${namespace}/${ref.name}`);
  const refused = (reason: string, message: string, at: FieldPath = path): ParentState => ({
    ref,
    controller: gateway?.controller ?? OUR_CONTROLLER,
    accepted: bad(reason, message, at),
    attachments: [],
  });
  if (gateway === undefined) {
    if (find(input.gateways, namespace, ref.name)) return [];
    return refused('NoMatchingParent', `there is no Gateway ${namespace}/${ref.name}`);
  }
  const named = gateway.listeners.filter(
    ({ listener }) =>
      (ref.sectionName === undefined || listener.name === ref.sectionName) &&
      (ref.port === undefined || listener.port === ref.port),
  );
  if (named.length === 0) {
    const what = [
      ...(ref.sectionName === undefined ? [] : [`named ${ref.sectionName}`]),
      ...(ref.port === undefined ? [] : [`at port ${ref.port}`]),
    ];
    const why = `the Gateway ${ref.name} has no listener ${what.join(' ')}`;
    return refused('NoMatchingParent', why);
  }
  const allowed = named.filter((each) => isAllowed(each, route, input.namespaces));
  if (allowed.length === 0) {
    const ofKind = named.some(({ kinds }) => kinds.includes(route.kind));
    const why = ofKind
      ? `no listener lets in routes of namespace ${route.resource.namespace}`
      : `no listener lets in routes of kind ${route.kind}`;
    return refused('NotAllowedByListeners', why);
  }
  const attachments = allowed.flatMap((listener): Attachment | [] => {
    const hosts = commonHosts(listener.hostname, route.hostnames);
    if (hosts.length === 0) return [];
    return { listener, hosts: hosts.filter((host) => !isTakenAway(host, listener, gateway)) };
  });
  if (attachments.length === 0) {
    const why = 'no listener has a hostname in common with the route';
    return refused('NoMatchingListenerHostname', why, ['spec', 'hostnames']);
  }
  return { ref, controller: gateway.controller, accepted: good('Accepted'), attachments };
}

function isAllowed(
  { gateway, listener, kinds }: ListenerState,
  { resource, kind }: Route,
  namespaces: readonly Resource[],
): boolean {
  const choice = listener.allowedRoutes?.namespaces;
  const own = gateway.namespace;
  return (
    kinds.includes(kind) && isAllowedNamespace(choice, resource.namespace, { own, namespaces })
  );
}

/** Hosts that a listener and a route have in common: of two that cover each other the narrower. */
export function commonHosts(listener: string, route: readonly string[]): string[] {
  if (route.length === 0) return [listener || '*'];
  const hosts = route.map((host) => host.toLowerCase());
  if (listener === '') return [...new Set(hosts)];
  const common = hosts.flatMap((host) =>
    hostCovers(listener, host) ? [host] : hostCovers(host, listener) ? [listener] : [],
  );
  return [...new Set(common)];
}

/** Requests are for the listener with the most specific hostname only (Gateway API, listener isolation). */
function isTakenAway(host: string, own: ListenerState, gateway: GatewayState): boolean {
  return gateway.listeners.some(
    (other) => isMoreSpecific(other, own) && hostCovers(other.hostname, host),
  );
}

/** Whether a listener takes requests from another one of its port. */
export function isMoreSpecific(a: ListenerState, b: ListenerState): boolean {
  if (a === b || a.listener.port !== b.listener.port) return false;
  if (a.listener.protocol !== b.listener.protocol || a.hostname === '') return false;
  if (a.hostname === b.hostname || a.server === undefined) return false;
  return b.hostname === '' || hostCovers(b.hostname, a.hostname);
}

function serviceParent(
  { services, settings }: ParentInput,
  { resource }: Route,
  ref: ParentRef,
  path: FieldPath,
): ParentState {
  const namespace = ref.namespace ?? resource.namespace;
  const found = find(services, namespace, ref.name);
  const parent = { ref, controller: OUR_CONTROLLER, attachments: [] };
  if (found === undefined) {
    const why = `there is no Service ${namespace}/${ref.name}`;
    return { ...parent, accepted: bad('NoMatchingParent', why, path) };
  }
  const { ports = [] } = found.spec as { ports?: { port: number }[] };
  if (ref.port !== undefined && !ports.some(({ port }) => port === ref.port)) {
    const why = `the Service ${namespace}/${ref.name} has no port ${ref.port}`;
    return { ...parent, accepted: bad('NoMatchingParent', why, [...path, 'port']) };
  }
  const hostname = serviceHostName(ref.name, namespace, settings.domainSuffix);
  return {
    ...parent,
    accepted: good('Accepted'),
    service: { hostname, namespace, ...(ref.port !== undefined && { port: ref.port }) },
  };
}
