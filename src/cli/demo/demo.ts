// `fairlead demo`: control plane, a frontend and two backends with an Envoy sidecar each, a little load, and a line that
// shows where it goes.
import type { DemoMode } from './choose-mode.js';

/** What the command line may say; everything has a default. */
export interface DemoOptions {
  /** Absent: the best that this machine allows, in the order netns (root), userns, ports. */
  mode?: DemoMode;
  /** The watched directory; examples/demo/config. */
  config?: string;
  /** Port of the frontend on 127.0.0.1; 8080, or a free one when it is taken. */
  port?: number;
  /** Port of the admin API on 127.0.0.1; 15014, or a free one when it is taken. */
  adminPort?: number;
  /** Stop after the first answer through the mesh. */
  once?: boolean;
  /** Stop after this time. */
  seconds?: number;
  /** The built-in load; 0 switches it off. */
  requestsPerSecond?: number;
}

/** Runs until a signal, `once` or `seconds`; resolves with the exit code. Leaves nothing behind. */
export async function runDemo(_options: DemoOptions): Promise<number> {
  return 1;
}
