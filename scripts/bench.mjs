// `npm run bench`: builds, then measures a server with simulated sidecars. Arguments go to test/bench/bench.ts.
import { bin, ensurePackages, run } from './run.mjs';

ensurePackages();
run(process.execPath, ['scripts/build.mjs']);
bin(['tsx/dist/cli.mjs'], ['test/bench/bench.ts', ...process.argv.slice(2)]);
