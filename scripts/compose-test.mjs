// Runs the unchanged docker-compose.yml for real and checks it: a call passes the gateway, over HTTP and
// HTTPS, and both sidecars, an
// edit of the weights moves traffic, instances come and go without a failed call, an app that hangs is not called, and
// traffic survives the control plane. As root it installs
// what is missing (Debian's packages), starts an engine of its own if none runs, and makes stand-in
// base images where none can be pulled. Leaves nothing behind. `--keep DIR` keeps the engine's data
// in DIR for the next run.
import { execFile, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startEngine } from './compose-engine.mjs';
import { buildStandIns, envoyImage, nodeImage, tool } from './compose-images.mjs';
import { ensurePackages, project } from './run.mjs';

const budgetMs = 15 * 60_000;
const startedAt = Date.now();
const say = (text) => console.log(`[${((Date.now() - startedAt) / 1000).toFixed(1)} s] ${text}`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const keep = process.argv.includes('--keep')
  ? process.argv[process.argv.indexOf('--keep') + 1]
  : undefined;

const work = mkdtempSync(join(tmpdir(), 'fairlead-compose-'));
const copy = join(work, 'project');
const name = `fairlead-test-${process.pid}`;
const docker = { command: 'docker', env: { ...process.env } };
let engine;
let composeCommand;

function has(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
}

function installPackages() {
  const packages = [
    ['dockerd', 'docker.io'],
    ['iptables', 'iptables'],
    ['debootstrap', 'debootstrap'],
  ].filter(([command]) => !has(command));
  const composeV2 =
    has('docker') && spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0;
  if (!composeV2 && !has('docker-compose')) packages.push(['docker-compose', 'docker-compose']);
  if (packages.length > 0) {
    const names = packages.map(([, debian]) => debian);
    if (process.getuid?.() !== 0 || !has('apt-get'))
      skip(`missing, and not root on Debian: ${names.join(', ')}`);
    say(`installing ${names.join(', ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    tool('apt-get', ['update', '-qq'], { env });
    tool('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], { env });
  }
  composeCommand = composeV2 ? ['docker', 'compose'] : ['docker-compose'];
}

class Skip extends Error {}

function skip(reason) {
  throw new Skip(reason);
}

async function findEngine() {
  if (spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 20_000 }).status === 0) {
    say('using the Docker engine that runs');
    return;
  }
  if (process.getuid?.() !== 0) skip('no Docker engine runs, and starting one takes root');
  const dir = join(work, 'engine');
  const data = keep ?? join(dir, 'data');
  say(`starting a Docker engine of its own (data in ${data})`);
  const started = await startEngine(dir, data);
  if (started.failure !== undefined) skip(`no Docker engine can be started: ${started.failure}`);
  engine = started;
  docker.env.DOCKER_HOST = started.host;
}

function provideImages() {
  const present = (image) =>
    spawnSync('docker', ['image', 'inspect', image], { stdio: 'ignore', env: docker.env })
      .status === 0;
  const missing = [nodeImage, envoyImage].filter((image) => {
    if (present(image)) return false;
    const pull = spawnSync('docker', ['pull', '--quiet', image], {
      stdio: 'ignore',
      env: docker.env,
      timeout: 120_000,
    });
    return pull.status !== 0;
  });
  if (missing.length === 0) return;
  say(`cannot be pulled here: ${missing.join(', ')}`);
  const dir = join(work, 'images');
  mkdirSync(dir);
  const envoyPath = tool(process.execPath, ['scripts/ensure-envoy.mjs'], { cwd: project }).trim();
  buildStandIns(missing, { dir, docker, envoyPath, say });
}

const composeOptions = () => ({ cwd: copy, env: docker.env, timeout: 600_000 });

function compose(...args) {
  const [command, ...first] = composeCommand;
  return tool(command, [...first, '-p', name, ...args], composeOptions());
}

/** The same while this process goes on calling. */
async function composeMeanwhile(...args) {
  const [command, ...first] = composeCommand;
  await promisify(execFile)(command, [...first, '-p', name, ...args], composeOptions());
}

/** A copy, so that the edits of this test are not the user's. */
function copyProject() {
  const tracked = tool('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: project,
  });
  for (const file of tracked
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(project, file)))) {
    cpSync(join(project, file), join(copy, file));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function ask(url, headers = {}) {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
    return { status: response.status, answer: await response.json() };
  } catch (error) {
    return { status: 0, answer: { error: String(error) } };
  }
}

async function until(what, attempt, withinMs) {
  const end = Date.now() + withinMs;
  let last;
  for (;;) {
    last = await attempt();
    if (last) return last;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(100);
  }
}

/** Counts the versions of `count` answers; anything but 200 throws. */
async function split(url, count) {
  const seen = { v1: 0, v2: 0 };
  for (let i = 0; i < count; i++) {
    const { status, answer } = await ask(url);
    if (status !== 200)
      throw new Error(`call ${i + 1} of ${count} failed: ${JSON.stringify(answer)}`);
    seen[answer.backend.version] += 1;
  }
  return seen;
}

function check(condition, what) {
  if (!condition) throw new Error(`failed: ${what}`);
  say(`ok: ${what}`);
}

/** A stat of a sidecar, asked from within its container. */
function sidecarStat(workload, filter) {
  const script = `fetch('http://127.0.0.1:15000/stats?filter=${encodeURIComponent(filter)}').then((r) => r.text()).then(console.log)`;
  const text = compose('exec', '-T', workload, 'node', '-e', script);
  return Number(/: (\d+)\s*$/m.exec(text)?.[1] ?? 0);
}

/** Calls one after the other until `stop`, which gives how many there were and those that failed. */
function callOn(url) {
  let stopped = false;
  const done = (async () => {
    const failed = [];
    let count = 0;
    for (; !stopped; count++) {
      const { status, answer } = await ask(url);
      if (status !== 200) failed.push(answer);
      await pause(10);
    }
    return { count, failed };
  })();
  return () => {
    stopped = true;
    return done;
  };
}

/** The instances of the backend that answer `count` calls. */
async function instances(url, count) {
  const hosts = new Set();
  for (let i = 0; i < count; i++) hosts.add((await ask(url)).answer.backend?.host);
  return hosts;
}

/** A call over HTTPS that believes only the certificate which the demo made. */
async function askSecurely(port) {
  // Not there before the packages are installed.
  const { parse } = await import('yaml');
  const file = '/mesh/certificate/gateway-certificate.yaml';
  const read = (...command) => compose('exec', '-T', 'control-plane', ...command, file);
  const { stringData } = parse(read('cat'));
  check(read('stat', '-c', '%a').trim() === '600', 'the key is readable by its owner alone');
  return new Promise((resolve, reject) => {
    const call = get(
      { host: 'localhost', port, family: 4, ca: stringData['tls.crt'] },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      },
    );
    call.on('error', reject);
  });
}

async function testScaling(url) {
  const [one] = await instances(url, 10);
  const stop = callOn(url);
  const up = Date.now();
  await composeMeanwhile('up', '-d', '--no-build', '--scale', 'backend-v2=3');
  await until('three instances answer', async () => (await instances(url, 30)).size === 3, 60_000);
  say(`three instances after ${((Date.now() - up) / 1000).toFixed(1)} s, no file edited`);
  // So many that a call which is tried again meets new ones only.
  await composeMeanwhile('up', '-d', '--no-build', '--scale', 'backend-v2=8');
  await until('eight instances answer', async () => (await instances(url, 80)).size === 8, 60_000);
  await composeMeanwhile('up', '-d', '--no-build', '--scale', 'backend-v2=1');
  const left = await instances(url, 50);
  check(left.size === 1 && left.has(one), `one instance is left, the first: ${[...left]}`);
  const { count, failed } = await stop();
  check(
    failed.length === 0 && count > 100,
    `none of ${count} calls failed meanwhile ${JSON.stringify(failed.slice(0, 3))}`,
  );
}

/** Stops the app of one instance for a while, or lets it go on; its sidecar and its container stay. */
function signalApp(index, signal) {
  // Node's image has no pkill.
  const script = `for (const pid of require('fs').readdirSync('/proc').filter((name) => /^\\d+$/.test(name))) {
    let command = '';
    try { command = require('fs').readFileSync('/proc/' + pid + '/cmdline', 'utf8'); } catch {}
    if (command.startsWith('node\\0/app/')) process.kill(Number(pid), '${signal}');
  }`;
  compose('exec', '-T', '--index', String(index), 'backend-v2', 'node', '-e', script);
}

async function testProbe(url) {
  await composeMeanwhile('up', '-d', '--no-build', '--scale', 'backend-v2=3');
  await until('three instances answer', async () => (await instances(url, 30)).size === 3, 60_000);
  signalApp(2, 'SIGSTOP');
  const hung = Date.now();
  const quick = async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(url)));
    return answers.every(({ status }) => status === 200);
  };
  await until('an app that hangs is not called', quick, 60_000);
  say(
    `an app that hangs is not called any more after ${((Date.now() - hung) / 1000).toFixed(1)} s`,
  );
  const seen = await instances(url, 60);
  check(seen.size === 2 && !seen.has(undefined), `two others answer 60 calls: ${[...seen]}`);
  signalApp(2, 'SIGCONT');
  await until('it goes on', async () => (await instances(url, 30)).size === 3, 60_000);
  await composeMeanwhile('up', '-d', '--no-build', '--scale', 'backend-v2=1');
}

/** Whether the container says so, as its health check asks. */
function isReady(workload) {
  try {
    compose('exec', '-T', workload, 'test', '-f', '/tmp/ready');
    return true;
  } catch {
    return false;
  }
}

function setWeights(v1, v2) {
  const file = join(copy, 'examples/demo/config/routing.yaml');
  const text = readFileSync(file, 'utf8').replace(
    /weight: \d+(\s+- destination: \{ host: backend, subset: v2 \}\s+)weight: \d+\n(?=\s+# Fault)/,
    `weight: ${v1}$1weight: ${v2}\n`,
  );
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

async function test() {
  const port = await freePort();
  docker.env.FRONTEND_PORT = String(port);
  const httpsPort = await freePort();
  docker.env.FRONTEND_HTTPS_PORT = String(httpsPort);
  const url = `http://127.0.0.1:${port}/`;
  say(`${composeCommand.join(' ')} up (builds the images)`);
  const up = Date.now();
  compose('up', '-d', '--build');
  await until('a first answer', async () => (await ask(url)).status === 200, 60_000);
  const workloads = ['gateway', 'frontend', 'backend-v1', 'backend-v2'];
  await until('every workload is ready', () => workloads.every(isReady), 60_000);
  say(`up and answering after ${((Date.now() - up) / 1000).toFixed(1)} s`);

  const { answer } = await ask(url);
  check(answer.backend.headers.host === 'backend:8080', 'the app called its normal host and port');
  check(
    answer.backend.headers['x-request-id'] !== undefined,
    'the request carries what a sidecar adds',
  );
  check((await askSecurely(httpsPort)) === 200, 'the same over HTTPS, with its certificate');
  const first = await split(url, 100);
  check(first.v1 > first.v2 && first.v2 > 0, `90/10 gives ${first.v1}/${first.v2} of 100`);
  const out = sidecarStat(
    'frontend',
    '^cluster\\.outbound\\|8080\\|v1\\|backend\\..*upstream_rq_200$',
  );
  const inn = sidecarStat('backend-v1', '^cluster\\.inbound\\|8080\\|\\|;?\\.upstream_rq_200$');
  const via = sidecarStat('gateway', '^cluster\\.outbound\\|80\\|\\|frontend\\..*upstream_rq_200$');
  check(via > 100, `the gateway sent ${via} calls to the frontend`);
  check(out >= first.v1, `the frontend's sidecar sent ${out} calls to v1`);
  check(inn >= first.v1, `the sidecar of backend-v1 received ${inn}`);

  setWeights(0, 100);
  const edited = Date.now();
  await until(
    'an edit on the host moves all traffic to v2',
    async () => (await split(url, 10)).v2 === 10,
    20_000,
  );
  say(`an edit on the host was in force within ${Date.now() - edited} ms`);
  const moved = await split(url, 50);
  check(moved.v2 === 50, 'after 0/100 every call goes to v2');

  await testScaling(url);
  await testProbe(url);

  compose('stop', '-t', '5', 'control-plane');
  const without = await split(url, 50);
  check(without.v2 === 50, 'traffic flows on without the control plane');
  compose('start', 'control-plane');
  setWeights(100, 0);
  await until(
    'the control plane is back and moves traffic',
    async () => (await split(url, 10)).v1 === 10,
    60_000,
  );
  check(true, 'the control plane came back and is obeyed');
  const away = callOn(url);
  await composeMeanwhile('restart', '-t', '5', 'control-plane');
  await pause(8_000);
  const { count, failed } = await away();
  check(
    failed.length === 0 && count > 100,
    `none of ${count} calls failed while it restarted ${JSON.stringify(failed.slice(0, 3))}`,
  );
}

function diagnose() {
  try {
    console.error(compose('ps'));
    console.error(compose('logs', '--tail', '30'));
  } catch (error) {
    console.error(error.message);
  }
}

async function cleanUp() {
  say('taking everything down');
  if (composeCommand && existsSync(copy)) {
    try {
      const images = engine && !keep ? [] : ['--rmi', 'local'];
      compose('down', '-v', '-t', '2', ...images);
    } catch (error) {
      console.error(error.message);
    }
  }
  await engine?.stop();
  rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

const timer = setTimeout(async () => {
  console.error(`not done within ${budgetMs / 60_000} minutes`);
  await cleanUp();
  process.exit(1);
}, budgetMs);
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => cleanUp().then(() => process.exit(1)));

let exitCode = 0;
try {
  ensurePackages();
  installPackages();
  await findEngine();
  provideImages();
  copyProject();
  await test();
  say('compose test passed');
} catch (error) {
  if (error instanceof Skip) console.log(`skipped: ${error.message}`);
  else {
    console.error(error.message);
    diagnose();
    exitCode = 1;
  }
} finally {
  await cleanUp();
  clearTimeout(timer);
}
process.exit(exitCode);
