// One run of the benchmark: a mesh, a server (or the floor in its place), a fleet, and what each step cost.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FleetQuestions } from './fleet.js';
import { MeshFiles } from './mesh-files.js';
import { type Child, startChild } from './processes.js';
import type { Variant } from './read-response.js';

export interface RunOptions {
  services: number;
  sidecars: number;
  /** Services that one namespace has for itself; 0: everybody sees all. */
  scoped: number;
  variant: Variant;
  /** How often each edit is made; the median counts. */
  rounds: number;
  /** The built program. */
  dist: string;
  /** A folder for a CPU profile of the server in each step. */
  profile?: string;
}

/** What one step cost. */
export interface Measure {
  /** From the edit to the last acknowledgement; of a step that sends nothing, until the server is idle. */
  ms: number;
  cpuMs: number;
  responses: number;
  resources: number;
  bytes: number;
  /** Of the server's event loop. */
  delayP99Ms: number;
  delayMaxMs: number;
  peakMiB: number;
  /** Sidecars that lost their stream. */
  down: number;
}

export type Step = 'connect' | keyof MeshFiles['edits'] | 'reconnect';
export const steps: readonly Step[] = [
  'connect',
  'endpoint',
  'weight',
  'subset',
  'service',
  'same',
  'reconnect',
];

/** The real server and the floor, measured alike. */
export interface RunResult {
  startMs: number;
  real: Record<Step, Measure>;
  floor: Record<Step, Measure>;
  /** With everybody connected and nothing to do, after the first step and at the end. */
  residentMiB: { real: number; floor: number };
  endMiB: { real: number; floor: number };
}

interface Usage {
  cpuMs: number;
  lastBusyMs: number;
  delayP99Ms: number;
  delayMaxMs: number;
  residentBytes: number;
}

/** What probe.mjs answers in both servers. */
export interface ProbeQuestions {
  start(): void;
  startProfile(): Promise<void>;
  saveProfile(path: string): Promise<void>;
  usage(): Usage;
  heap(): { heapUsed: number; external: number; arrayBuffers: number };
}

