// Hears that something happened below a directory; what happened is for the scan to find out. chokidar watches the
// directories only: the kernel reports what happens to files through the directory they are in, so thousands of
// files cost no watch each.
import { basename } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { errorMessage } from '../lib/error.js';

/** A started watcher. */
export interface Watcher {
  /** Resolves when all directories are watched, or when it is clear that they cannot be. */
  ready: Promise<void>;
  close(): Promise<void>;
}

/** Calls `onEvent` for anything that happens, `onTrouble` when a directory cannot be watched. */
export function watchDirectory(
  root: string,
  listeners: { onEvent: () => void; onTrouble: (reason: string) => void },
): Watcher {
  const watcher: FSWatcher = watch(root, {
    ignoreInitial: true,
    atomic: false,
    ignorePermissionErrors: true,
    ignored: (path, stats) =>
      path !== root &&
      (basename(path).startsWith('.') || (stats !== undefined && !stats.isDirectory())),
  });
  // `raw` is every event of the kernel, those for files that are not watched themselves included.
  watcher.on('raw', listeners.onEvent);
  watcher.on('all', listeners.onEvent);
  const ready = new Promise<void>((resolve) => {
    watcher.once('ready', resolve);
    watcher.on('error', (error) => {
      listeners.onTrouble(errorMessage(error));
      resolve();
    });
  });
  return { ready, close: () => watcher.close() };
}
