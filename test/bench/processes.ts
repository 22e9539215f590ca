// The benchmark's child processes, and questions to them over Node's own channel: a method's name and its arguments
// there, its result or its error back.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

type Questions = object;

/** The same methods as the child has, all of them awaited. */
export type Asked<Q> = {
  [Name in keyof Q]: Q[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

/** A child process that answers questions of this kind. */
export interface Child<Q> {
  readonly process: ChildProcess;
  readonly ask: Asked<Q>;
  /** Ends it by SIGTERM and waits for it. */
  stop(): Promise<void>;
}

/** Starts a program of Node's with a channel to it. */
export function startChild<Q extends Questions>(
  program: string,
  { args = [], nodeArgs = [] }: { args?: readonly string[]; nodeArgs?: readonly string[] } = {},
): Child<Q> {
  const child = fork(program, args, {
    execArgv: [...nodeArgs],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let asked = 0;
  const waiting = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  child.on('message', ({ id, result, error }: Answer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(result);
    else one?.reject(new Error(error));
  });
  child.on('exit', (code, signal) => {
    const error = new Error(`${program} ended (${signal ?? code})`);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  const ask = new Proxy({} as Asked<Q>, {
    get:
      (_target, name) =>
      (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          const id = ++asked;
          waiting.set(id, { resolve, reject });
          child.send({ id, name, args });
        }),
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  return { process: child, ask, stop };
}

/** In the child: answers the questions that its parent asks, and ends with it. */
export function answerQuestions(questions: Questions): void {
  const methods = questions as Record<string, (...args: unknown[]) => unknown>;
  process.on('message', async (message: { id: number; name: string; args: unknown[] }) => {
    const { id, name, args } = message;
    try {
      process.send?.({ id, result: await methods[name]?.(...args) });
    } catch (thrown) {
      process.send?.({ id, error: String(thrown) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}
