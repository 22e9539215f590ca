// Says each problem in the log once when it comes and once when it is mended. A problem that only moved, because
// lines were added above it, is neither.
import { formatProblemStatus } from './problems.js';
import type { ProblemStatus } from './state.js';

/** The part of a log that is needed here. */
export interface ProblemLogTarget {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export class ProblemLog {
  readonly #log: ProblemLogTarget;
  #said: ReadonlyMap<string, ProblemStatus> = new Map();

  constructor(log: ProblemLogTarget) {
    this.#log = log;
  }

  /** Takes the problems there are now; those of severity `info` are for `analyze`, not for the log. */
  note(problems: readonly ProblemStatus[]): void {
    const now = new Map<string, ProblemStatus>();
    for (const problem of problems) {
      if (problem.severity !== 'info') now.set(identityOf(problem, now), problem);
    }
    for (const [identity, problem] of now) {
      if (this.#said.has(identity)) continue;
      const level = problem.severity === 'error' ? 'error' : 'warn';
      this.#log[level]({ code: problem.code }, formatProblemStatus(problem));
    }
    for (const [identity, problem] of this.#said) {
      if (!now.has(identity)) this.#log.info({}, `mended: ${formatProblemStatus(problem)}`);
    }
    this.#said = now;
  }
}

/** The problem without its line; the second of two that are equal otherwise is another one. */
function identityOf(problem: ProblemStatus, taken: ReadonlyMap<string, unknown>): string {
  const { position, ...rest } = problem;
  const text = JSON.stringify({ ...rest, file: position?.file });
  let identity = text;
  for (let count = 2; taken.has(identity); count++) identity = `${text} ${count}`;
  return identity;
}
