// Brings a scan up to date where events say that something happened: a stat for each file named instead of one for
// each file there is. Whatever is not plainly a file coming, changing or going is left to a full scan.
import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inBatches } from './pace.js';
import { describeFile, isConfigName, type Scan, type ScannedFile } from './scan.js';
import { comparePaths } from './source.js';

/** More names than this at once, and a full scan costs about the same. */
const hintsMax = 200;

/** The scan after the events, or undefined when only a full scan can tell. `paths` are as in the scan. */
export async function rescan(before: Scan, paths: ReadonlySet<string>): Promise<Scan | undefined> {
  if (paths.size > hintsMax) return undefined;
  const changed = new Map<string, ScannedFile | undefined>();
  const known = new Set(before.files.map((file) => file.path));
  const plain = await inBatches([...paths], 32, async (path) => {
    // A directory, or a file in one that the scan reads under another path or not at all.
    if (before.directories.has(path) || !before.directories.has(dirname(path))) return false;
    const status = await statusOf(path);
    if (status === 'unknown') return false;
    if (status === 'gone') {
      if (known.has(path)) changed.set(path, undefined);
      return true;
    }
    // A link's own times do not tell of its target; a directory may hold anything.
    if (!status.isFile()) return false;
    if (isConfigName(path)) changed.set(path, describeFile(path, status));
    return true;
  });
  if (plain.includes(false)) return undefined;
  const files = before.files.filter((file) => !changed.has(file.path));
  for (const file of changed.values()) if (file !== undefined) files.push(file);
  files.sort((a, b) => comparePaths(a.path, b.path));
  return { ...before, files };
}

async function statusOf(path: string): Promise<BigIntStats | 'gone' | 'unknown'> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'unknown';
  }
}
