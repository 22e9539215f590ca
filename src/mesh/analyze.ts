// Findings over the whole mesh: references that lead nowhere, rules that never apply. What is wrong within one
// resource alone is found by its kind; positions are filled in by the caller.
import type { Problem } from '../kinds/problem.js';
import { analyzeDelegates } from './analyze-delegates.js';
import { analyzeDestinationRules } from './analyze-destination-rules.js';
import { analyzeEnvoyFilters } from './analyze-envoy-filters.js';
import { analyzeGatewayApi } from './analyze-gateway-api.js';
import { analyzeGatewayServers } from './analyze-gateway-servers.js';
import { analyzeGateways } from './analyze-gateways.js';
import { analyzeNamespaces } from './analyze-namespaces.js';
import { analyzePorts } from './analyze-ports.js';
import { analyzeServices } from './analyze-services.js';
import { analyzeSidecars } from './analyze-sidecars.js';
import { analyzeVirtualServices } from './analyze-virtual-services.js';
import type { Mesh } from './mesh.js';

/**
 * Everything worth telling the users of a mesh beyond `mesh.problems`, by kind, then age of the resource; each with `resource` and `path`.
 * `error`: traffic that takes this way fails. `warning`: likely not what was meant. `info`: worth knowing.
 */
export function analyzeMesh(mesh: Mesh): readonly Problem[] {
  return [
    ...analyzeServices(mesh),
    ...analyzePorts(mesh),
    ...analyzeDestinationRules(mesh),
    ...analyzeVirtualServices(mesh),
    ...analyzeDelegates(mesh),
    ...analyzeGateways(mesh),
    ...analyzeGatewayServers(mesh),
    ...analyzeGatewayApi(mesh),
    ...analyzeSidecars(mesh),
    ...analyzeEnvoyFilters(mesh),
    ...analyzeNamespaces(mesh),
  ];
}
