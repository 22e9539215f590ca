// `npm run bench -- translate`: what translation costs in one process, without sockets, from text to encoded resources;
// translate-run.ts is one run. Prints CPU times stage by stage and which targets are met; docs/bench.md explains.
// Options: --services N, --scoped (both only when given; else every size), --proxies N, --rounds N, --record (adds to
// docs/bench.md), --profile DIR (a CPU profile of each run), --dist DIR (the built program).
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../../src/cli/output.js';
import {
  type Cost,
  stages,
  type TranslateOptions,
  type TranslateResult,
} from './translate-cost.js';
import { editNames } from './translate-mesh.js';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'translate'),
  options: {
    services: { type: 'string' },
    scoped: { type: 'boolean', default: false },
    proxies: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    record: { type: 'boolean', default: false },
    profile: { type: 'string' },
    dist: { type: 'string' },
  },
});
const project = fileURLToPath(new URL('../..', import.meta.url));
const dist = values.dist ?? join(project, 'dist');

/** With Sidecars one proxy in each namespace, which is a scope of its own; without, one that sees everything. */
function sizes(): TranslateOptions[] {
  const rounds = Number(values.rounds);
  const size = (services: number, scoped: boolean): TranslateOptions => {
    const proxies = Number(values.proxies ?? (scoped ? services / 10 : 1));
    return { services, scoped, proxies, rounds, dist };
  };
  if (values.services !== undefined) return [size(Number(values.services), values.scoped)];
  return [1000, 10_000].flatMap((services) => [size(services, false), size(services, true)]);
}

function run(options: TranslateOptions): TranslateResult {
  const script = fileURLToPath(new URL('translate-run.ts', import.meta.url));
  const profile = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] : [];
  const flags = ['--expose-gc', '--max-old-space-size=6144', ...profile, '--import', 'tsx'];
  const output = execFileSync(process.execPath, [...flags, script, JSON.stringify(options)], {
    encoding: 'utf8',
    cwd: project,
  });
  return JSON.parse(output) as TranslateResult;
}

/** All that follows the reading of files. */
function afterParse(cost: Cost): number {
  return stages.reduce((sum, stage) => sum + (stage === 'parse' ? 0 : cost[stage]), 0);
}

function report(options: TranslateOptions, result: TranslateResult): string {
  const { services, scoped, proxies, rounds } = options;
  const digits = (ms: number) => ms.toFixed(ms < 100 ? 2 : 0);
  const row = (name: string, cost: Cost) => [
    name,
    ...stages.map((stage) => digits(cost[stage])),
    digits(afterParse(cost)),
    String(cost.built),
  ];
  const table = formatTable(
    ['CPU MS', ...stages.map((stage) => stage.toUpperCase()), 'ALL BUT PARSE', 'RESOURCES'],
    [
      row('cold', result.cold),
      ...editNames.flatMap((name) => {
        const cost = result.edits[name];
        return cost ? [row(name, cost)] : [];
      }),
    ],
  );
  const { heapMiB, heapEndMiB, rssMiB } = result;
  return [
    `${services} services${scoped ? ', scoped by Sidecars' : ''}, ${proxies} proxies; median of ${rounds} of each edit; Node ${process.version}`,
    table,
    `${(result.text / 1e6).toFixed(1)} MB of YAML; ${result.ofOne} Envoy resources for the first proxy, ${result.distinct} distinct ones; ` +
      `heap ${heapMiB.toFixed(0)} MiB after the start, ${heapEndMiB.toFixed(0)} MiB after the edits, ${rssMiB.toFixed(0)} MiB resident`,
    targets(options, result),
  ].join('\n\n');
}

function targets({ services }: TranslateOptions, { cold, edits }: TranslateResult): string {
  const lines: string[] = [];
  const check = (name: string, value: number, limit: number): void => {
    const met = value <= limit ? 'ok    ' : 'MISSED';
    lines.push(`${met}  ${name}: ${value.toFixed(1)} ms of CPU time, at most ${limit}`);
  };
  if (services >= 10_000) check('cold, parsing apart', afterParse(cold), 3000);
  const endpoint = edits['endpoint of an EndpointSlice'];
  if (endpoint) check('an endpoint', afterParse(endpoint), 5);
  const route = edits['weights of a VirtualService'];
  if (route) check('a route', afterParse(route), 20);
  return lines.join('\n');
}

for (const options of sizes()) {
  const text = report(options, run(options));
  console.log(`${text}\n`);
  if (values.record) {
    appendFileSync(join(project, 'docs/bench.md'), `\n${text.replace(/^(?=.)/gm, '    ')}\n`);
  }
}
