// How the process of `serve` ends: by a signal, in order and in time; or by a bug, loudly. What is closed is the
// server's business (serve.ts).
import type { Log } from '../control-plane.js';
import { errorMessage } from '../lib/error.js';

/** SIGTERM must end the process within 3 s, whatever hangs. */
const STOP_MS = 2_700;

/** What is told of the server's life. */
export interface Lifetime {
  /** To be called when the server is up; until then a signal ends the process at once. */
  serving(server: { stop(): Promise<void> }): void;
}

/**
 * Takes over signals and what nobody caught. Further signals change nothing: a terminal sends SIGINT to npm and to
 * us, and npm sends it on.
 *
 * An uncaught exception may have left anything half done: it is logged, the streams are ended in order, and the exit
 * code is 1; Envoys keep what they have, and whoever started us starts us again. A rejection that nobody waited for
 * left no work half done that somebody waits for: it is logged, and serving goes on.
 */
export function superviseProcess(log: Log): Lifetime {
  let server: { stop(): Promise<void> } | undefined;
  let ending = false;
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    if (server === undefined) process.exit(code);
    setTimeout(() => {
      log.warn({}, 'not everything could be closed in time');
      process.exit(code);
    }, STOP_MS);
    server.stop().then(
      () => process.exit(code),
      (thrown) => {
        log.error({ error: errorMessage(thrown) }, 'could not close everything');
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!ending) log.info({ signal }, 'ending');
      end(0);
    });
  }
  process.on('uncaughtException', (thrown: unknown) => {
    log.error(describe(thrown), 'a bug: an exception that nobody caught; ending');
    end(1);
  });
  process.on('unhandledRejection', (thrown: unknown) => {
    log.error(describe(thrown), 'a bug: a rejection that nobody waited for; serving goes on');
  });
  return {
    serving: (running) => {
      server = running;
    },
  };
}

function describe(thrown: unknown): object {
  return { error: errorMessage(thrown), stack: thrown instanceof Error ? thrown.stack : undefined };
}
