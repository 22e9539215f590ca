// Is memory flat? Hours of edits and reconnects compressed into minutes, and the heap after a collection compared
// with that after the first tenth of them, when everything has been seen once.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFleet, startServer } from './measure.js';
import { MeshFiles } from './mesh-files.js';

export interface SoakOptions {
  edits: number;
  reconnects: number;
  dist: string;
  services?: number;
  sidecars?: number;
}

/** What is in use after a collection, in bytes. */
interface InUse {
  heapUsed: number;
  external: number;
  arrayBuffers: number;
}

export interface SoakResult {
  options: SoakOptions;
  seconds: number;
  responses: number;
  /** Sidecars without a stream at the end. */
  down: number;
  start: InUse;
  end: InUse;
}

/** Runs it; half of the sidecars speak each variant. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { edits, reconnects, dist, services = 100, sidecars = 40 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-soak-'));
  const files = new MeshFiles({ directory: join(folder, 'mesh'), services, scoped: 0 });
  const server = await startServer(dist, files.directory);
  const fleets = [startFleet(), startFleet()];
  const startMs = performance.now();
  try {
    const half = Math.floor(sidecars / 2);
    const nodes = Array.from({ length: half }, (_, i) => files.node(i));
    await fleets[0]!.ask.connect(server.xds, 'delta', nodes);
    await fleets[1]!.ask.connect(server.xds, 'sotw', nodes);
    const kinds = ['endpoint', 'weight', 'subset', 'same'] as const;
    const some = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) {
        files.edits[kinds[i % kinds.length]!](i % services);
        // At most as many as the edits' share, so that both go on until the end.
        for (let due = share(i + 1) - share(i); due > 0; due--) {
          await fleets[i % 2]!.ask.reconnect(i % half, 1);
        }
        // Shorter than a turn of a large mesh takes, so that some edits meet in one turn.
        await sleep(2);
      }
    };
    const share = (i: number) => Math.floor((i * reconnects) / edits);
    const warm = Math.ceil(edits / 10);
    await some(0, warm);
    const start = await settled(server.child.ask);
    await some(warm, edits);
    const end = await settled(server.child.ask);
    const counts = await Promise.all(fleets.map((fleet) => fleet.ask.counts()));
    return {
      options,
      seconds: (performance.now() - startMs) / 1000,
      responses: counts.reduce((sum, { responses }) => sum + responses, 0),
      down: counts.reduce((sum, { down }) => sum + down, 0),
      start,
      end,
    };
  } finally {
    await Promise.all([...fleets.map((fleet) => fleet.stop()), server.child.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function settled(ask: { heap(): Promise<InUse>; usage(): Promise<{ lastBusyMs: number }> }) {
  for (;;) {
    await sleep(500);
    const { lastBusyMs } = await ask.usage();
    if (performance.timeOrigin + performance.now() - lastBusyMs > 1000) return ask.heap();
  }
}

/** How much more is in use at the end than at the start; 0.1: a tenth more. */
export function growth({ start, end }: SoakResult): number {
  return (end.heapUsed + end.arrayBuffers) / (start.heapUsed + start.arrayBuffers) - 1;
}

/** The result in words. */
export function soakReport(result: SoakResult): string {
  const { options, seconds, responses, down, start, end } = result;
  const line = (name: string, { heapUsed, external, arrayBuffers }: InUse): string =>
    `${name}: heap ${mib(heapUsed)}, buffers ${mib(arrayBuffers)}, external ${mib(external)} MiB in use`;
  return [
    `soak: ${options.edits} edits, ${options.reconnects} reconnects in ${seconds.toFixed(0)} s; ${responses} responses, ${down} sidecars down`,
    line('after the first tenth', start),
    line('at the end', end),
    `growth ${(growth(result) * 100).toFixed(1)} %, at most 10 %: ${growth(result) <= 0.1 ? 'ok' : 'MISSED'}`,
  ].join('\n');
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
