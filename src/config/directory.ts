// A watched directory as a source. Events only ring the bell and say where to look; each read compares times and
// identity of files, reads those that changed and compares bytes by hash. A slow scan of everything in the
// background finds what events missed.
// What a directory is made of is scan.ts, when a file may be read settling.ts.
import { sep } from 'node:path';
import type { Problem } from '../kinds/problem.js';
import { parseResource } from '../kinds/registry.js';
import { ControlPlaneError } from '../lib/error.js';
import { Bell } from './bell.js';
import { atOnce, type FileAccess, inTurn } from './file-access.js';
import { defaultLimits, type Limits } from './limits.js';
import { inBatches, Pace } from './pace.js';
import type { ParseSettings } from './parse-chunk.js';
import { type ParsedFile, parseFile, tooLarge, unreadable } from './parse-file.js';
import { rescan } from './rescan.js';
import { codeOf, reasonOf, type Scan, type ScannedFile, scan } from './scan.js';
import { isBeingWritten, looksHalf, settleMs, settleMsMax } from './settling.js';
import type { Source, SourceFile, SourceState } from './source.js';
import { withFiles } from './source-files.js';
import { DirectoryWatcher } from './watcher.js';

/** Settings of a directory source; the defaults are those of the product. */
export interface DirectorySourceOptions {
  parseResource?: ParseSettings['parseResource'];
  limits?: Limits;
  namespace?: string;
  /** Interval of the scan in the background, in ms. */
  pollMs?: number;
}

/** A file as last taken. */
interface Entry {
  /** As ScannedFile.signature; undefined when the file is to be read again whatever its times say. */
  signature: string | undefined;
  inode: string;
  /** Absent for a new file that is not taken yet. */
  taken?: ParsedFile;
  /** The last version that could be read; what did not change since is shared with it. */
  readable?: ParsedFile;
  /** When the present change was first put off, on the monotonic clock. */
  waitingSinceMs?: number;
}

const readsAtOnce = 16;
const pollWhileGoneMs = 200;

