// What is wrong with something a user wrote, as data: collected, never thrown. The catalogue of codes is
// problem-codes.ts. Nothing here knows where problems are shown.
import type { ProblemCode } from './problem-codes.js';

/** `error`: the resource (or the part named) is not in force. `warning`: in force, but likely not what was meant. */
export type Severity = 'error' | 'warning' | 'info';

/** A place in a file; line and column are 1-based, as editors show them. */
export interface Position {
  file: string;
  line: number;
  col: number;
}

/** Names one resource of the mesh. */
export interface ResourceId {
  kind: string;
  namespace: string;
  name: string;
}

/** A step into a document: a key of a mapping or an index of a sequence. */
export type FieldPath = readonly (string | number)[];

/** One finding about a resource or a file. */
export interface Problem {
  code: ProblemCode;
  severity: Severity;
  message: string;
  resource?: ResourceId;
  /** Where in the document, e.g. `['spec', 'http', 0, 'route']`. */
  path?: FieldPath;
  /** Istio's code where it is not the one that istio-codes.ts has for `code`. */
  istio?: string;
  /** Filled in by the source that read the document, where one did. */
  position?: Position;
}

/** `Kind/namespace/name`, unique among accepted resources. */
export function resourceKey(id: ResourceId): string {
  return `${id.kind}/${id.namespace}/${id.name}`;
}

/** `spec.http[0].route`, as `kubectl` and Istio write paths. */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `["${step}"]`;
  }
  return text;
}

/** `file:line:col`, the form that editors and CI annotate. */
export function formatPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.col}`;
}
