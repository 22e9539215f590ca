// Hears that something happened in the directories of a scan; what happened is for the next scan to find out. Only
// directories are watched: the kernel reports what happens to files through the directory they are in, so thousands
// of files cost no watch each, and an event costs no look at the others.
import { type FSWatcher, watch } from 'node:fs';
import { basename, join } from 'node:path';
import { codeOf, reasonOf, type Scan } from './scan.js';

/** Something happened to `path` (a directory as scanned, joined with the name in it), or it is not known to what. */
export type EventListener = (path: string | undefined) => void;

interface Watch {
  /** Of the directory, as in the scan. A directory that was replaced is another one to the kernel. */
  identity: string;
  watcher: FSWatcher;
}

/** Watches the directories that the scans find. */
export class DirectoryWatcher {
  readonly #watches = new Map<string, Watch>();
  readonly #onEvent: EventListener;
  /** Why some directory cannot be watched; undefined when all are. */
  trouble: string | undefined;

  constructor(onEvent: EventListener) {
    this.#onEvent = onEvent;
  }

  /** Watches just these from now on. True when some are new: what happened there since the scan was not heard. */
  follow(directories: Scan['directories']): boolean {
    this.trouble = undefined;
    for (const [path, { identity }] of this.#watches) {
      if (directories.get(path) !== identity) this.#drop(path);
    }
    let added = false;
    for (const [path, identity] of directories) {
      if (this.#watches.has(path)) continue;
      added = this.#add(path, identity) || added;
    }
    return added;
  }

  close(): void {
    for (const path of [...this.#watches.keys()]) this.#drop(path);
  }

  #add(path: string, identity: string): boolean {
    let watcher: FSWatcher;
    try {
      watcher = watch(path, (event, name) => {
        if (name !== null && isNoise(name)) return;
        // The directory itself went, or something in it that has its name; the next one may have its identity.
        const isSelf = event === 'rename' && name === basename(path);
        if (isSelf) this.#drop(path);
        this.#onEvent(name === null || isSelf ? undefined : join(path, name));
      });
    } catch (error) {
      // One that went since is heard of by the directory that it was in.
      if (codeOf(error) !== 'ENOENT') this.trouble = reasonOf(error);
      return false;
    }
    watcher.on('error', () => {
      this.#drop(path);
      this.#onEvent(undefined);
    });
    this.#watches.set(path, { identity, watcher });
    return true;
  }

  #drop(path: string): void {
    this.#watches.get(path)?.watcher.close();
    this.#watches.delete(path);
  }
}

// Hidden files are not read, so that an editor's swap file rings nothing. `..data` of a Kubernetes volume is no
// file but what the links beside it lead through.
function isNoise(name: string): boolean {
  return name.startsWith('.') && !name.startsWith('..');
}
