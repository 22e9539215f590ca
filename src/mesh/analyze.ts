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
import { reading } from './analyzed-parts.js';
import type { Mesh } from './mesh.js';

/** Each with what it reads. */
const analyzers = [
  reading(['settings', 'entries', 'endpoints', 'workloadGroups'], analyzeServices),
  reading(
    ['settings', 'entries', 'entriesByNamespace', 'servicesByHostname', 'workloads'],
    analyzePorts,
  ),
  reading(
    [
      'settings',
      'rulesByNamespace',
      'services',
      'servicesByHostname',
      'endpoints',
      'workloads',
      'workloadGroups',
    ],
    analyzeDestinationRules,
  ),
  reading(
    ['settings', 'services', 'servicesByHostname', 'writtenVirtualServices', 'destinationRules'],
    analyzeVirtualServices,
  ),
  reading(['writtenVirtualServices'], analyzeDelegates),
  reading(
    ['settings', 'kubernetesGateways', 'gateways', 'writtenVirtualServices'],
    analyzeGateways,
  ),
  reading(['gateways', 'secrets', 'services', 'workloads'], analyzeGatewayServers),
  reading(['gatewayApi'], analyzeGatewayApi),
  reading(
    ['settings', 'sidecars', 'servicesByHostname', 'virtualServices', 'workloads'],
    analyzeSidecars,
  ),
  reading(['envoyFilters'], analyzeEnvoyFilters),
  reading(['sorted'], analyzeNamespaces),
];

/**
 * Everything worth telling the users of a mesh beyond `mesh.problems`, by kind, then age of the resource; each with `resource` and `path`.
 * `error`: traffic that takes this way fails. `warning`: likely not what was meant. `info`: worth knowing.
 */
export function analyzeMesh(mesh: Mesh): readonly Problem[] {
  return allFindings(...analyzers.map((analyze) => analyze(mesh)));
}

/** The same array for the same findings. */
const allFindings = memoize((...found: readonly (readonly Problem[])[]): readonly Problem[] =>
  found.flat(),
);

/** Does the work of `analyzeMesh` bit by bit, so that a large mesh holds up nobody: it then finds what was found. */
export function* analysisSteps(mesh: Mesh): Generator<void> {
  for (const analyze of analyzers) {
    analyze(mesh);
    yield;
  }
}
