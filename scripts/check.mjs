// Everything that must hold besides the tests: format and lint, types, the import table, unused code.
import { bin, ensurePackages, run, say } from './run.mjs';

ensurePackages();
run(process.execPath, ['scripts/gen.mjs']);
say('format and lint (biome)');
bin(['@biomejs/biome/bin/biome'], ['check', '.']);
say('types (tsc)');
bin(['typescript/bin/tsc'], ['-p', 'tsconfig.json']);
say('import rules (dependency-cruiser)');
bin(
  ['dependency-cruiser/bin/dependency-cruise.mjs'],
  ['src', '--config', '.dependency-cruiser.cjs'],
);
say('unused code (knip)');
bin(['knip/bin/knip.js'], []);
