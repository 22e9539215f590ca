// Two connections made one: what comes in at either goes out at the other. For the doors between the host and the pods.
import { type Duplex, pipeline } from 'node:stream';

/** Joins them until both directions ended; when one breaks, so does the other. What was received is still delivered. */
export function joinSockets(a: Duplex, b: Duplex): void {
  // An end in order flushes; only a break destroys, and has no one to be told but the two ends themselves.
  const ended = (): void => undefined;
  pipeline(a, b, ended);
  pipeline(b, a, ended);
}
