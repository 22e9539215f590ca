// The listeners of Gateways: which are in force, as which servers of the mesh, and what is wrong with the others.
import type { KubernetesGatewaySpec, Listener } from '../../kinds/kubernetes-gateway.js';
import type { FieldPath } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import type { ServiceSpec } from '../../kinds/service.js';
import { memoize } from '../../lib/memo.js';
import {
  type Gateway,
  type GatewaySelector,
  gatewayOptions,
  type ServerProtocol,
  type ServerTls,
} from '../gateway.js';
import { controllerOf } from './gateway-class.js';
import { listenerTls } from './listener-tls.js';
import { find, GATEWAY_GROUP, type GatewayInput } from './resources.js';
import { bad, good, type Verdict, type Verdicts } from './verdict.js';

export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute';

/** One listener. */
export interface ListenerState {
  gateway: Resource;
  listener: Listener;
  /** `namespace/name` of the mesh's Gateway, as Istio calls it. */
  name: string;
  /** Lower case; empty is any. */
  hostname: string;
  /** Kinds of routes that may be attached. */
  kinds: readonly RouteKind[];
  verdicts: Verdicts;
  /** In force; then there is a mesh Gateway. */
  server?: Gateway;
}

/** A Gateway that is ours. */
export interface GatewayState {
  resource: Resource;
  controller: string;
  /** Of the Gateway as a whole. */
  accepted: Verdict;
  listeners: readonly ListenerState[];
}

const kindsOf: Readonly<Record<string, readonly RouteKind[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
  TCP: ['TCPRoute'],
};

/** All Gateways that are ours, oldest first. The same array for the same input. */
export const gatewayStates = memoize((input: GatewayInput): readonly GatewayState[] =>
  input.gateways.flatMap((resource) => {
    const { gatewayClassName } = resource.spec as KubernetesGatewaySpec;
    const controller = controllerOf(input.classes, gatewayClassName);
    return controller === undefined ? [] : gatewayState(input, resource, controller);
  }),
);

function gatewayState(input: GatewayInput, resource: Resource, controller: string): GatewayState {
  const { listeners: written } = resource.spec as KubernetesGatewaySpec;
  const selected = { ...selectorOf(input, resource) };
  const parameters = parametersProblem(input, resource);
  if (parameters) selected.problem = parameters;
  const own = `${resource.namespace}/${resource.name}`;
  const sessions = input.sessions.split('\n').includes(own);
  const conflicts = conflictsOf(written);
  const listeners = written.map((listener, i) =>
    listenerState(input, { resource, listener, i, conflict: conflicts[i], sessions, ...selected }),
  );
  const refused = listeners.filter(({ server }) => server === undefined);
  const accepted =
    selected.problem ??
    (refused.length === 0
      ? good('Accepted')
      : {
          ok: refused.length < listeners.length,
          reason: 'ListenersNotValid',
          message: `not in force: ${refused.map(({ listener: { name } }) => name).join(', ')}`,
          path: ['spec', 'listeners'],
        });
  return { resource, controller, accepted, listeners };
}

/** Parameters are a ConfigMap, as in Istio; nothing is deployed by them here. */
function parametersProblem(
  { configMaps }: GatewayInput,
  { namespace, spec }: Resource,
): Verdict | undefined {
  const ref = (spec as KubernetesGatewaySpec).infrastructure?.parametersRef;
  if (ref === undefined) return undefined;
  const { group = '', kind = '', name = '' } = ref;
  if (group === '' && kind === 'ConfigMap' && find(configMaps, namespace, name)) return undefined;
  const path = ['spec', 'infrastructure', 'parametersRef'];
  return bad('InvalidParameters', `there is no ${kind} ${namespace}/${name} of parameters`, path);
}

/** The routers: by label, or those behind the Services that `addresses` name. */
function selectorOf(
  { settings, services }: GatewayInput,
  { namespace, name, spec }: Resource,
): { selectors: GatewaySelector[]; problem?: Verdict } {
  const { addresses = [] } = spec as KubernetesGatewaySpec;
  const selectors: GatewaySelector[] = [];
  let isNamed = false;
  for (const [i, { type = 'IPAddress', value = '' }] of addresses.entries()) {
    const path = ['spec', 'addresses', i];
    if (type === 'IPAddress') continue;
    if (type !== 'Hostname') {
      return {
        selectors: [],
        problem: bad('UnsupportedAddress', `addresses of type ${type} are not supported`, path),
      };
    }
    isNamed = true;
    const [service = '', owner = namespace] = value
      .replace(`.svc.${settings.domainSuffix}`, '')
      .split('.');
    const found = find(services, owner, service);
    const selector = (found?.spec as ServiceSpec | undefined)?.selector;
    if (found && selector && Object.keys(selector).length > 0) {
      selectors.push({ labels: selector, namespace: owner });
    } else {
      const why = `${value} is no Service that selects workloads`;
      return { selectors: [], problem: bad('UnsupportedAddress', why, path) };
    }
  }
  if (isNamed) return { selectors };
  const byLabel = (label: string) => ({ labels: { [label]: name }, namespace });
  return {
    selectors: [byLabel(`${GATEWAY_GROUP}/gateway-name`), byLabel('istio.io/gateway-name')],
  };
}

