// `fairlead translate`: a directory and a proxy's identity in, Envoy's JSON out. No server, no Envoy.
import { toConfiguration } from '../../configuration.js';
import { formatProblemStatus } from '../../status/problems.js';
import { loadOffline, offlineProblems, offlineTranslation } from '../offline.js';
import type { OutputFormat } from '../output.js';
import { describedNode, type IdentityOptions, identityOf } from '../proxy-identity.js';
import { configTypes, printConfiguration } from './proxy-config.js';

export interface TranslateOptions extends Partial<IdentityOptions> {
  config: string;
  meshConfig?: string;
  type: string;
  name?: string;
  output: OutputFormat;
}

/**
 * Prints the configuration; errors, and patches of EnvoyFilters that match nothing, go to standard error. The exit
 * code is 1 when a document was refused, since what is printed is then not what was written; a rule that leads
 * nowhere is translated as it stands, as Istio does.
 */
export async function runTranslate(options: TranslateOptions): Promise<number> {
  const types = configTypes('--type', options.type);
  const node = describedNode(identityOf(options));
  const offline = await loadOffline(options.config, options.meshConfig);
  const { resources, problems } = offlineTranslation(offline, node);
  const shown = offlineProblems(offline, problems).filter(
    ({ severity, code }) => severity === 'error' || code === 'patch-matches-nothing',
  );
  for (const problem of shown) process.stderr.write(`${formatProblemStatus(problem)}\n`);
  printConfiguration(toConfiguration(resources), types, {
    filter: { name: options.name },
    output: options.output,
  });
  return offline.generation.problems.some(({ severity }) => severity === 'error') ? 1 : 0;
}
