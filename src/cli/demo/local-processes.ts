// Processes of the `ports` mode, which has no namespaces to end them: started in sessions of their
// own, ended together, and swept by the next run when a launcher was killed before it could.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'fairlead-ports-';
const stopTimeoutMs = 1_500;

interface Record {
  launcher: number;
  processes: { pid: number; argv: string[] }[];
}

/** Starts and ends processes; `dir` is the run's folder for sockets, logs and configuration. */
export class LocalProcesses {
  readonly dir: string;
  readonly #children: ChildProcess[] = [];
  readonly #record: Record = { launcher: process.pid, processes: [] };

  constructor() {
    sweep();
    this.dir = mkdtempSync(join(tmpdir(), prefix));
    this.#write();
  }

  /** Starts a process whose output goes to NAME.log; resolves when it runs. */
  async run(name: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const [command, ...args] = argv;
    const log = openSync(join(this.dir, `${name}.log`), 'a');
    const child = spawn(command!, args, {
      // Ctrl-C in a terminal reaches the launcher alone, which ends these in order.
      detached: true,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.on('spawn', resolve);
      child.on('error', reject);
    });
    this.#children.push(child);
    this.#record.processes.push({ pid: child.pid!, argv: [...argv] });
    this.#write();
  }

  /** Ends all processes and removes the folder. */
  async stop(): Promise<void> {
    const running = this.#children.filter((child) => child.exitCode === null && !child.signalCode);
    const ended = running.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of running) child.kill('SIGTERM');
    const force = setTimeout(() => {
      for (const child of running) child.kill('SIGKILL');
    }, stopTimeoutMs);
    await Promise.all(ended);
    clearTimeout(force);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #write(): void {
    writeFileSync(join(this.dir, 'record.json'), JSON.stringify(this.#record));
  }
}

/**
 * Ends what a killed launcher of this user left behind. A process is only ended if it still runs
 * that very command.
 */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((name) => name.startsWith(prefix))) {
    const dir = join(tmpdir(), name);
    try {
      const record = JSON.parse(readFileSync(join(dir, 'record.json'), 'utf8')) as Record;
      if (isAlive(record.launcher)) continue;
      for (const { pid, argv } of record.processes) {
        if (commandOf(pid) === argv.join(' ')) process.kill(pid, 'SIGKILL');
      }
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // Another user's, or one that is just being made.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trimEnd();
  } catch {
    return undefined;
  }
}
