// What a kind's own check reports: a problem that knows its place in the spec, but neither the document nor the
// resource around it (registry.ts adds those).
import type { Severity } from './problem.js';
import type { ProblemCode } from './problem-codes.js';

/** A problem within a spec; `path` starts at the spec. */
export interface Finding {
  code: ProblemCode;
  severity: Severity;
  message: string;
  path: (string | number)[];
}

/** Checks a spec beyond its schema. Pure; never throws. */
export type Check<Spec> = (spec: Spec) => Finding[];
