// What a user of the package gets: packs it, installs the tarball into an empty project, imports `fairlead` and
// `fairlead/xds` there, compiles TypeScript against their types, and runs the command. Needs dist/ (npm run build).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages, project, run, say } from './run.mjs';

ensurePackages();
if (!existsSync(join(project, 'dist/cli/main.js'))) run(process.execPath, ['scripts/build.mjs']);

const scratch = mkdtempSync(join(tmpdir(), 'fairlead-pack-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
const user = join(scratch, 'user');
mkdirSync(user);

/** Runs in the user's project; its output only when it fails, which ends this script. */
function step(what, command, args, cwd = user) {
  say(`pack test: ${what}`);
  const startMs = performance.now();
  const shell = process.platform === 'win32' && command === 'npm';
  const result = spawnSync(command, args, { cwd, shell, encoding: 'utf8', timeout: 120_000 });
  if (result.status === 0) {
    console.log(`${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    return result.stdout;
  }
  console.error(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`);
  process.exit(1);
}

// Without scripts: prepack would build once more.
const quiet = ['--ignore-scripts', '--loglevel=error'];
step('npm pack', 'npm', ['pack', ...quiet, '--pack-destination', scratch], project);
const tarball = readdirSync(scratch).find((name) => name.endsWith('.tgz'));

writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', ...quiet];
step(`npm install ${tarball}`, 'npm', [...install, join(scratch, tarball)]);

writeFileSync(
  join(user, 'use.mjs'),
  `import assert from 'node:assert';
import { ControlPlane } from 'fairlead';
import { CLUSTER, createXdsServer, LinearCache, resourceFromJson } from 'fairlead/xds';
assert.equal(typeof ControlPlane, 'function');
const cache = new LinearCache();
cache.set(resourceFromJson(CLUSTER, { name: 'a', connect_timeout: '1s' }));
const server = createXdsServer({ cache });
const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
assert.ok(port > 0);
await server.close();
await assert.rejects(import('fairlead/dist/xds/server.js'), /not defined by "exports"/);
`,
);
step('import', process.execPath, ['use.mjs']);

writeFileSync(
  join(user, 'use.ts'),
  `import type { Log } from 'fairlead';
import { ControlPlane } from 'fairlead';
import {
  type CallInfo, createXdsServer, ENDPOINT, encodedResource, LinearCache, MuxCache, resourceFromJson,
  SnapshotCache, snapshotFrom, tlsCredentials, type XdsCache, type XdsIdentity, type XdsServer,
} from 'fairlead/xds';
class Mine implements XdsIdentity { constructor(readonly name: string, readonly level: number) {} }
const perNode = new SnapshotCache();
perNode.set('node', snapshotFrom([resourceFromJson(ENDPOINT, { cluster_name: 'a' })], { versions: { [ENDPOINT]: 'v1' } }));
const everybody = new LinearCache();
everybody.set(encodedResource('type.googleapis.com/example.Thing', 'one', Buffer.from('x'), 'r1'));
const cache: XdsCache = new MuxCache({ types: { 'type.googleapis.com/example.Thing': everybody }, rest: perNode });
const server: XdsServer = createXdsServer({
  cache,
  groupOf: (node) => node.cluster,
  authenticate: ({ certificate }: CallInfo) => new Mine(certificate?.spiffeIds[0] ?? 'nobody', 1),
  authorize: async (identity, node) => { if (identity?.name !== node.id) throw new Error('no'); },
  callbacks: { onNack: (stream, typeUrl, { message }) => console.log(stream.node?.id, typeUrl, message) },
  unknownNamed: 'empty',
});
export const listen = () => server.listen({ host: '::', port: 0, credentials: tlsCredentials({ certFile: 'a', keyFile: 'b' }) });
export const embedded = (log: Log) => ControlPlane.length + Object.keys(log).length;
// @ts-expect-error a cache is needed
createXdsServer({});
`,
);
const tsc = join(project, 'node_modules/typescript/bin/tsc');
// With library checks: types that only resolve in this repository show here. node16 resolves in the same way.
const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
step('tsc', process.execPath, [tsc, ...options, '--types', 'node', 'use.ts']);

const main = join(user, 'node_modules/fairlead/dist/cli/main.js');
const bin = step('fairlead version', process.execPath, [main, 'version']);
if (!/\d+\.\d+\.\d+/.test(bin)) throw new Error(`fairlead version says ${bin}`);
say('pack test: fine');
