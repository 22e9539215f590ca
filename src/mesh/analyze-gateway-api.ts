// Findings about resources of the Gateway API: what their status says too, with the place in the file.
import type { HttpRouteSpec } from '../kinds/http-route.js';
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { ProblemCode } from '../kinds/problem-codes.js';
import type { Resource } from '../kinds/resource.js';
import type { Parts } from './analyzed-parts.js';
import type { GatewayState } from './gateway-api/listeners.js';
import type { RouteOutcome } from './gateway-api/routes.js';
import type { Verdict } from './gateway-api/verdict.js';

/** Everything about the Gateway API, by kind, then age. */
export function analyzeGatewayApi({ gatewayApi }: Parts<'gatewayApi'>): Problem[] {
  return [
    ...gatewayApi.states.flatMap(gatewayProblems),
    ...gatewayApi.routes.flatMap(routeProblems),
    ...gatewayApi.routes.flatMap(({ resource }) => listenerSetProblems(resource)),
    ...gatewayApi.policies.flatMap(({ resource, accepted, resolvedRefs }) => [
      ...problemOf(resource, 'unresolved-ref', resolvedRefs),
      ...(resolvedRefs.ok ? problemOf(resource, 'policy-not-accepted', accepted) : []),
    ]),
  ];
}

function gatewayProblems({ resource, accepted, listeners }: GatewayState): Problem[] {
  return [
    // Its listeners say it themselves.
    ...(accepted.reason === 'ListenersNotValid'
      ? []
      : problemOf(resource, 'listener-not-accepted', accepted)),
    ...listeners.flatMap(({ verdicts: { Accepted, ResolvedRefs } }) => [
      ...(accepted.ok || accepted.reason === 'ListenersNotValid'
        ? problemOf(resource, 'listener-not-accepted', Accepted)
        : []),
      ...problemOf(resource, 'unresolved-ref', ResolvedRefs),
    ]),
  ];
}

function routeProblems({ resource, parents, resolvedRefs }: RouteOutcome): Problem[] {
  const refs = parents.some(({ service }) => service === undefined)
    ? resolvedRefs.gateway
    : resolvedRefs.mesh;
  return [
    ...parents.flatMap(({ accepted }) => problemOf(resource, 'route-not-accepted', accepted)),
    ...(parents.length > 0 ? problemOf(resource, 'unresolved-ref', refs) : []),
    ...(parents.some(({ service }) => service !== undefined) ? sessionProblems(resource) : []),
  ];
}

/** Parents that are not read yet, and so say nothing. */
function listenerSetProblems({ kind, namespace, name, spec }: Resource): Problem[] {
  const { parentRefs = [] } = spec as HttpRouteSpec;
  return parentRefs.flatMap((ref, i) => {
    if (ref.kind !== 'ListenerSet') return [];
    const path: FieldPath = ['spec', 'parentRefs', i];
    const message = 'ListenerSets are not read yet: this parent has no effect';
    return {
      ...({ code: 'not-implemented', severity: 'warning', message, path } as const),
      resource: { kind, namespace, name },
    };
  });
}

/** Sidecars keep no sessions. */
function sessionProblems({ kind, namespace, name, spec }: Resource): Problem[] {
  const { rules = [] } = spec as HttpRouteSpec;
  return rules.flatMap(({ sessionPersistence }, i) => {
    if (!sessionPersistence) return [];
    const path: FieldPath = ['spec', 'rules', i, 'sessionPersistence'];
    const message = 'sessions are kept at Gateways only, not for a parent of kind Service';
    return {
      ...({ code: 'not-implemented', severity: 'warning', message, path } as const),
      resource: { kind, namespace, name },
    };
  });
}

function problemOf(
  { kind, namespace, name }: Resource,
  code: ProblemCode,
  verdict: Verdict | undefined,
): Problem[] {
  if (verdict === undefined || verdict.ok) return [];
  const path: FieldPath = verdict.path ?? [];
  const message = `${verdict.message} (${verdict.reason})`;
  return [{ code, severity: 'error', message, resource: { kind, namespace, name }, path }];
}