interface FloorQuestions extends ProbeQuestions {
  listen(): string;
  load(path: string): void;
  play(): void;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const probe = ['--import', join(here, 'probe.mjs')];

/** Measures a server of this program, then the floor with the responses that the server gave. */
export async function run(options: RunOptions): Promise<RunResult> {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  const recordings = join(folder, 'recordings');
  mkdirSync(recordings);
  try {
    const { services, scoped } = options;
    const files = new MeshFiles({ directory: join(folder, 'mesh'), services, scoped });
    const real = await measureServer(options, files, recordings);
    const floor = await measureFloor(options, files, recordings);
    return {
      startMs: real.startMs,
      real: real.steps,
      floor: floor.steps,
      residentMiB: { real: real.residentMiB, floor: floor.residentMiB },
      endMiB: { real: real.endMiB, floor: floor.endMiB },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureServer(options: RunOptions, files: MeshFiles, recordings: string) {
  const server = await startServer(options.dist, files.directory);
  const fleet = startFleet();
  try {
    const bench = new Bench(server.child, fleet, options);
    const apply = async (step: Step): Promise<void> => {
      if (step === 'connect') await fleet.ask.connect(server.xds, options.variant, nodes());
      else if (step === 'reconnect') await fleet.ask.reconnect(0, options.sidecars);
      else files.edits[step]();
    };
    const nodes = () => Array.from({ length: options.sidecars }, (_, i) => files.node(i));
    const result = await bench.all(apply, (step) => fleet.ask.save(recordings, step));
    return { ...result, startMs: server.startMs };
  } finally {
    await Promise.all([fleet.stop(), server.child.stop()]);
  }
}

async function measureFloor(options: RunOptions, files: MeshFiles, recordings: string) {
  const floor = startChild<FloorQuestions>(join(here, 'floor.mjs'), { nodeArgs: probe });
  const fleet = startFleet();
  try {
    const address = await floor.ask.listen();
    const bench = new Bench(floor, fleet, { ...options, profile: undefined });
    const nodes = Array.from({ length: options.sidecars }, (_, i) => files.node(i));
    return await bench.all(
      async (step) => {
        if (step === 'connect') await fleet.ask.connect(address, options.variant, nodes);
        else if (step === 'reconnect') await fleet.ask.reconnect(0, options.sidecars);
        else await floor.ask.play();
      },
      async () => undefined,
      (step) => floor.ask.load(join(recordings, step)),
    );
  } finally {
    await Promise.all([fleet.stop(), floor.stop()]);
  }
}

class Bench {
  readonly #server: Child<ProbeQuestions>;
  readonly #fleet: Child<FleetQuestions>;
  readonly #options: RunOptions;

  constructor(server: Child<ProbeQuestions>, fleet: Child<FleetQuestions>, options: RunOptions) {
    this.#server = server;
    this.#fleet = fleet;
    this.#options = options;
  }

  async all(
    apply: (step: Step) => Promise<void>,
    after: (step: Step) => Promise<void>,
    before: (step: Step) => Promise<void> = async () => undefined,
  ) {
    const measured = {} as Record<Step, Measure>;
    let residentMiB = 0;
    const { profile } = this.#options;
    for (const step of steps) {
      const runs: Measure[] = [];
      const rounds = step === 'connect' || step === 'reconnect' ? 1 : this.#options.rounds;
      await before(step);
      await this.#quiet();
      if (profile) await this.#server.ask.startProfile();
      for (let i = 0; i < rounds; i++) {
        runs.push(await this.#measure(step, () => apply(step), i === 0));
        if (i === 0) await after(step);
      }
      if (profile) await this.#server.ask.saveProfile(join(profile, `${step}.cpuprofile`));
      measured[step] = median(runs);
      if (step === 'connect') residentMiB = await this.#resident();
    }
    return { steps: measured, residentMiB, endMiB: await this.#resident() };
  }

  async #measure(step: Step, apply: () => Promise<void>, record: boolean): Promise<Measure> {
    await this.#quiet();
    await this.#fleet.ask.start(record);
    clearPeak(this.#server.process.pid!);
    await this.#server.ask.start();
    const before = await this.#server.ask.usage();
    const startMs = performance.timeOrigin + performance.now();
    await apply();
    if (step !== 'same' && step !== 'reconnect') await this.#someResponse();
    await this.#quiet();
    const usage = await this.#server.ask.usage();
    const { lastAckMs, ...counts } = await this.#fleet.ask.counts();
    return {
      ...counts,
      ms: Math.max(0, (lastAckMs || usage.lastBusyMs) - startMs),
      cpuMs: usage.cpuMs - before.cpuMs,
      delayP99Ms: usage.delayP99Ms,
      delayMaxMs: usage.delayMaxMs,
      peakMiB: peakMiB(this.#server.process.pid!),
    };
  }

  /** On a busy machine a change may be quiet for a while before it shows. */
  async #someResponse(): Promise<void> {
    for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 20) {
      const { responses } = await this.#fleet.ask.counts();
      if (responses > 0) return;
      await sleep(20);
    }
    throw new Error('a step that changes something sent nothing for 20 s');
  }

  /** Until nothing came for a while and the server has nothing to do; this time is not counted. */
  async #quiet(): Promise<void> {
    let seen = -1;
    for (;;) {
      const { responses } = await this.#fleet.ask.counts();
      const { lastBusyMs } = await this.#server.ask.usage();
      const idleMs = performance.timeOrigin + performance.now() - lastBusyMs;
      if (responses === seen && idleMs > 400) return;
      seen = responses;
      await sleep(400);
    }
  }

  async #resident(): Promise<number> {
    await this.#quiet();
    return (await this.#server.ask.usage()).residentBytes / 2 ** 20;
  }
}

function median(runs: readonly Measure[]): Measure {
  return [...runs].sort((a, b) => a.ms - b.ms)[Math.floor(runs.length / 2)]!;
}

// Linux keeps the peak of the resident memory, and forgets it when told so; elsewhere there is none.
function clearPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {}
}

function peakMiB(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** The process of the sidecars. */
export function startFleet(): Child<FleetQuestions> {
  const fleet = startChild<FleetQuestions>(join(here, 'fleet.ts'), {
    nodeArgs: ['--import', 'tsx', '--max-old-space-size=4096'],
  });
  fleet.process.stderr!.pipe(process.stderr);
  return fleet;
}

/** `serve` on a directory, with the probe in it; resolves when it serves. */
export async function startServer(dist: string, directory: string) {
  const startMs = performance.now();
  const child = startChild<ProbeQuestions>(join(dist, 'cli/main.js'), {
    args: ['serve', '--config', directory, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
    nodeArgs: probe,
  });
  for await (const line of createInterface({ input: child.process.stderr! })) {
    if (!line.startsWith('{')) throw new Error(`the server said: ${line}`);
    const entry = JSON.parse(line) as { msg: string; xds?: string[]; admin?: string };
    if (entry.msg !== 'serving') continue;
    child.process.stderr!.resume();
    const { xds, admin } = entry;
    return { child, xds: xds![0]!, admin: admin!, startMs: performance.now() - startMs };
  }
  throw new Error('the server ended before it served');
}
