// Many events -> few calls: rings once it has been quiet for a moment, and at the latest after a bounded time.

/** A debounced bell. Timers do not keep the process alive. */
export class Bell {
  readonly #quietMs: number;
  readonly #longestMs: number;
  readonly #listeners: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #firstEventMs = 0;
  #closed = false;

  constructor(options: { quietMs: number; longestMs: number }) {
    this.#quietMs = options.quietMs;
    this.#longestMs = options.longestMs;
  }

  /** Adds a listener; all are called at each ring, in order. */
  onRing(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Something happened. */
  touch(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#timer === undefined) this.#firstEventMs = now;
    else clearTimeout(this.#timer);
    const left = this.#firstEventMs + this.#longestMs - now;
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, Math.min(this.#quietMs, left)));
    this.#timer.unref();
  }

  /** No ring after this. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ring(): void {
    this.#timer = undefined;
    for (const listener of this.#listeners) listener();
  }
}
