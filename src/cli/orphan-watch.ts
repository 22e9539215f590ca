// npm and npx start programs through a shell and do not hand signals on: SIGTERM ends the shell, and the program would
// go on serving, unseen. Who was started by npm therefore watches its parent.

/** How often the parent is looked at, in ms; well below the 3 s in which a signal must have ended the server. */
const WATCH_MS = 250;

/**
 * Sends this process SIGTERM when the shell that npm started it through is gone. Does nothing for a program that npm
 * did not start, which may well outlive its parent on purpose (nohup, a supervisor).
 */
export function endWithNpm(env: NodeJS.ProcessEnv = process.env): void {
  if (env['npm_execpath'] === undefined && env['npm_command'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, WATCH_MS);
  timer.unref();
}
