// Real gRPC clients as processes of their own: Node (@grpc/grpc-js-xds) and Python (grpcio), told what to do by JSON
// lines. What they are told is the same for both.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildGrpcBootstrap, type GrpcBootstrapOptions } from '../../src/cli/grpc-bootstrap.js';

/** The gRPC implementations that the tests drive. */
export const languages = ['node', 'python'] as const;
export type Language = (typeof languages)[number];

/** Outcomes of calls and how many had each: `OK v1`, `UNAVAILABLE`. */
export type Outcomes = Readonly<Record<string, number>>;

export interface CallOptions {
  count?: number;
  /** Calls at a time; 1 where absent. */
  concurrency?: number;
  metadata?: Readonly<Record<string, string>>;
  timeoutMs?: number;
  /** The pause between calls of a load. */
  gapMs?: number;
  /** The text of errors is part of the outcome. */
  details?: boolean;
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** One client process with a bootstrap of its own. */
export class GrpcClient {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: { outcomes: Outcomes; ms: number }) => void>();
  #last = 0;
  #ended: string | undefined;
  #stderr = '';

  constructor(language: Language, folder: string, bootstrap: GrpcBootstrapOptions) {
    const file = join(folder, `grpc-${language}-${bootstrap.name}.json`);
    writeFileSync(file, JSON.stringify(buildGrpcBootstrap(bootstrap)));
    const [command, args, env] = programOf(language, 'client');
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, GRPC_XDS_BOOTSTRAP: file, ...env },
    });
    this.#process.setMaxListeners(0);
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      const answer = JSON.parse(line) as { id: number; outcomes: Outcomes; ms: number };
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#process.on('exit', (code, signal) => {
      this.#ended = `the ${language} client ended (${code ?? signal}): ${this.#stderr}`;
    });
  }

  /** Calls a target, e.g. `xds:///backend:8080`; gives the outcomes and how long all of it took. */
  call(target: string, options: CallOptions = {}): Promise<{ outcomes: Outcomes; ms: number }> {
    return this.#ask({ op: 'call', target, ...options });
  }

  /** Calls a target again and again; the returned function ends that and gives the outcomes. */
  async load(target: string, options: CallOptions = {}): Promise<() => Promise<Outcomes>> {
    await this.#ask({ op: 'load', target, ...options });
    return async () => (await this.#ask({ op: 'stop', target })).outcomes;
  }

  async stop(): Promise<void> {
    if (this.#ended !== undefined) return;
    const ended = new Promise((resolve) => this.#process.on('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  #ask(command: object): Promise<{ outcomes: Outcomes; ms: number }> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(new Error(this.#ended));
      const end = () => reject(new Error(this.#ended));
      const late = setTimeout(
        () => reject(new Error(`no answer in time: ${this.#stderr}`)),
        30_000,
      );
      this.#process.once('exit', end);
      this.#waiting.set(id, (answer) => {
        clearTimeout(late);
        this.#process.off('exit', end);
        resolve(answer);
      });
      this.#process.stdin!.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
}

type Program = [command: string, args: string[], env: NodeJS.ProcessEnv];

function programOf(language: Language, role: 'client' | 'server'): Program {
  if (language === 'node') return [process.execPath, [here(`node-${role}.mjs`)], {}];
  return ['python3', ['-u', here(`python-${role}.py`)], { PYTHONPATH: grpcioFolder() }];
}

/** A gRPC server that takes its listener from the mesh and answers with its language; gives what ends it. */
export function startXdsServer(
  language: Language,
  folder: string,
  { address, ...bootstrap }: GrpcBootstrapOptions & { address: string },
): () => Promise<void> {
  const file = join(folder, `grpc-${language}-server.json`);
  writeFileSync(file, JSON.stringify(buildGrpcBootstrap(bootstrap)));
  const [command, args, env] = programOf(language, 'server');
  const server = spawn(command, [...args, address, language], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, GRPC_XDS_BOOTSTRAP: file, GRPC_VERBOSITY: 'NONE', ...env },
  });
  const ended = new Promise<void>((resolve) => server.on('exit', () => resolve()));
  return async () => {
    server.kill('SIGKILL');
    await ended;
  };
}

let folder: string | undefined;

/** Where Python's gRPC is; gets it if it is not there. Throws when that fails. */
function grpcioFolder(): string {
  const script = here('../../scripts/ensure-grpcio.mjs');
  folder ??= execFileSync(process.execPath, [script], { encoding: 'utf8' }).trim();
  return folder;
}
