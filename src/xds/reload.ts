// Files whose content is taken in again when it changes: certificates and tokens. They are read at short intervals,
// as no event comes for a file behind a link that was swapped (Kubernetes mounts secrets so).
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ControlPlaneError, errorMessage } from '../lib/error.js';

/** How a changed file is noticed and what is told of it. */
export interface ReloadOptions {
  /** Milliseconds between two looks; default 5,000. */
  readonly reloadMs?: number;
  /** Told once of each thing that is wrong with the new content; the old one stays. Default: a process warning. */
  readonly onProblem?: (message: string) => void;
  /** Told of new content that is in force. */
  readonly onReload?: () => void;
}

const defaultReloadMs = 5_000;

/** A value made of the contents of some files; `value` is the last one that could be made. */
export class ReloadedFiles<Value> {
  value: Value;
  private contents: readonly Buffer[];
  private timer: NodeJS.Timeout | undefined;
  private problem = '';

  /**
   * Reads the files at once. `make` throws on content that is of no use. Throws a ControlPlaneError
   * (XdsFileUnusable) when there is nothing to begin with.
   */
  constructor(
    private readonly files: readonly string[],
    private readonly make: (contents: readonly Buffer[]) => Value,
    private readonly options: ReloadOptions,
  ) {
    try {
      this.contents = files.map((file) => readFileSync(file));
      this.value = make(this.contents);
    } catch (cause) {
      const message = `${files.join(', ')}: ${errorMessage(cause)}`;
      throw new ControlPlaneError('XdsFileUnusable', message, { cause });
    }
  }

  /** Begins to look for changes; `onValue` gets each new value. The process may end meanwhile. */
  watch(onValue: (value: Value) => void): void {
    this.stop();
    const look = async (): Promise<void> => {
      await this.look(onValue);
      if (this.timer === timer) next();
    };
    let timer: NodeJS.Timeout;
    const next = () => {
      timer = setTimeout(look, this.options.reloadMs ?? defaultReloadMs);
      timer.unref();
      this.timer = timer;
    };
    next();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async look(onValue: (value: Value) => void): Promise<void> {
    try {
      const contents = await Promise.all(this.files.map((file) => readFile(file)));
      if (contents.every((content, index) => content.equals(this.contents[index]!))) {
        this.problem = '';
        return;
      }
      const value = this.make(contents);
      this.contents = contents;
      this.value = value;
      this.problem = '';
      onValue(value);
      this.options.onReload?.();
    } catch (error) {
      this.report(
        `${this.files.join(', ')}: ${errorMessage(error)}; the old content stays in force`,
      );
    }
  }

  private report(message: string): void {
    if (message === this.problem) return;
    this.problem = message;
    const { onProblem = (text: string) => process.emitWarning(text, 'FairleadXds') } = this.options;
    onProblem(message);
  }
}
