// `fairlead analyze`: everything wrong in a directory (offline) or in a running server, one line each, for people
// and for CI.
import type { Severity } from '../../kinds/problem.js';
import { ControlPlaneError } from '../../lib/error.js';
import { formatProblemStatus, sortProblems } from '../../status/problems.js';
import type { ProblemStatus } from '../../status/state.js';
import { getApi } from '../api-client.js';
import { gatewayConflicts, loadOffline, offlineProblems } from '../offline.js';
import { type OutputFormat, print } from '../output.js';
import { severities } from '../severity.js';

export interface AnalyzeOptions {
  config?: string;
  meshConfig?: string;
  admin: string;
  output: OutputFormat;
  /** The least severity that makes the exit code 1. */
  failOn: Severity;
  /** The least severity that is shown. */
  show: Severity;
}

/** Prints the problems; exit code 1 when one is at least as severe as `failOn`. */
export async function analyze(options: AnalyzeOptions): Promise<number> {
  const problems = await readProblems(options);
  const atLeast = (bound: Severity) => (problem: ProblemStatus) =>
    severities.indexOf(problem.severity) <= severities.indexOf(bound);
  const shown = problems.filter(atLeast(options.show));
  print(options.output, shown, () =>
    [...shown.map(formatProblemStatus), summary(problems)].join('\n'),
  );
  return problems.some(atLeast(options.failOn)) ? 1 : 0;
}

async function readProblems(options: AnalyzeOptions): Promise<ProblemStatus[]> {
  if (options.config !== undefined) {
    const offline = await loadOffline(options.config, options.meshConfig);
    return offlineProblems(offline, gatewayConflicts(offline));
  }
  if (options.meshConfig !== undefined) {
    throw new ControlPlaneError('usage', '--mesh-config is for --config; a server has its own');
  }
  const { items } = await getApi<{ items: ProblemStatus[] }>(options.admin, '/problems');
  return sortProblems(items);
}

function summary(problems: readonly ProblemStatus[]): string {
  const counts = severities.map((severity) => {
    const count = problems.filter((problem) => problem.severity === severity).length;
    return `${count} ${severity}${severity !== 'info' && count !== 1 ? 's' : ''}`;
  });
  return counts.join(', ');
}
