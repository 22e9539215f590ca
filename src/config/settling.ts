// Whether a file that changed may be read yet. A rename puts a complete file in place; a file written in place can
// be seen empty or half, and half a VirtualService is often a valid one that means something else.
import type { ScannedFile } from './scan.js';

/** How long a file that is written in place must be left alone before it is taken, in ms. */
export const settleMs = 30;

/** After this long a file that never rests is taken as it is, in ms. */
export const settleMsMax = 500;

/** What is known of a file from before. */
export interface Before {
  /** As ScannedFile.inode; undefined for a file not seen before. */
  inode?: string;
  /** How long the present change has been put off already, in ms. */
  waitedMs: number;
}

/** True when the file is likely being written, by its times alone. `nowMs` is in ms since the epoch. */
export function isBeingWritten(file: ScannedFile, before: Before, nowMs: number): boolean {
  if (before.waitedMs >= settleMsMax || !isFresh(file, nowMs)) return false;
  const replaced = before.inode !== undefined && before.inode !== file.inode;
  // A rename or chmod after the last write sets the change time only: the writer is done.
  return !replaced && file.justWritten;
}

/** True when what was read looks like the beginning of a file that is still being written. */
export function looksHalf(
  file: ScannedFile,
  read: { bytes: number; whole: boolean },
  options: { before: Before; nowMs: number },
): boolean {
  if (options.before.waitedMs >= settleMsMax) return false;
  if (read.bytes !== file.size) return true;
  return isFresh(file, options.nowMs) && (read.bytes === 0 || !read.whole);
}

// A time in the future (another machine's clock) counts as fresh; settleMsMax bounds the waiting.
function isFresh(file: ScannedFile, nowMs: number): boolean {
  return nowMs - file.modifiedMs < settleMs;
}
