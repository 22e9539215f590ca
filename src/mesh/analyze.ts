// Findings over the whole mesh: references that lead nowhere, rules that never apply. What is wrong within one
// resource alone is found by its kind; positions are filled in by the caller.
import type { Problem } from '../kinds/problem.js';
import { memoize } from '../lib/memo.js';
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

/** Each remembers its findings about a mesh. */
const analyzers = [
  analyzeServices,
  analyzePorts,
  analyzeDestinationRules,
  analyzeVirtualServices,
  analyzeDelegates,
  analyzeGateways,
  analyzeGatewayServers,
  analyzeGatewayApi,
  analyzeSidecars,
  analyzeEnvoyFilters,
  analyzeNamespaces,
].map((analyze: (mesh: Mesh) => Iterable<Problem>) => memoize((mesh: Mesh) => [...analyze(mesh)]));

/**
 * Everything worth telling the users of a mesh beyond `mesh.problems`, by kind, then age of the resource; each with `resource` and `path`.
 * `error`: traffic that takes this way fails. `warning`: likely not what was meant. `info`: worth knowing.
 */
export function analyzeMesh(mesh: Mesh): readonly Problem[] {
  return analyzers.flatMap((analyze) => analyze(mesh));
}

/** Does the work of `analyzeMesh` bit by bit, so that a large mesh holds up nobody: it then finds what was found. */
export function* analysisSteps(mesh: Mesh): Generator<void> {
  for (const analyze of analyzers) {
    analyze(mesh);
    yield;
  }
}
