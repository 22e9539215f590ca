// Builds dist/ from src/: generated Envoy types, TypeScript, and the files that the code reads at run time.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ensurePackages, project, run, say } from './run.mjs';

ensurePackages();
say('building dist/');
run(process.execPath, ['scripts/gen.mjs']);
rmSync(join(project, 'dist'), { recursive: true, force: true });
bin(['typescript/bin/tsc'], ['-p', 'tsconfig.build.json']);
for (const file of ['root.json', 'extensions.json', 'reflection.json']) {
  cpSync(join(project, 'src/envoy/gen', file), join(project, 'dist/envoy/gen', file));
}
