// `npm run bench`: builds, then measures a server with simulated sidecars (test/bench/bench.ts), or with `translate`
// as the first argument translation alone (test/bench/translate.ts). Other arguments go to these.
import { bin, ensurePackages, run } from './run.mjs';

const [first, ...rest] = process.argv.slice(2);
const alone = first === 'translate';
ensurePackages();
run(process.execPath, ['scripts/build.mjs']);
bin(
  ['tsx/dist/cli.mjs'],
  alone ? ['test/bench/translate.ts', ...rest] : ['test/bench/bench.ts', ...process.argv.slice(2)],
);
