// How files are looked at and read: as others are waited for, or at once.
import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

/** Rejects or throws as node:fs does. */
export interface FileAccess {
  /** Follows links. */
  stat(path: string): BigIntStats | Promise<BigIntStats>;
  read(path: string): Buffer | Promise<Buffer>;
}

/** A disk that does not answer holds up nobody. */
export const inTurn: FileAccess = {
  stat: (path) => stat(path, { bigint: true }),
  read: (path) => readFile(path),
};

/** A tenth of the CPU time: for the start, when there is nobody yet whom a slow disk could hold up. */
export const atOnce: FileAccess = {
  stat: (path) => statSync(path, { bigint: true }),
  read: (path) => readFileSync(path),
};
