// `fairlead/xds` in a program of its own loads the xDS server and nothing of the mesh: which folders of ours, and which
// packages. The built package is what is loaded.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const project = fileURLToPath(new URL('../..', import.meta.url));

// Module hooks run in a thread of their own, so they say on standard error what is loaded.
const hooks = `
import { writeSync } from 'node:fs';
export async function load(url, context, next) {
  writeSync(2, url + '\\n');
  return next(url, context);
}`;
const program = `
import { createRequire, register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
const start = performance.now();
await import('fairlead/xds');
console.log(Math.round(performance.now() - start));
for (const file of Object.keys(createRequire(import.meta.url).cache)) console.error(file);`;

t.test('only what a server needs is loaded', async (t) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program],
    { cwd: project, encoding: 'utf8', env: { PATH: process.env['PATH'] }, timeout: 30_000 },
  );
  t.equal(status, 0, status === 0 ? 'it can be imported' : stderr);
  const matches = (pattern: RegExp) =>
    [...new Set([...stderr.matchAll(pattern)].map((match) => match[1]!))].sort();
  t.strictSame(matches(/^(?!.*node_modules).*\/dist\/([^/]+)\//gm), [
    'envoy',
    'lib',
    'snapshot',
    'xds',
  ]);
  const packages = matches(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g);
  t.ok(packages.includes('@grpc/grpc-js'), 'the hooks see packages');
  const ofTheControlPlane = ['fastify', 'zod', 'yaml', 'pino', 'prom-client', 'commander'];
  t.strictSame(
    packages.filter((name) => ofTheControlPlane.includes(name)),
    [],
  );
  t.comment(
    `imported in ${stdout.trim()} ms, with ${packages.length} packages: ${packages.join(', ')}`,
  );
});
