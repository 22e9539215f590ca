// Kubernetes' Gateway API in the mesh's own words: its Gateways and routes as Gateways and VirtualServices, and what is
// found about each resource on the way. What becomes of the findings is status.ts and ../analyze-gateway-api.ts.
import type { Resource } from '../../kinds/resource.js';
import { sameOr } from '../../lib/memo.js';
import type { Gateway } from '../gateway.js';
import type { VirtualService } from '../rules.js';
import { backendTls, type PolicyOutcome } from './backend-tls.js';
import { type GatewayState, gatewayStates } from './listeners.js';
import type { GatewayApiInput } from './resources.js';
import { type RouteOutcome, routeOutcomes } from './routes.js';
import { virtualServicesOf } from './virtual-services.js';

/** What the Gateway API adds to the mesh, and what was found on the way. */
export interface GatewayApi {
  /** One for each listener that is in force; oldest first. */
  gateways: readonly Gateway[];
  /** Oldest first. */
  virtualServices: readonly VirtualService[];
  states: readonly GatewayState[];
  routes: readonly RouteOutcome[];
  policies: readonly PolicyOutcome[];
  /** DestinationRules that BackendTLSPolicies stand for. */
  destinationRules: readonly Resource[];
  input: GatewayApiInput;
}

/** Converts everything; equal parts are the objects of before. */
export function buildGatewayApi(input: GatewayApiInput, previous?: GatewayApi): GatewayApi {
  if (previous !== undefined && sameInput(previous.input, input)) return previous;
  const states = gatewayStates(input);
  const routes = routeOutcomes(input, states);
  const gateways = states.flatMap(({ listeners }) =>
    listeners.flatMap(({ server }) => server ?? []),
  );
  const { rules, policies } = backendTls(input, routes, states);
  return {
    gateways: sameOr(previous?.gateways, gateways),
    virtualServices: sameOr(previous?.virtualServices, virtualServicesOf(routes, states)),
    states,
    routes,
    policies,
    destinationRules: sameOr(previous?.destinationRules, rules),
    input,
  };
}

function sameInput(a: GatewayApiInput, b: GatewayApiInput): boolean {
  return (Object.keys(b) as (keyof GatewayApiInput)[]).every((key) => a[key] === b[key]);
}
