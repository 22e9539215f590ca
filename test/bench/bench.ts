// `npm run bench`: a real server process, simulated sidecars in another, and beside it the floor: the same responses,
// prebuilt, from a server that does nothing else. Prints what it costs to bring sidecars up, to change something, and
// to take them back after a break; says which targets are met. docs/bench.md explains the columns.
// Options: --services N, --sidecars N, --scoped (20 services a namespace, private to it), --variant sotw|delta|both,
// --rounds N, --all (every size that docs/bench.md names), --record (adds to docs/bench.md), --profile DIR (CPU
// profiles of the server, one for each step), --dist DIR (the built program), --soak (is memory flat? soak.ts).
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type RunOptions, run } from './measure.js';
import type { Variant } from './read-response.js';
import { report } from './report.js';
import { soak, soakReport } from './soak.js';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    sidecars: { type: 'string', default: '200' },
    scoped: { type: 'boolean', default: false },
    variant: { type: 'string', default: 'delta' },
    rounds: { type: 'string', default: '5' },
    all: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    profile: { type: 'string' },
    dist: { type: 'string' },
    soak: { type: 'boolean', default: false },
    edits: { type: 'string', default: '10000' },
    reconnects: { type: 'string', default: '5000' },
  },
});
const project = fileURLToPath(new URL('../..', import.meta.url));
const dist = values.dist ?? join(project, 'dist');
const rounds = Number(values.rounds);
if (values.profile) mkdirSync(values.profile, { recursive: true });

function print(text: string): void {
  console.log(`${text}\n`);
  if (!values.record) return;
  appendFileSync(join(project, 'docs/bench.md'), `\n${text.replace(/^(?=.)/gm, '    ')}\n`);
}

function runs(): RunOptions[] {
  const variants = (text: string): Variant[] =>
    text === 'both' ? ['delta', 'sotw'] : [text === 'sotw' ? 'sotw' : 'delta'];
  const sizes = values.all
    ? [
        { services: 1000, sidecars: 200, scoped: 0, variants: variants('both') },
        { services: 1000, sidecars: 1000, scoped: 20, variants: variants('both') },
        { services: 3000, sidecars: 500, scoped: 0, variants: variants('delta') },
      ]
    : [
        {
          services: Number(values.services),
          sidecars: Number(values.sidecars),
          scoped: values.scoped ? 20 : 0,
          variants: variants(values.variant),
        },
      ];
  return sizes.flatMap(({ variants, ...size }) =>
    variants.map((variant) => ({ ...size, variant, rounds, dist, profile: values.profile })),
  );
}

if (values.soak) {
  const options = { edits: Number(values.edits), reconnects: Number(values.reconnects), dist };
  print(soakReport(await soak(options)));
} else {
  for (const options of runs()) print(report(options, await run(options)));
}
