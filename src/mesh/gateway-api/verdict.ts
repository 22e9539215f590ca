// What is found about one aspect of a resource of the Gateway API: the conditions of its status, without times, and
// the place in the document that a finding is about.
import type { FieldPath } from '../../kinds/problem.js';

/** One condition. Reasons are those of the API. */
export interface Verdict {
  ok: boolean;
  reason: string;
  message: string;
  /** Where in the document, for what is not ok. */
  path?: FieldPath;
}

/** All is well. */
export function good(reason: string): Verdict {
  return { ok: true, reason, message: 'No errors found' };
}

/** Something is not. */
export function bad(reason: string, message: string, path: FieldPath): Verdict {
  return { ok: false, reason, message, path };
}

/** Conditions by type. */
export type Verdicts = Readonly<Record<string, Verdict>>;
