// Lists the configuration files of a directory tree with what tells that a file was touched. Reads no file.
//
// Names that start with a dot are not looked at: hidden files, editors' temporary files, and the `..data` and
// `..2026_…` directories of a Kubernetes volume, whose files are reached through the links beside them.
import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type FileAccess, inTurn } from './file-access.js';
import { inBatches } from './pace.js';
import { comparePaths } from './source.js';

/** A file found. */
export interface ScannedFile {
  path: string;
  size: number;
  /** Differs whenever the file was written, replaced or changed its owner or mode. */
  signature: string;
  /** Identity of what the path leads to; a rename onto the path changes it. */
  inode: string;
  modifiedMs: number;
  /** True when nothing but the writing of its bytes set its times last, as while it is being written. */
  justWritten: boolean;
  /** Why it cannot be read, when that is known already. */
  trouble?: string;
}

/** What a scan found. */
export interface Scan {
  /** By path. */
  files: Map<string, ScannedFile>;
  /** Identity of the root directory. */
  root: string;
  /** The directories listed, under the path by which they were reached first, with their identity. */
  directories: Map<string, string>;
  /** Directories that could not be listed: nothing is known about the files below them. */
  unlisted: { path: string; reason: string }[];
}

/** Stats and listings in flight; more does not help, as libuv has four threads. */
const widthMax = 32;

const extensions = /\.(?:ya?ml|json)$/i;

/** True for names that are read: by their extension, and not hidden. */
export function isConfigName(path: string): boolean {
  return extensions.test(path) && !basename(path).startsWith('.');
}

interface Walk extends Scan {
  visited: Set<string>;
  links: string[];
  access: FileAccess;
}

/** Scans a tree. Rejects (ENOENT, ENOTDIR, EACCES) when the root itself cannot be listed. */
export async function scan(root: string, access = inTurn): Promise<Scan> {
  const status = await access.stat(root);
  const entries = await readdir(root, { withFileTypes: true });
  const walk: Walk = {
    files: new Map(),
    root: identity(status),
    unlisted: [],
    directories: new Map([[join(root), identity(status)]]),
    visited: new Set([identity(status)]),
    links: [],
    access,
  };
  await visitEntries(root, entries, walk);
  // Links to directories come after the directories themselves, in path order, so that a directory reached in
  // several ways is always read under the same path. A link back into the tree ends here.
  while (walk.links.length > 0) {
    const links = walk.links.sort(comparePaths);
    walk.links = [];
    for (const link of links) await visitDirectory(link, walk);
  }
  walk.unlisted.sort((a, b) => comparePaths(a.path, b.path));
  const { files, unlisted, directories } = walk;
  return { files, unlisted, directories, root: walk.root };
}

async function visitDirectory(path: string, walk: Walk): Promise<void> {
  let entries: Dirent[];
  try {
    const key = identity(await walk.access.stat(path));
    if (walk.visited.has(key)) return;
    walk.visited.add(key);
    entries = await readdir(path, { withFileTypes: true });
    walk.directories.set(path, key);
  } catch (error) {
    // Gone between the listing of its parent and now: its files are gone too.
    if (codeOf(error) !== 'ENOENT') walk.unlisted.push({ path, reason: reasonOf(error) });
    return;
  }
  await visitEntries(path, entries, walk);
}

async function visitEntries(directory: string, entries: Dirent[], walk: Walk): Promise<void> {
  const below: string[] = [];
  const candidates: Dirent[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) below.push(join(directory, entry.name));
    else if (entry.isSymbolicLink() || extensions.test(entry.name)) candidates.push(entry);
  }
  await inBatches(candidates, widthMax, async (entry) => {
    await visitFile(join(directory, entry.name), entry, walk);
  });
  // One directory at a time, in path order: `visited` must not depend on who is quicker.
  for (const path of below.sort(comparePaths)) await visitDirectory(path, walk);
}

async function visitFile(path: string, entry: Dirent, walk: Walk): Promise<void> {
  const found = (file: ScannedFile) => walk.files.set(path, file);
  try {
    const status = await walk.access.stat(path);
    if (status.isDirectory()) walk.links.push(path);
    else if (!extensions.test(entry.name)) return;
    else if (status.isFile()) found(describeFile(path, status));
    // A pipe would block whoever opens it.
    else found(unreadableFile(path, 'it is not a regular file'));
  } catch (error) {
    if (!extensions.test(entry.name)) return;
    const dangling = codeOf(error) === 'ENOENT' && (await exists(path));
    if (dangling) found(unreadableFile(path, 'the link leads nowhere'));
    else if (codeOf(error) !== 'ENOENT') found(unreadableFile(path, reasonOf(error)));
  }
}

/** What a scan keeps of a regular file. */
export function describeFile(path: string, status: BigIntStats): ScannedFile {
  const { size, mtimeNs, ctimeNs } = status;
  const inode = identity(status);
  return {
    path,
    size: Number(size),
    signature: `${inode} ${size} ${mtimeNs} ${ctimeNs}`,
    inode,
    modifiedMs: Number(mtimeNs / 1000000n),
    justWritten: mtimeNs === ctimeNs,
  };
}

function unreadableFile(path: string, trouble: string): ScannedFile {
  return {
    path,
    size: 0,
    signature: `! ${trouble}`,
    inode: '',
    modifiedMs: 0,
    justWritten: false,
    trouble,
  };
}

function identity(status: BigIntStats): string {
  return `${status.dev}:${status.ino}`;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Of an error of node:fs: ENOENT and the like. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** A reason for people, without the path and the name of the system call. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOENT':
      return 'it does not exist';
    case 'ENOTDIR':
      return 'it is not a directory';
    case 'ELOOP':
      return 'its link leads back to itself';
    default:
      return message;
  }
}
