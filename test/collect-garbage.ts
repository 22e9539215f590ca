// Collecting garbage now, for tests of what is still held.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects, once the present job is over: what a WeakRef was made of or asked for is held until then. */
export async function collectGarbage(): Promise<void> {
  await new Promise((done) => setImmediate(done));
  gc();
}