/** Watches one directory, recursively. */
export class DirectorySource implements Source {
  readonly #root: string;
  readonly #settings: ParseSettings;
  readonly #pollMs: number;
  readonly #bell = new Bell({ quietMs: 5, longestMs: 50 });
  readonly #entries = new Map<string, Entry>();
  /** Paths of entries that are to be looked at again whatever events say. */
  readonly #unsettled = new Set<string>();
  /** What differs from the state given last, by path; undefined for nothing there. */
  readonly #changes = new Map<string, SourceFile | undefined>();
  #scan: Scan | undefined;
  /** Where events say that something happened since the last read; undefined for anywhere. */
  #hints: Set<string> | undefined;
  #state: SourceState | undefined;
  /** Identity of the root directory when last scanned; undefined while it is gone. */
  #rootIdentity: string | undefined;
  readonly #watcher = new DirectoryWatcher((path) => {
    if (path === undefined) this.#hints = undefined;
    else this.#hints?.add(path);
    this.#bell.touch();
  });
  #pollTimer: NodeJS.Timeout | undefined;
  #settleTimer: NodeJS.Timeout | undefined;
  /** Since when a new file that is not taken yet keeps other changes waiting, on the monotonic clock. */
  #heldSinceMs: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(root: string, options: DirectorySourceOptions = {}) {
    this.#root = root;
    const { pollMs, ...settings } = options;
    this.#settings = { parseResource, limits: defaultLimits, ...settings };
    this.#pollMs = pollMs ?? 2000;
  }

  async start(): Promise<void> {
    try {
      const found = await scan(this.#root, atOnce);
      this.#rootIdentity = found.root;
      // What happens from now on is heard; what happened since that scan is found by the first read.
      this.#watcher.follow(found.directories);
    } catch (error) {
      const message = `The configuration directory ${this.#root} cannot be read: ${reasonOf(error)}.`;
      throw new ControlPlaneError('config-directory', message, { cause: error });
    }
    this.#schedulePoll(this.#pollMs);
  }

  onChange(bell: () => void): void {
    this.#bell.onRing(bell);
  }

  read(): Promise<SourceState> {
    return this.#exclusively(() => this.#read());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.close();
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#settleTimer);
    await this.#turn;
    this.#watcher.close();
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #read(): Promise<SourceState> {
    let paths: Iterable<string>;
    try {
      paths = await this.#look();
    } catch (error) {
      this.#hints = undefined;
      return this.#gone(reasonOf(error));
    }
    const found = this.#scan!;
    this.#rootIdentity = found.root;
    if (!this.#closed && this.#watcher.follow(found.directories)) {
      this.#hints = undefined;
      this.#bell.touch();
    }
    const news: ScannedFile[] = [];
    for (const path of paths) {
      const file = found.files.get(path);
      if (file === undefined) this.#note(path, undefined);
      else if (isNews(file, this.#entries.get(path))) news.push(file);
    }
    const pace = new Pace();
    await inBatches(news, readsAtOnce, async (file) => {
      this.#note(file.path, await this.#take(file, pace));
    });
    return this.#state !== undefined && this.#isHeld() ? this.#state : this.#give(found);
  }

  /**
   * Brings the scan up to date and gives the paths at which something may have come, changed or gone. Without hints
   * it is not known where to look: the caller asks unasked, or something happened to directories.
   */
  async #look(): Promise<Iterable<string>> {
    const hints = this.#hints;
    this.#hints = new Set();
    if (this.#scan !== undefined && hints !== undefined) {
      for (const path of this.#unsettled) hints.add(path);
      const changed = hints.size > 0 ? await rescan(this.#scan, hints) : undefined;
      if (changed !== undefined) return changed;
    }
    const found = await scan(this.#root, this.#access());
    this.#scan = found;
    // Of what is below a directory that cannot be listed nothing is known.
    const isKnown = (path: string) => !found.unlisted.some((at) => path.startsWith(at.path + sep));
    return new Set([...found.files.keys(), ...[...this.#entries.keys()].filter(isKnown)]);
  }

  #note(path: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#entries.delete(path);
    else this.#entries.set(path, entry);
    this.#changes.set(path, entry?.taken?.file);
    const isSettled =
      !entry || (entry.signature !== undefined && entry.waitingSinceMs === undefined);
    if (isSettled) this.#unsettled.delete(path);
    else this.#unsettled.add(path);
  }

  /** Until there is a first state nobody is served who could wait. */
  #access(): FileAccess {
    return this.#state === undefined ? atOnce : inTurn;
  }

  #gone(reason: string): SourceState {
    if (this.#rootIdentity !== undefined) {
      this.#rootIdentity = undefined;
      this.#watcher.follow(new Map());
      // Nothing is left to be watched, so its return shows only by looking.
      clearTimeout(this.#pollTimer);
      this.#schedulePoll(pollWhileGoneMs);
    }
    const message =
      `The configuration directory ${this.#root} cannot be read: ${reason}. ` +
      'What was read from it last stays in force.';
    const problem: Problem = { code: 'file-unreadable', severity: 'error', message };
    const before = this.#state;
    if (before?.problems.length === 1 && before.problems[0]!.message === message) return before;
    this.#state = { files: before?.files ?? [], problems: [problem] };
    return this.#state;
  }

  async #take(file: ScannedFile, pace: Pace): Promise<Entry | undefined> {
    const before = this.#entries.get(file.path);
    if (file.trouble !== undefined)
      return refuse(file, unreadable(file.path, file.trouble), before);
    const known = { inode: before?.inode, waitedMs: waited(before) };
    const first = this.#state === undefined;
    if (!first && isBeingWritten(file, known, Date.now())) return this.#putOff(file, before);
    if (file.size > this.#settings.limits.fileBytes) {
      return refuse(file, tooLarge(file.path, file.size, this.#settings.limits), before);
    }
    let bytes: Buffer;
    try {
      bytes = await this.#access().read(file.path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return undefined;
      const entry = refuse(file, unreadable(file.path, reasonOf(error)), before);
      // Other reasons than permissions may pass without a change to the file.
      return code === 'EACCES' ? entry : { ...entry, signature: undefined };
    }
    const taken = await parseFile(file.path, bytes, {
      ...this.#settings,
      previous: before?.readable,
      breathe: pace.breathe,
    });
    const read = { bytes: bytes.length, whole: taken.file.whole };
    if (!first && looksHalf(file, read, { before: known, nowMs: Date.now() })) {
      return this.#putOff(file, before);
    }
    return { signature: file.signature, inode: file.inode, taken, readable: taken };
  }

  #putOff(file: ScannedFile, before: Entry | undefined): Entry {
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      this.#bell.touch();
    }, settleMs).unref();
    return {
      signature: file.signature,
      inode: before?.inode ?? file.inode,
      taken: before?.taken,
      readable: before?.readable,
      waitingSinceMs: before?.waitingSinceMs ?? performance.now(),
    };
  }

  /**
   * What moves from one file to a new one must not be in neither of them while the new one settles: until it does,
   * all stays as it was.
   */
  #isHeld(): boolean {
    const entries = [...this.#unsettled].map((path) => this.#entries.get(path)!);
    if (!entries.some((entry) => entry.waitingSinceMs !== undefined && !entry.taken)) {
      this.#heldSinceMs = undefined;
      return false;
    }
    const now = performance.now();
    this.#heldSinceMs ??= now;
    return now - this.#heldSinceMs < settleMsMax;
  }

  #give(found: Scan): SourceState {
    const problems = found.unlisted.map(({ path, reason }): Problem => {
      const message = `The directory ${path} cannot be read: ${reason}.`;
      return { code: 'file-unreadable', severity: 'error', message };
    });
    if (this.#watcher.trouble !== undefined) {
      const seconds = this.#pollMs / 1000;
      const message = `The directory cannot be watched (${this.#watcher.trouble}); it is scanned every ${seconds} s.`;
      problems.push({ code: 'file-unreadable', severity: 'warning', message });
    }
    const before = this.#state;
    const files = withFiles(before?.files ?? [], this.#changes);
    this.#changes.clear();
    const same =
      files === before?.files &&
      before.problems.length === problems.length &&
      problems.every((problem, at) => problem.message === before.problems[at]!.message);
    if (!same) this.#state = { files, problems };
    return this.#state!;
  }

  #schedulePoll(delayMs: number): void {
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => void this.#poll(), delayMs).unref();
  }

  // Costs a stat per file, so it may not take more than a small part of the time. Reads need not wait for it: what
  // one of them takes meanwhile can at most make it ring in vain.
  async #poll(): Promise<void> {
    const startMs = performance.now();
    const differs = await scan(this.#root).then(
      (found) => this.#differs(found),
      () => this.#rootIdentity !== undefined,
    );
    if (differs) {
      this.#hints = undefined;
      this.#bell.touch();
    }
    const tookMs = performance.now() - startMs;
    const gone = this.#rootIdentity === undefined;
    this.#schedulePoll(gone ? pollWhileGoneMs : Math.max(this.#pollMs, 50 * tookMs));
  }

  #differs(found: Scan): boolean {
    if (this.#state === undefined || found.root !== this.#rootIdentity) return true;
    // One problem for each directory that could not be listed; trouble with watching is there to stay.
    const unlisted = this.#state.problems.filter((problem) => problem.severity === 'error').length;
    if (found.unlisted.length !== unlisted) return true;
    if (found.unlisted.length === 0 && found.files.size !== this.#entries.size) return true;
    for (const file of found.files.values()) if (this.#isNew(file)) return true;
    return false;
  }

  #isNew(file: ScannedFile): boolean {
    return this.#entries.get(file.path)?.signature !== file.signature;
  }
}

function isNews(file: ScannedFile, before: Entry | undefined): boolean {
  return before?.signature !== file.signature || before.waitingSinceMs !== undefined;
}

function waited(entry: Entry | undefined): number {
  return entry?.waitingSinceMs === undefined ? 0 : performance.now() - entry.waitingSinceMs;
}

function refuse(file: ScannedFile, taken: ParsedFile, before: Entry | undefined): Entry {
  const inode = file.inode === '' ? (before?.inode ?? '') : file.inode;
  return { signature: file.signature, inode, taken, readable: before?.readable };
}
