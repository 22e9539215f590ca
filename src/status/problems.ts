// Problems as shown: each with file:line:col, whichever stage found it. Stages after the sources know only the
// resource and the path; the place is looked up here.
import { istioCode } from '../kinds/istio-codes.js';
import {
  formatPath,
  formatPosition,
  type Problem,
  type ResourceId,
  resourceKey,
} from '../kinds/problem.js';
import type { Generation } from '../store/generation.js';
import type { ProblemStatus } from './state.js';

const rank = { error: 0, warning: 1, info: 2 } as const;

/** The problem with its place, if the resource is in force and so has one. */
export function locateProblem(problem: Problem, generation: Generation): ProblemStatus {
  const position =
    problem.position ??
    (problem.resource
      ? generation.origin(resourceKey(problem.resource))?.locate(problem.path ?? [])
      : undefined);
  const istio = istioCode(problem);
  return {
    code: problem.code,
    ...(istio && { istio }),
    severity: problem.severity,
    message: problem.message,
    ...(problem.resource && { resource: problem.resource }),
    ...(problem.path && { path: formatPath(problem.path) }),
    ...(position && {
      position: { file: position.file, line: position.line, col: position.col },
    }),
  };
}

/** Findings of several stages, placed, each said once, sorted. */
export function collectProblems(
  stages: readonly (readonly Problem[])[],
  generation: Generation,
): ProblemStatus[] {
  return sortProblems(
    distinctProblems(stages.flat().map((problem) => locateProblem(problem, generation))),
  );
}

/** Several views find the same thing; it is said once. */
export function distinctProblems(problems: readonly ProblemStatus[]): ProblemStatus[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

/** By severity, then by place: the order in which people mend. */
export function sortProblems(problems: readonly ProblemStatus[]): ProblemStatus[] {
  const place = (p: ProblemStatus) => p.position?.file ?? '';
  return [...problems].sort(
    (a, b) =>
      rank[a.severity] - rank[b.severity] ||
      (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0) ||
      (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
      (a.position?.col ?? 0) - (b.position?.col ?? 0),
  );
}

/** One line: `file:3:5: error unknown-field (IST0106): … [spec.http] (VirtualService/default/reviews)`. */
export function formatProblemStatus(problem: ProblemStatus): string {
  const where = problem.position ? `${formatPosition(problem.position)}: ` : '';
  const path = problem.path ? ` [${problem.path}]` : '';
  const who = problem.resource ? ` (${resourceKey(problem.resource)})` : '';
  const istio = problem.istio ? ` (${problem.istio})` : '';
  return `${where}${problem.severity} ${problem.code}${istio}: ${problem.message}${path}${who}`;
}

/** The resource with the place it was read from. */
export function locateResource(id: ResourceId, generation: Generation) {
  const origin = generation.origin(resourceKey(id));
  return {
    kind: id.kind,
    namespace: id.namespace,
    name: id.name,
    ...(origin && { position: { file: origin.file, line: origin.line, col: origin.col } }),
  };
}
