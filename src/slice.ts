// Long work on the main thread in slices: after each, the event loop serves sockets, acknowledgements and keepalives.
// What is worked at is not known here.

/** How long a slice may hold the event loop, in ms. */
const sliceMs = 10;

/** One worker's present slice. */
export class Slice {
  #startMs = performance.now();

  /** Whether it is time to let others work. */
  isOver(): boolean {
    return performance.now() - this.#startMs > sliceMs;
  }

  /** Lets others work, and begins the next one. */
  async end(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#startMs = performance.now();
  }
}
