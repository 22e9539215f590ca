// Hears that something happened below a directory; what happened is for the scan to find out. chokidar watches the
// directories only: the kernel reports what happens to files through the directory they are in, so thousands of
// files cost no watch each.
import { basename, join, relative, resolve } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { errorMessage } from '../lib/error.js';

/** A started watcher. */
export interface Watcher {
  /** Resolves when all directories are watched, or when it is clear that they cannot be. */
  ready: Promise<void>;
  close(): Promise<void>;
}

/** Who is told what. */
export interface WatchListeners {
  /** Something happened to `path` (root joined with the path inside), or it is not known to what. */
  onEvent: (path: string | undefined) => void;
  /** A directory cannot be watched. */
  onTrouble: (reason: string) => void;
}

/** Watches the directories under `root`. */
export function watchDirectory(root: string, listeners: WatchListeners): Watcher {
  const watcher: FSWatcher = watch(root, {
    ignoreInitial: true,
    atomic: false,
    ignorePermissionErrors: true,
    ignored: (path, stats) =>
      path !== root &&
      (basename(path).startsWith('.') || (stats !== undefined && !stats.isDirectory())),
  });
  // `raw` is every event of the kernel, those for files that are not watched themselves included.
  watcher.on('raw', (_event, name, details) => {
    const { watchedPath } = details as { watchedPath?: string };
    const path = eventPath(root, name, watchedPath);
    if (path === undefined || !isNoise(path)) listeners.onEvent(path);
  });
  // Directories that come and go.
  watcher.on('all', () => listeners.onEvent(undefined));
  const ready = new Promise<void>((resolve) => {
    watcher.once('ready', resolve);
    watcher.on('error', (error) => {
      listeners.onTrouble(errorMessage(error));
      resolve();
    });
  });
  return { ready, close: () => watcher.close() };
}

function eventPath(root: string, name: unknown, directory: string | undefined): string | undefined {
  if (typeof name !== 'string' || directory === undefined) return undefined;
  const inside = relative(resolve(root), resolve(directory, name));
  return inside === '' || inside.startsWith('..') ? undefined : join(root, inside);
}

// Hidden files are not read, so that an editor's swap file rings nothing. `..data` of a Kubernetes volume is no
// file but what the links beside it lead through.
function isNoise(path: string): boolean {
  const name = basename(path);
  return name.startsWith('.') && !name.startsWith('..');
}
