// What every source of configuration gives (directory, memory, later etcd and the API): files, each with the
// documents read from it. Which of the documents count is decided by src/store, not here.
import type { Problem } from '../kinds/problem.js';
import type { LocatedDocument } from './document.js';

/** One file as last read. A file whose bytes did not change is the same object in the next state. */
export interface SourceFile {
  /** As shown to people: the directory as the user gave it, joined with the path inside. */
  readonly path: string;
  /** SHA-256 of the bytes in hex; empty when the bytes could not be read. */
  readonly hash: string;
  readonly documents: readonly LocatedDocument[];
  /** Findings about the file as a whole; those about a document are with the document. */
  readonly problems: readonly Problem[];
  /**
   * False when a part of the file could not be read or its identity is not known, so that a resource missing
   * from `documents` may still be meant to exist. The store then keeps what the file gave before.
   */
  readonly whole: boolean;
}

/** Everything a source knows at one moment. The same object is given again while nothing changed. */
export interface SourceState {
  /** In path order (UTF-16 code units), which is the order of precedence. */
  readonly files: readonly SourceFile[];
  /** Findings about the source itself, e.g. a directory that is gone. */
  readonly problems: readonly Problem[];
}

/** Where configuration comes from. Events are only a bell: all knowledge comes from `read`. */
export interface Source {
  /** Begins watching. Rejects with ControlPlaneError when the source does not exist. */
  start(): Promise<void>;
  /** Calls `bell` (debounced, without arguments) whenever `read` may give something new. */
  onChange(bell: () => void): void;
  /** The present state. Calls that overlap are served one after the other. */
  read(): Promise<SourceState>;
  /** Ends watching; no bell rings afterwards. */
  close(): Promise<void>;
}

/** The order in which files are read and in which the first of two equal claims counts. */
export function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
