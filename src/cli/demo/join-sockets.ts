// Two connections made one: what comes in at either goes out at the other. For the doors between the host and the pods.
import type { Duplex } from 'node:stream';

/** Joins them: when one closes, so does the other, but not before it has delivered what it was given. */
export function joinSockets(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      // After an end in order, pipe has ended `to`, which may still be sending; anything else is a break.
      if (from.readableEnded && !to.writableFinished) to.once('finish', () => to.destroy());
      else to.destroy();
    });
  }
}
