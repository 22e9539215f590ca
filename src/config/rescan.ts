// Brings a scan up to date where events say that something happened: a stat for each file named instead of one for
// each file there is. Whatever is not plainly a file coming, changing or going is left to a full scan.
import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inBatches } from './pace.js';
import { describeFile, isConfigName, type Scan, type ScannedFile } from './scan.js';

/** More names than this at once, and a full scan costs about the same. */
const hintsMax = 200;

/**
 * Brings the files of the scan up to date after events at these paths (as in the scan), and gives the paths of those
 * that came, went or may have changed. Undefined, and the scan is as it was, when only a full scan can tell.
 */
export async function rescan(
  before: Scan,
  paths: ReadonlySet<string>,
): Promise<readonly string[] | undefined> {
  if (paths.size > hintsMax) return undefined;
  const changed = new Map<string, ScannedFile | undefined>();
  const plain = await inBatches([...paths], 32, async (path) => {
    // A directory, or a file in one that the scan reads under another path or not at all.
    if (before.directories.has(path) || !before.directories.has(dirname(path))) return false;
    const status = await statusOf(path);
    if (status === 'unknown') return false;
    if (status === 'gone') {
      if (before.files.has(path)) changed.set(path, undefined);
      return true;
    }
    // A link's own times do not tell of its target; a directory may hold anything.
    if (!status.isFile()) return false;
    if (isConfigName(path)) changed.set(path, describeFile(path, status));
    return true;
  });
  if (plain.includes(false)) return undefined;
  for (const [path, file] of changed) {
    if (file === undefined) before.files.delete(path);
    else before.files.set(path, file);
  }
  return [...changed.keys()];
}

async function statusOf(path: string): Promise<BigIntStats | 'gone' | 'unknown'> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'unknown';
  }
}
