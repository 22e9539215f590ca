// What a kind's own check reports: a problem that knows its place in the spec, but neither the document nor the
// resource around it (registry.ts adds those).
import type { FieldPath, Problem } from './problem.js';

/** A problem within a spec; `path` starts at the spec. */
export type Finding = Pick<Problem, 'code' | 'severity' | 'message' | 'istio'> & {
  path: FieldPath;
};

/** What a check may know besides the spec. */
export interface CheckContext {
  /** Namespace of the resource. */
  namespace: string;
}

/** Checks a spec beyond its schema and reports what is wrong. Pure; never throws. */
export type Check<Spec> = (spec: Spec, findings: Findings, context: CheckContext) => void;

/** Collects findings. */
export class Findings {
  readonly list: Finding[] = [];

  /** A value that is not allowed here; the resource is refused. */
  invalid(path: FieldPath, message: string): void {
    this.list.push({ code: 'invalid-value', severity: 'error', message, path });
  }

  /** A field that must be given; the resource is refused. */
  missing(path: FieldPath, message: string): void {
    this.list.push({ code: 'missing-field', severity: 'error', message, path });
  }

  /** In force, but likely not what was meant. */
  warn(path: FieldPath, message: string): void {
    this.list.push({ code: 'invalid-value', severity: 'warning', message, path });
  }

  /** In force, but the API has something newer for it; `use` names that. */
  deprecated(path: FieldPath, use: string): void {
    const message = `${String(path.at(-1))} is deprecated; use ${use}`;
    this.list.push({ code: 'deprecated', severity: 'warning', message, path });
  }

  /** As `deprecated`, of an older form of a value. */
  deprecatedForm(path: FieldPath, form: string, use: string): void {
    const message = `${JSON.stringify(form.slice(0, 80))} is an older form; write ${use.slice(0, 80)}`;
    this.list.push({ code: 'deprecated', severity: 'warning', message, path });
  }

  /** In the API and accepted, but not acted on yet. */
  pending(path: FieldPath, message: string): void {
    this.list.push({ code: 'not-implemented', severity: 'warning', message, path });
  }
}
