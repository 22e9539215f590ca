// What the benchmark prints: a table of each step beside the floor, and which of the targets are met.
import { formatTable } from '../../src/cli/output.js';
import type { Measure, RunOptions, RunResult, Step } from './measure.js';
import { steps } from './measure.js';

const names: Record<Step, string> = {
  connect: 'all connect at once',
  endpoint: 'address of an endpoint',
  weight: 'weights of a VirtualService',
  subset: 'limits of a DestinationRule',
  service: 'a service more',
  same: 'the same bytes again',
  reconnect: 'all reconnect at once',
};

/** The tables of one run. */
export function report(options: RunOptions, result: RunResult): string {
  const { services, sidecars, scoped, variant, rounds } = options;
  const sees = scoped === 0 ? 'all seeing all' : `each seeing ${scoped} services`;
  const table = formatTable(
    [
      'STEP',
      'MS',
      'FLOOR',
      'RATIO',
      'CPU MS',
      'FLOOR',
      'RESPONSES',
      'RESOURCES',
      'MB',
      'FLOOR',
      'LOOP P99',
      'MAX',
      'PEAK MIB',
    ],
    steps.map((step) => row(names[step], result.real[step], result.floor[step])),
  );
  return [
    `${services} services, ${sidecars} sidecars, ${sees}, ${variant}; median of ${rounds} of each edit; Node ${process.version}`,
    table,
    `server up after ${result.startMs.toFixed(0)} ms; resident with all connected ${mib(result.residentMiB)}, at the end ${mib(result.endMiB)}`,
    targets(options, result),
  ].join('\n\n');
}

function row(name: string, real: Measure, floor: Measure): string[] {
  const ratio = floor.ms > 0 && real.responses > 0 ? (real.ms / floor.ms).toFixed(1) : '-';
  return [
    real.down + floor.down > 0 ? `${name} (${real.down}/${floor.down} down!)` : name,
    real.ms.toFixed(0),
    floor.ms.toFixed(0),
    ratio,
    real.cpuMs.toFixed(0),
    floor.cpuMs.toFixed(0),
    String(real.responses),
    String(real.resources),
    (real.bytes / 1e6).toFixed(2),
    (floor.bytes / 1e6).toFixed(2),
    real.delayP99Ms.toFixed(0),
    real.delayMaxMs.toFixed(0),
    real.peakMiB.toFixed(0),
  ];
}

function mib({ real, floor }: { real: number; floor: number }): string {
  return `${real.toFixed(0)} MiB (floor ${floor.toFixed(0)})`;
}

/** One line for each thing that must hold (docs/bench.md), `ok` or `MISSED`. */
function targets({ services, sidecars, scoped }: RunOptions, result: RunResult): string {
  const { real, floor } = result;
  const lines: string[] = [];
  const check = (name: string, value: number, limit: number, unit: string): void => {
    const met = value <= limit ? 'ok    ' : 'MISSED';
    lines.push(`${met}  ${name}: ${value.toFixed(0)} ${unit}, at most ${limit.toFixed(0)}`);
  };
  for (const step of ['connect', 'endpoint', 'weight', 'subset'] as const) {
    check(
      `${names[step]}, twice the floor and 20 ms`,
      real[step].ms,
      floor[step].ms * 2 + 20,
      'ms',
    );
    // Nonces differ in length, and inbound parts in their names.
    const kB = (bytes: number) => bytes / 1000;
    // Sidecars that see different services are sent the same bytes by the floor.
    const limit = floor[step].bytes * (scoped === 0 ? 1.002 : 1.05);
    check(`${names[step]}, bytes of the floor`, kB(real[step].bytes), kB(limit), 'kB');
  }
  check('all reconnect at once sends nothing', real.reconnect.bytes, 0, 'bytes');
  const p99 = Math.max(...steps.map((step) => real[step].delayP99Ms));
  check('delay of the event loop, p99', p99, 50, 'ms');
  const peak = Math.max(...steps.map((step) => real[step].peakMiB));
  if (services <= 1000 && sidecars <= 200 && scoped === 0) {
    const cpu = { connect: 2100, endpoint: 110, weight: 290, subset: 290, reconnect: 1600 };
    for (const [step, ms] of Object.entries(cpu)) {
      check(
        `CPU of a tenth of istiod's, ${names[step as Step]}`,
        real[step as Step].cpuMs,
        ms,
        'ms',
      );
    }
    check('resident with all connected', result.residentMiB.real, 250, 'MiB');
    check('resident at the peak', peak, 450, 'MiB');
  }
  if (services >= 3000) {
    check('all connect at once', real.connect.ms, 8000, 'ms');
    check('resident at the peak', peak, 1024, 'MiB');
  }
  return lines.join('\n');
}
