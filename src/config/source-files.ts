// The list of files of a source, from one state to the next.
import { sameOr } from '../lib/memo.js';
import { firstNotBefore } from '../lib/sorted.js';
import { comparePaths, type SourceFile } from './source.js';

/** With more changes than this the list is sorted anew. */
const fewChanges = 64;

/** Files in path order with some of them replaced, new or gone (undefined); the same list when nothing differs. */
export function withFiles(
  files: readonly SourceFile[],
  changes: ReadonlyMap<string, SourceFile | undefined>,
): readonly SourceFile[] {
  if (changes.size > fewChanges) return sortedWith(files, changes);
  let next: SourceFile[] | undefined;
  for (const [path, file] of changes) {
    const list = next ?? files;
    const at = firstNotBefore(list, (each) => comparePaths(each.path, path) < 0);
    const before = list[at]?.path === path ? list[at] : undefined;
    if (before === file) continue;
    next ??= [...files];
    next.splice(at, before ? 1 : 0, ...(file ? [file] : []));
  }
  return next ?? files;
}

function sortedWith(
  files: readonly SourceFile[],
  changes: ReadonlyMap<string, SourceFile | undefined>,
): readonly SourceFile[] {
  const next = files.filter(({ path }) => !changes.has(path));
  for (const file of changes.values()) if (file !== undefined) next.push(file);
  return sameOr(
    files,
    next.sort((a, b) => comparePaths(a.path, b.path)),
  );
}
