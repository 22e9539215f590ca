// `npm test`: installs what is missing (npm packages, Envoy and the oldest one that is supported, grpcio), builds, and runs the tests. Arguments name test
// files or folders; none means all. Where all run and at most two files fail, these run once more, alone: what only a busy
// machine was too slow for passes then, and is named. The last line counts the assertions.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePackages, project, run, say } from './run.mjs';

const tap = join(project, 'node_modules/tap/dist/esm/run.mjs');

ensurePackages();
run(process.execPath, ['scripts/build.mjs']);
run(process.execPath, ['scripts/ensure-envoy.mjs']);
run(process.execPath, ['scripts/ensure-envoy.mjs', '--oldest']);
run(process.execPath, ['scripts/ensure-grpcio.mjs']);

const wanted = process.argv.slice(2).flatMap((arg) => {
  const path = join(project, arg);
  return existsSync(path) && statSync(path).isDirectory() ? testsUnder(path) : [arg];
});
buildTap();
say(`testing ${wanted.length > 0 ? `${wanted.length} file(s)` : 'everything'}`);

const result = await runTap(wanted);
const again = wanted.length === 0 && [1, 2].includes(result.failedFiles.length) && (await rerun());
if (again?.status === 0) {
  console.log(
    `\n${result.fail} failed at first and passed alone: ${result.failedFiles.join(', ')}`,
  );
  result.pass += result.fail;
  result.fail = 0;
  result.status = 0;
}
const skipped = result.skip > 0 ? `, ${result.skip} skipped` : '';
console.log(`\n${result.pass} passed, ${result.fail} failed${skipped}`);
process.exit(result.status);

function rerun() {
  say(`again, alone: ${result.failedFiles.join(', ')}`);
  return runTap(['--jobs=1', ...result.failedFiles]);
}

/** Shows a line a test file; of what is inside a file only what failed, with its diagnostics. */
function runTap(args) {
  const found = { status: 1, pass: 0, fail: 0, skip: 0, failedFiles: [] };
  let failing = false;
  const show = (line) => {
    const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(line)?.[1] ?? 0);
    if (line.startsWith('# {')) {
      Object.assign(found, { pass: count('pass'), fail: count('fail') });
      found.skip = count('skip') + count('todo');
    } else if (/^(not )?ok /.test(line)) {
      console.log(line.replace(/ \{$/, ''));
      const file = /^not ok \d+ - (\S+)/.exec(line)?.[1];
      if (file !== undefined) found.failedFiles.push(file);
    } else if (/^\s+not ok /.test(line)) failing = true;
    else if (/^\s+ok /.test(line)) failing = false;
    if (failing && !/^ok /.test(line)) console.log(line);
    if (/^\s+\.\.\.$/.test(line)) failing = false;
  };
  const child = spawn(process.execPath, [tap, '--reporter=tap', ...args], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout }).on('line', show);
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ ...found, status: status ?? 1 }));
  });
}

/** tap builds its plugins (.taprc) on its first run, but that run still has the ones before: one run for nothing. */
function buildTap() {
  const stamp = join(project, 'node_modules/.tap-is-built');
  if (existsSync(stamp)) return;
  say('building tap with its plugins');
  run(process.execPath, [tap, 'build'], { stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(stamp, '');
}

function testsUnder(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(relative(project, folder), name));
}
