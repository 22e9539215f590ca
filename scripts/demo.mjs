// `npm run demo`: on a fresh clone with only Node and Python 3 it installs the npm packages, builds
// what is missing or stale, and starts `fairlead demo`, which gets Envoy and says the rest.
// Arguments go on to the command.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensurePackages, project, run } from './run.mjs';

const main = join(project, 'dist/cli/main.js');

ensurePackages();
if (isStale()) run(process.execPath, ['scripts/build.mjs']);

// In this process, so that a signal to it, of whatever kind, is one to the demo.
process.argv = [process.execPath, main, 'demo', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);

/** Whether a source file is newer than the build. */
function isStale() {
  const built = join(project, 'dist/envoy/gen/root.json');
  if (!existsSync(main) || !existsSync(built)) return true;
  const builtMs = statSync(built).mtimeMs;
  return ['src', 'protos', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'].some(
    (path) => {
      const full = join(project, path);
      const files = statSync(full).isDirectory()
        ? readdirSync(full, { recursive: true }).map((name) => join(full, name))
        : [full];
      return files.some(
        (file) => !file.includes(join('src', 'envoy', 'gen')) && statSync(file).mtimeMs > builtMs,
      );
    },
  );
}
