// Runs the command line from source as a child process, as users run it; every run is bounded in time. No
// expectations here.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const project = fileURLToPath(new URL('../..', import.meta.url));

const argv = (args: readonly string[]) => ['--import', 'tsx', 'src/cli/main.ts', ...args];

export interface CliResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface CliOptions {
  env?: Record<string, string>;
  timeoutMs?: number;
}

/** Runs to the end; killed, with `signal` SIGKILL, after the time limit. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const running = startCli(args, options);
  const kill = setTimeout(() => running.child.kill('SIGKILL'), options.timeoutMs ?? 30_000);
  const result = await running.ended;
  clearTimeout(kill);
  return result;
}

export interface RunningCli {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** JSON lines of the log so far. */
  log(): Record<string, unknown>[];
  ended: Promise<CliResult>;
}

/** Starts a command that does not end by itself; the caller must see to its end. */
export function startCli(args: readonly string[], { env }: CliOptions = {}): RunningCli {
  const startMs = performance.now();
  const child = spawn(process.execPath, argv(args), {
    cwd: project,
    env: { ...process.env, FAIRLEAD_ADMIN_TOKEN: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<CliResult>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr, ms: performance.now() - startMs });
    });
  });
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    log: () =>
      stderr
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    ended,
  };
}

export interface Printed {
  code: number;
  stdout: string;
  stderr: string;
}

/** A process that runs many command lines (run-many.ts); `run` bounds each to 20 s. */
export function cliRunner(): {
  run(args: readonly string[]): Promise<Printed>;
  close(): void;
} {
  const child = fork(join(project, 'test/cli/run-many.ts'), {
    cwd: project,
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, FAIRLEAD_ADMIN_TOKEN: '' },
  });
  const waiting = new Map<number, (printed: Printed) => void>();
  child.on('message', ({ id, ...printed }: Printed & { id: number }) => {
    waiting.get(id)?.(printed);
    waiting.delete(id);
  });
  let lastId = 0;
  const run = (words: readonly string[]) =>
    new Promise<Printed>((resolve, reject) => {
      const id = ++lastId;
      const limit = setTimeout(
        () => reject(new Error(`no end within 20 s: fairlead ${words.join(' ')}`)),
        20_000,
      );
      waiting.set(id, (printed) => {
        clearTimeout(limit);
        resolve(printed);
      });
      child.send({ id, words });
    });
  return { run, close: () => void child.kill('SIGKILL') };
}
