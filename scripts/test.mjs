// `npm test`: installs what is missing (npm packages, Envoy and the oldest one that is supported, grpcio), builds, and runs the tests. Arguments name test
// files or folders; none means all. The last line counts the assertions.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
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

const child = spawn(process.execPath, [tap, '--reporter=tap', ...wanted], {
  cwd: project,
  stdio: ['ignore', 'pipe', 'inherit'],
});
/** tap builds its plugins (.taprc) on its first run, but that run still has the ones before: one run for nothing. */
function buildTap() {
  const stamp = join(project, 'node_modules/.tap-is-built');
  if (existsSync(stamp)) return;
  say('building tap with its plugins');
  run(process.execPath, [tap, 'build'], { stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(stamp, '');
}

let summary = '';
let failing = false;
/** One line a test file; of what is inside a file only what failed, with its diagnostics. */
function show(line) {
  if (line.startsWith('# {')) summary = line;
  else if (/^(not )?ok /.test(line)) console.log(line.replace(/ \{$/, ''));
  else if (/^\s+not ok /.test(line)) failing = true;
  else if (/^\s+ok /.test(line)) failing = false;
  if (failing && !/^ok /.test(line)) console.log(line);
  if (/^\s+\.\.\.$/.test(line)) failing = false;
}

/** `# { total: 3, pass: 2, fail: 1 }` -> the line that CI reads. */
function totals() {
  const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
  const skipped = count('skip') + count('todo');
  return `${count('pass')} passed, ${count('fail')} failed${skipped ? `, ${skipped} skipped` : ''}`;
}

function testsUnder(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(relative(project, folder), name));
}

let rest = '';
child.stdout.setEncoding('utf8');
child.stdout.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) show(line);
});
child.on('close', (status) => {
  show(rest);
  console.log(`\n${totals()}`);
  process.exit(status ?? 1);
});
