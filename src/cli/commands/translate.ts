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

/** Prints the configuration; errors in the directory go to standard error and make the exit code 1. */
export async function runTranslate(options: TranslateOptions): Promise<number> {
  const types = configTypes('--type', options.type);
  const node = describedNode(identityOf(options));
  const offline = await loadOffline(options.config, options.meshConfig);
  const { resources, problems } = offlineTranslation(offline, node);
  const errors = offlineProblems(offline, problems).filter(({ severity }) => severity === 'error');
  for (const problem of errors) process.stderr.write(`${formatProblemStatus(problem)}\n`);
  printConfiguration(toConfiguration(resources), types, {
    filter: { name: options.name },
    output: options.output,
  });
  return errors.length > 0 ? 1 : 0;
}
