// A document with its place: what the kinds made of it, and where in which file it stands. How text becomes
// documents is parse-file.ts.
import type { FieldPath, Position, Problem, ResourceId } from '../kinds/problem.js';
import type { ParsedResource } from '../kinds/registry.js';

/** Which end of a field a position is wanted of. */
export type FieldEnd = 'key' | 'value';

/** Where a document stands. Line and column are of its first key (of the item, in a list). */
export interface Origin extends Position {
  /**
   * The place of a field; of the nearest enclosing field that exists when it does not. Parses the text of the
   * document again (it is kept), so it is for answering people, not for hot paths.
   */
  locate(path: FieldPath, end?: FieldEnd): Position;
}

/** One document of a file. */
export interface LocatedDocument {
  /** Absent when the document is refused (a problem of severity `error`) or skipped. */
  readonly resource?: ParsedResource;
  /** Present whenever kind and metadata could be read. */
  readonly id?: ResourceId;
  /**
   * Set when an API of ours has no such kind or version, which is mostly a slip of the pen: a resource of this
   * name that the file gave before is likely still meant.
   */
  readonly mistaken?: { readonly namespace: string; readonly name: string };
  /** All of them have a position. */
  readonly problems: readonly Problem[];
  readonly origin: Origin;
}

/** True when the document was meant to be a resource of ours but is not accepted. */
export function isRefused(document: LocatedDocument): boolean {
  return (
    document.resource === undefined &&
    document.problems.some((problem) => problem.severity === 'error')
  );
}
