// `npm run bench`: a real server process, simulated sidecars, and a table of what it costs to bring them up and to
// change something. CPU and memory are the server's own, from its metrics; times include the directory watcher.
// Options: --services N, --sidecars N, --rounds N, --record (adds to docs/bench.md), --profile DIR (the server's CPU).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../../src/cli/output.js';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE } from '../../src/envoy/resource.js';
import { MeshFiles } from './mesh-files.js';
import { Fleet, SimulatedSidecar } from './simulated-sidecar.js';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '300' },
    sidecars: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    record: { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});
const services = Number(values.services);
const sidecars = Number(values.sidecars);
const rounds = Number(values.rounds);
const project = fileURLToPath(new URL('../..', import.meta.url));

/** What one step cost: the time until the last ACK, and what was sent. */
interface Measure {
  ms: number;
  cpuMs: number;
  responses: number;
  resources: number;
  kB: number;
}

const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
const files = new MeshFiles(join(folder, 'mesh'), services);
const server = await startServer();
const fleet = new Fleet();
const clients: SimulatedSidecar[] = [];
try {
  const rows: [string, Measure][] = [['full configuration of all', await measure(connectAll)]];
  for (const [edit, apply] of Object.entries(files.edits)) {
    const runs: Measure[] = [];
    for (let i = 0; i < rounds; i++) runs.push(await measure(async () => apply()));
    rows.push([edit, median(runs)]);
  }
  const text = report(rows, await memory());
  console.log(text);
  if (values.record) {
    appendFileSync(join(project, 'docs/bench.md'), `\n${text.replace(/^(?=.)/gm, '    ')}\n`);
  }
} finally {
  for (const client of clients) client.close();
  server.process.kill('SIGTERM');
  await once(server.process, 'exit');
  rmSync(folder, { recursive: true, force: true });
}

async function connectAll(): Promise<void> {
  for (let i = 0; i < sidecars; i++) {
    const ip = `10.1.${Math.floor(i / 250)}.${1 + (i % 250)}`;
    const node = {
      id: `sidecar~${ip}~service-${i}-v1.default~default.svc.cluster.local`,
      cluster: `service-${i}`,
      metadata: { fields: { INSTANCE_IPS: { stringValue: ip } } },
    };
    clients.push(new SimulatedSidecar(server.xds, node, fleet));
  }
  const types = [CLUSTER, ENDPOINT, LISTENER, ROUTE];
  while (!clients.every(({ held }) => types.every((type) => held.has(type)))) await sleep(5);
}

/** Runs a step and waits until nothing came for a while; the quiet time itself is not counted. */
async function measure(step: () => Promise<void>): Promise<Measure> {
  await quiet(400);
  fleet.reset();
  const cpu = await metric('process_cpu_seconds_total');
  const start = performance.now();
  fleet.lastAckMs = start;
  await step();
  await quiet(600);
  return {
    ms: fleet.lastAckMs - start,
    cpuMs: (await metric('process_cpu_seconds_total')) * 1000 - cpu * 1000,
    responses: fleet.responses,
    resources: fleet.resources,
    kB: fleet.bytes / 1000,
  };
}

async function quiet(ms: number): Promise<void> {
  let seen: number;
  do {
    seen = fleet.responses;
    await sleep(ms);
  } while (seen !== fleet.responses);
}

function median(runs: readonly Measure[]): Measure {
  return [...runs].sort((a, b) => a.ms - b.ms)[Math.floor(runs.length / 2)]!;
}

function report(rows: readonly [string, Measure][], rssMB: number): string {
  const table = formatTable(
    ['STEP', 'LAST ACK MS', 'SERVER CPU MS', 'RESPONSES', 'RESOURCES', 'KB'],
    rows.map(([step, m]) => [
      step,
      m.ms.toFixed(1),
      m.cpuMs.toFixed(0),
      String(m.responses),
      String(m.resources),
      m.kB.toFixed(1),
    ]),
  );
  const head = `${services} services, ${sidecars} sidecars, delta; median of ${rounds} runs of each edit; Node ${process.version}`;
  return `${head}\n\n${table}\n\nserver memory at the end: ${rssMB.toFixed(0)} MB resident`;
}

async function startServer(): Promise<{ process: ChildProcess; xds: string; admin: string }> {
  const startMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...(values.profile ? ['--cpu-prof', '--cpu-prof-dir', values.profile] : []),
      join(project, 'dist/cli/main.js'),
      ...['serve', '--config', files.directory, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  for await (const line of createInterface({ input: child.stderr! })) {
    const entry = JSON.parse(line) as { msg: string; xds?: string[]; admin?: string };
    if (entry.msg !== 'serving') continue;
    console.log(
      `server up after ${(performance.now() - startMs).toFixed(0)} ms (${services} files read)`,
    );
    child.stderr!.resume();
    return { process: child, xds: entry.xds![0]!, admin: entry.admin! };
  }
  throw new Error('the server ended before it served');
}

async function metric(name: string): Promise<number> {
  const page = await (await fetch(`http://${server.admin}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(page)?.[1]);
}

async function memory(): Promise<number> {
  return (await metric('process_resident_memory_bytes')) / 1e6;
}
