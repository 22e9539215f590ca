// Kubernetes' Gateway API in the mesh's own words: its Gateways and routes as Gateways and VirtualServices, and what is
// found about each resource on the way. What becomes of the findings is status.ts and ../analyze-gateway-api.ts.
import type { Resource } from '../../kinds/resource.js';
import { memoize, sameOr } from '../../lib/memo.js';
import type { Gateway } from '../gateway.js';
import type { MeshSettings } from '../mesh-settings.js';
import type { VirtualService } from '../rules.js';
import { backendTls, type PolicyOutcome } from './backend-tls.js';
import { type GatewayState, gatewayStates } from './listeners.js';
import type { GatewayApiInput, GatewayInput } from './resources.js';
import { type RouteInput, type RouteOutcome, routeOutcomes } from './routes.js';
import { sessionGateways } from './session-gateways.js';
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
  const states = statesOf(input);
  const { httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes } = input;
  const routes = routeOutcomes(
    [...httpRoutes, ...grpcRoutes, ...tlsRoutes, ...tcpRoutes],
    routeInput(
      states,
      input.settings,
      input.gateways,
      input.grants,
      input.services,
      input.namespaces,
      input.byHostname,
    ),
  );
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

function statesOf(input: GatewayApiInput): readonly GatewayState[] {
  const { settings, classes, gateways, grants, configMaps, secrets, services } = input;
  const sessions = sessionGateways(input.httpRoutes, input.grpcRoutes);
  return gatewayStates(
    gatewayInput(gateways, settings, classes, grants, configMaps, secrets, services, sessions),
  );
}

type Resources = readonly Resource[];

const gatewayInput = memoize(
  (
    gateways: Resources,
    settings: MeshSettings,
    classes: Resources,
    grants: Resources,
    configMaps: Resources,
    secrets: Resources,
    services: Resources,
    sessions: string,
  ): GatewayInput => ({
    ...{ settings, classes, gateways, grants, configMaps, secrets, services, sessions },
  }),
);

const routeInput = memoize(
  (
    states: readonly GatewayState[],
    settings: MeshSettings,
    gateways: Resources,
    grants: Resources,
    services: Resources,
    namespaces: Resources,
    byHostname: GatewayApiInput['byHostname'],
  ): RouteInput => ({
    ...{ settings, gateways, grants, services, namespaces, byHostname },
    states: new Map(
      states.map((each) => [`${each.resource.namespace}/${each.resource.name}`, each]),
    ),
  }),
);
