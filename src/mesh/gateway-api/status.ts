// The status of resources of the Gateway API, as Kubernetes' API has it, but for the times: these are added where they
// are known. Pure: from what was found when the mesh was built, and from what routers have acknowledged.
import type { KubernetesGatewaySpec } from '../../kinds/kubernetes-gateway.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';
import { supportedFeatures } from './features.js';
import type { GatewayApi } from './gateway-api.js';
import { isOurs } from './gateway-class.js';
import type { GatewayState, ListenerState } from './listeners.js';
import { GATEWAY_GROUP } from './resources.js';
import type { RouteOutcome } from './routes.js';
import type { Verdict, Verdicts } from './verdict.js';

/** A condition without lastTransitionTime. */
export interface Condition {
  type: string;
  status: 'True' | 'False';
  observedGeneration?: number;
  reason: string;
  message: string;
}

/** What routers have to say. */
export interface RouterFacts {
  /** Whether a router serves what the mesh's Gateway of that name asks for; a text says why it refuses to. */
  programmed(gateway: string): boolean | string;
  /** Addresses of the routers of a Gateway, as far as they are known. */
  addresses(gateways: readonly string[]): readonly string[];
}

/** The status of a resource; undefined for those that are another controller's, and kinds without any. */
export function statusOf(
  api: GatewayApi,
  resource: Resource,
  facts: RouterFacts,
): object | undefined {
  switch (resource.kind) {
    case 'GatewayClass':
      return isOurs(resource) ? classStatus(resource) : undefined;
    case 'Gateway.gateway.networking.k8s.io': {
      const state = stateOf(api.states).get(resource);
      return state && gatewayStatus(api, state, facts);
    }
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TLSRoute':
    case 'TCPRoute': {
      const route = outcomeOf(api.routes).get(resource);
      return route && routeStatus(route);
    }
    case 'BackendTLSPolicy':
      return policyStatus(api, resource);
    default:
      return undefined;
  }
}

const stateOf = memoize((states: readonly GatewayState[]) => byResource(states));
const outcomeOf = memoize((routes: readonly RouteOutcome[]) => byResource(routes));

function byResource<T extends { resource: Resource }>(all: readonly T[]): ReadonlyMap<Resource, T> {
  return new Map(all.map((each) => [each.resource, each]));
}

const allIsWell: Verdict = { ok: true, reason: 'Accepted', message: 'No errors found' };

function classStatus(resource: Resource) {
  return {
    conditions: conditionsOf(resource, { Accepted: allIsWell }),
    supportedFeatures: supportedFeatures.map((name) => ({ name })),
  };
}

function conditionsOf({ generation }: Resource, verdicts: Verdicts): Condition[] {
  return Object.entries(verdicts).map(([type, { ok, reason, message }]) => ({
    type,
    status: ok ? 'True' : 'False',
    ...(generation !== undefined && { observedGeneration: generation }),
    reason,
    message,
  }));
}

function gatewayStatus(api: GatewayApi, state: GatewayState, facts: RouterFacts) {
  const { resource, listeners, accepted } = state;
  const names = listeners.flatMap(({ server }) => server?.name ?? []);
  const programmed = listeners.map((listener) => programmedOf(listener, facts));
  const addresses = addressesOf(resource, names, facts);
  return {
    ...(addresses.length > 0 && { addresses }),
    conditions: conditionsOf(resource, {
      Accepted: accepted,
      Programmed: gatewayProgrammed(accepted, programmed),
      ...(letsAnyClientIn(resource) && { InsecureFrontendValidationMode: insecure }),
    }),
    listeners: listeners.map((listener, i) => ({
      name: listener.listener.name,
      supportedKinds: listener.kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
      attachedRoutes: attachedTo(listener, api.routes),
      conditions: conditionsOf(resource, { ...listener.verdicts, Programmed: programmed[i]! }),
    })),
  };
}

const insecure: Verdict = {
  ok: true,
  reason: 'ConfigurationChanged',
  message: 'clients without a valid certificate are let in (AllowInsecureFallback)',
};

function letsAnyClientIn({ spec }: Resource): boolean {
  const frontend = (spec as KubernetesGatewaySpec).tls?.frontend;
  const all = [frontend?.default, ...(frontend?.perPort ?? []).map(({ tls }) => tls)];
  return all.some((each) => each?.validation?.mode === 'AllowInsecureFallback');
}

function programmedOf({ name, server, verdicts }: ListenerState, facts: RouterFacts): Verdict {
  if (server === undefined) {
    const wrong = Object.values(verdicts).find(({ ok, path }) => !ok && path);
    return { ok: false, reason: 'Invalid', message: wrong?.message ?? 'not in force' };
  }
  const said = facts.programmed(name);
  if (said === true) return { ok: true, reason: 'Programmed', message: 'No errors found' };
  return typeof said === 'string'
    ? { ok: false, reason: 'Invalid', message: said }
    : { ok: false, reason: 'Pending', message: 'no connected router has acknowledged it yet' };
}

/** A Gateway is programmed when one of its listeners is, and all that can be are. */
function gatewayProgrammed(accepted: Verdict, listeners: readonly Verdict[]): Verdict {
  if (!accepted.ok) return { ok: false, reason: 'Invalid', message: accepted.message };
  const waiting = listeners.find(({ ok, reason }) => !ok && reason === 'Pending');
  if (waiting !== undefined) return waiting;
  const done = listeners.find(({ ok }) => ok);
  return done ?? { ok: false, reason: 'Invalid', message: 'no listener is in force' };
}

function addressesOf(
  { spec }: Resource,
  gateways: readonly string[],
  facts: RouterFacts,
): { type: string; value: string }[] {
  const written = ((spec as KubernetesGatewaySpec).addresses ?? []).flatMap(
    ({ type = 'IPAddress', value = '' }) => (value === '' ? [] : { type, value }),
  );
  if (written.length > 0) return written;
  return facts.addresses(gateways).map((value) => ({ type: 'IPAddress', value }));
}

function attachedTo(listener: ListenerState, routes: readonly RouteOutcome[]): number {
  return routes.filter(({ parents }) =>
    parents.some(({ attachments }) => attachments.some((each) => each.listener === listener)),
  ).length;
}

function routeStatus({ resource, parents, resolvedRefs }: RouteOutcome) {
  return {
    parents: parents.map(({ ref, controller, accepted, service }) => ({
      parentRef: { group: GATEWAY_GROUP, kind: 'Gateway', ...ref },
      controllerName: controller,
      conditions: conditionsOf(resource, {
        Accepted: accepted,
        ResolvedRefs: service === undefined ? resolvedRefs.gateway : resolvedRefs.mesh,
      }),
    })),
  };
}

/** A policy has a status for each Gateway that sends requests to its target. */
function policyStatus(api: GatewayApi, resource: Resource) {
  const policy = api.policies.find((each) => each.resource === resource);
  if (policy === undefined) return undefined;
  const { accepted, resolvedRefs, gateways } = policy;
  return {
    ancestors: gateways.map(({ resource: gateway, controller }) => ({
      ancestorRef: {
        group: GATEWAY_GROUP,
        kind: 'Gateway',
        namespace: gateway.namespace,
        name: gateway.name,
      },
      controllerName: controller,
      conditions: conditionsOf(resource, { Accepted: accepted, ResolvedRefs: resolvedRefs }),
    })),
  };
}
