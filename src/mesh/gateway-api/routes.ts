// All routes of the Gateway API with their parents, their rules and what is wrong with their references.
import type { BackendObjectRef, BackendRef } from '../../kinds/gateway-api-values.js';
import type { HttpRouteFilter, HttpRouteRule, HttpRouteSpec } from '../../kinds/http-route.js';
import type { TcpRouteSpec, TlsRouteSpec } from '../../kinds/l4-route.js';
import type { FieldPath } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';
import { byAge } from '../order.js';
import { type ParentInput, type ParentState, parentsOf } from './attachment.js';
import { type Backend, type BackendInput, type Referrer, resolveBackend } from './backends.js';
import { httpRulesOf, type RuleBackends, rulesOf } from './http-rules.js';
import type { RouteKind } from './listeners.js';
import { good, type Verdict } from './verdict.js';
import type { RouteState, WeightedBackends } from './virtual-services.js';

/** A route, and what is found about its references: for Gateways, and in the mesh. */
export interface RouteOutcome extends RouteState {
  resolvedRefs: { gateway: Verdict; mesh: Verdict };
}

/** What routes are evaluated from: while it is the same, so is what is found about a route. */
export type RouteInput = ParentInput & BackendInput;

/** All routes, oldest first, whatever their kind. */
export function routeOutcomes(
  routes: readonly Resource[],
  input: RouteInput,
): readonly RouteOutcome[] {
  return [...routes].sort(byAge).map((resource) => routeOutcome(resource, input));
}

const routeOutcome = memoize((resource: Resource, input: RouteInput): RouteOutcome => {
  const { parentRefs = [], hostnames = [] } = resource.spec as HttpRouteSpec;
  const kind = resource.kind as RouteKind;
  const parents = parentsOf(input, { resource, kind, parentRefs, hostnames });
  return kind === 'HTTPRoute' || kind === 'GRPCRoute'
    ? httpOutcome(input, resource, parents)
    : connectionOutcome(input, resource, parents);
});

/** Collects the first thing that is wrong with the references of a route. */
class References {
  first: Verdict | undefined;
  readonly #input: RouteInput;
  readonly #referrer: Referrer;

  constructor(input: RouteInput, referrer: Referrer) {
    this.#input = input;
    this.#referrer = referrer;
  }

  resolve(ref: BackendObjectRef, path: FieldPath): Backend {
    const { backend, problem } = resolveBackend(this.#input, ref, this.#referrer, path);
    this.first ??= problem;
    return backend;
  }

  /** A backend that gets no requests may be missing, as in Istio. */
  used(ref: BackendRef, path: FieldPath): Backend {
    return ref.weight === 0 ? null : this.resolve(ref, path);
  }

  get verdict(): Verdict {
    return this.first ?? good('ResolvedRefs');
  }
}

/** Resolves for Gateways and, where that is asked for, for the mesh. */
function resolveFor<T>(
  input: RouteInput,
  route: Resource,
  parents: readonly ParentState[],
  of: (references: References) => T,
): { gateway: T; mesh: T; resolvedRefs: RouteOutcome['resolvedRefs'] } {
  const enforcing = new References(input, { route, enforce: true });
  const gateway = of(enforcing);
  const inMesh = parents.some(({ service }) => service !== undefined);
  if (!inMesh) {
    return {
      gateway,
      mesh: gateway,
      resolvedRefs: { gateway: enforcing.verdict, mesh: enforcing.verdict },
    };
  }
  const free = new References(input, { route, enforce: false });
  const mesh = of(free);
  return { gateway, mesh, resolvedRefs: { gateway: enforcing.verdict, mesh: free.verdict } };
}

function httpOutcome(
  input: RouteInput,
  resource: Resource,
  parents: readonly ParentState[],
): RouteOutcome {
  const { gateway, mesh, resolvedRefs } = resolveFor(input, resource, parents, (references) =>
    JSON.stringify(rulesOf(resource).map((rule, i) => resolveRule(references, rule, i))),
  );
  return {
    resource,
    parents,
    http: { gateway: httpRulesOf(resource, gateway), mesh: httpRulesOf(resource, mesh) },
    resolvedRefs,
  };
}

function resolveRule(references: References, rule: HttpRouteRule, i: number): RuleBackends {
  const path = ['spec', 'rules', i];
  const { filters = [], backendRefs = [] } = rule;
  return {
    backends: backendRefs.map((ref, j) => references.used(ref, [...path, 'backendRefs', j])),
    mirrors: resolveMirrors(references, filters, path),
    backendMirrors: backendRefs.map((ref, j) =>
      resolveMirrors(references, ref.filters ?? [], [...path, 'backendRefs', j]),
    ),
  };
}

function resolveMirrors(
  references: References,
  filters: readonly HttpRouteFilter[],
  path: FieldPath,
): Backend[] {
  return filters.flatMap(({ requestMirror }, i) => {
    if (!requestMirror) return [];
    const at = [...path, 'filters', i, 'requestMirror', 'backendRef'];
    return [references.resolve(requestMirror.backendRef, at)];
  });
}

/** Of connections the first rule counts: there is nothing that rules could differ in. */
function connectionOutcome(
  input: RouteInput,
  resource: Resource,
  parents: readonly ParentState[],
): RouteOutcome {
  const [rule] = (resource.spec as TlsRouteSpec | TcpRouteSpec).rules ?? [];
  const { gateway, mesh, resolvedRefs } = resolveFor(input, resource, parents, (references) => {
    const path = ['spec', 'rules', 0, 'backendRefs'];
    const all = (rule?.backendRefs ?? []).map((ref, i) => ({
      backend: references.used(ref, [...path, i]),
      weight: ref.weight ?? 1,
    }));
    return all.filter(({ weight }) => weight > 0) as WeightedBackends;
  });
  return { resource, parents, connections: { gateway, mesh }, resolvedRefs };
}