/** Of listeners that cannot share a port the first counts (Gateway API, Listener, "Distinct Listeners"). */
function conflictsOf(listeners: readonly Listener[]): (Verdict | undefined)[] {
  const byPort = new Map<number, { family: string; hosts: Set<string> }>();
  return listeners.map(({ port, protocol, hostname = '' }, i) => {
    const family = protocol === 'HTTPS' || protocol === 'TLS' ? 'TLS' : protocol;
    if (kindsOf[protocol] === undefined) return undefined;
    const path = ['spec', 'listeners', i];
    const host = hostname.toLowerCase();
    const first = byPort.get(port);
    if (first === undefined) {
      byPort.set(port, { family, hosts: new Set([host]) });
      return undefined;
    }
    if (first.family !== family) {
      const why = `port ${port} is ${first.family} already`;
      return bad('ProtocolConflict', why, [...path, 'protocol']);
    }
    if (family === 'TCP' || first.hosts.has(host)) {
      const why = `another listener has ${hostname || 'all hosts'} at port ${port}`;
      return bad('HostnameConflict', why, path);
    }
    first.hosts.add(host);
    return undefined;
  });
}

interface ListenerInput {
  resource: Resource;
  listener: Listener;
  i: number;
  conflict: Verdict | undefined;
  sessions: boolean;
  selectors: readonly GatewaySelector[];
  problem?: Verdict;
}

function listenerState(input: GatewayInput, from: ListenerInput): ListenerState {
  const { resource, listener, i, conflict } = from;
  const path = ['spec', 'listeners', i];
  const possible = kindsOf[listener.protocol] ?? [];
  const { kinds, verdict: kindsVerdict } = allowedKinds(listener, possible, path);
  const { tls, refs, accepted } = listenerTls(input, resource, listener, path);
  const unsupported =
    possible.length === 0
      ? bad('UnsupportedProtocol', `${listener.protocol} is not HTTP, HTTPS, TLS or TCP`, [
          ...path,
          'protocol',
        ])
      : undefined;
  const refusal = unsupported ?? conflict ?? accepted;
  const inForce = !refusal && !refs && !from.problem;
  const name = `${resource.namespace}/${resource.name}-istio-autogenerated-k8s-gateway-${listener.name}`;
  return {
    gateway: resource,
    listener,
    name,
    hostname: (listener.hostname ?? '').toLowerCase(),
    kinds,
    verdicts: {
      Accepted: refusal ?? from.problem ?? good('Accepted'),
      Conflicted: conflict ? { ...conflict, ok: true } : { ...good('NoConflicts'), ok: false },
      ResolvedRefs: refs ?? kindsVerdict ?? good('ResolvedRefs'),
    },
    ...(inForce && {
      server: meshGatewayOf(
        resource,
        i,
        JSON.stringify([name, tls, from.selectors, from.sessions]),
      ),
    }),
  };
}

/** Kinds that the listener names and its protocol can have; the others are left out. */
function allowedKinds(
  { allowedRoutes }: Listener,
  possible: readonly RouteKind[],
  path: FieldPath,
): { kinds: readonly RouteKind[]; verdict?: Verdict } {
  const named = allowedRoutes?.kinds ?? [];
  if (named.length === 0) return { kinds: possible };
  const isPossible = ({
    group = GATEWAY_GROUP,
    kind,
  }: {
    group?: string | undefined;
    kind: string;
  }) => group === GATEWAY_GROUP && (possible as readonly string[]).includes(kind);
  const wrong = named.findIndex((each) => !isPossible(each));
  const kinds = named.filter(isPossible).map(({ kind }) => kind as RouteKind);
  if (wrong < 0) return { kinds };
  const why = `${named[wrong]!.kind} cannot be attached to this listener`;
  return {
    kinds,
    verdict: bad('InvalidRouteKinds', why, [...path, 'allowedRoutes', 'kinds', wrong]),
  };
}

/** The mesh's Gateway of one listener; the same object for the same resource, TLS and selectors. */
const meshGatewayOf = memoize((resource: Resource, i: number, rest: string): Gateway => {
  const [name, tls, selectors, sessions] = JSON.parse(rest) as [
    string,
    ServerTls | null,
    GatewaySelector[],
    boolean,
  ];
  const {
    port,
    protocol,
    hostname = '*',
    name: listener,
  } = (resource.spec as KubernetesGatewaySpec).listeners[i]!;
  return {
    source: { kind: resource.kind, namespace: resource.namespace, name: resource.name },
    age: resource.age,
    name,
    selector: { labels: {}, oneOf: selectors },
    servers: [
      {
        path: ['spec', 'listeners', i],
        name: listener,
        // Istio's name of the only port of such a Gateway; it is a part of the route's name.
        port: { number: port, name: 'default', protocol: protocol as ServerProtocol },
        bind: '',
        hosts: [{ namespace: '*', host: hostname.toLowerCase() }],
        ...(tls && { tls }),
      },
    ],
    options: { ...gatewayOptions(resource.annotations), ...(sessions && { sessions }) },
  };
});
