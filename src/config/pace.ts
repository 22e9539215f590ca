// Long work in short pieces, so that streams and timers get their turn in between.
import { setImmediate } from 'node:timers/promises';

/** Calls `breathe` between pieces of work: it gives up the event loop once `sliceMs` have passed since it last did. */
export class Pace {
  readonly #sliceMs: number;
  #since = performance.now();

  constructor(sliceMs = 10) {
    this.#sliceMs = sliceMs;
  }

  /** A promise to await when it is time to yield, nothing otherwise. */
  readonly breathe = (): Promise<void> | undefined => {
    if (performance.now() - this.#since < this.#sliceMs) return undefined;
    return setImmediate().then(() => {
      this.#since = performance.now();
    });
  };
}

/** Runs `work` for each item, at most `width` at a time. Results keep the order of the items. */
export async function inBatches<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
