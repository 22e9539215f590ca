// Makes sure that Python's gRPC (grpcio, a client that speaks xDS) is there for the tests, and prints the folder to put
// on PYTHONPATH (stdout). It is kept under .cache, apart from what the machine's Python has.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { project } from './run.mjs';

const version = '1.85.1';
const timeoutMs = 180_000;
const folder = join(project, '.cache/grpcio', version);

function python(args, env = {}) {
  const options = { encoding: 'utf8', timeout: timeoutMs, env: { ...process.env, ...env } };
  return spawnSync('python3', args, options);
}

/** It must also be importable: the folder may be of another Python. */
function works(path) {
  return python(['-c', 'import grpc'], { PYTHONPATH: path }).status === 0;
}

function install() {
  mkdirSync(join(folder, '..'), { recursive: true });
  // The rename is the last step, so that an interrupted run leaves nothing half done.
  const work = mkdtempSync(join(folder, '../.install-'));
  console.error(`getting grpcio ${version} (PyPI, about 7 MB) into ${folder}`);
  const pip = ['-m', 'pip', '--disable-pip-version-check', '--no-input', 'install', '--quiet'];
  const target = ['--only-binary', ':all:', '--target', work, `grpcio==${version}`];
  const { status, stderr, error } = python([...pip, ...target]);
  if (status === 0 && works(work)) {
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
    return;
  }
  rmSync(work, { recursive: true, force: true });
  console.error(error?.message ?? stderr.trim());
  console.error(`pip could not install grpcio ${version}, which the tests of gRPC clients need`);
  process.exit(1);
}

if (!existsSync(folder) || !works(folder)) install();
console.log(folder);
