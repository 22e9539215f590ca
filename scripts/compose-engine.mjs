// A Docker engine for the compose test, with its data in a folder of the test. An engine changes
// the machine's network (a bridge, iptables chains, forwarding); what this one changed is put back.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const forwarding = '/proc/sys/net/ipv4/ip_forward';
const startAttempts = 120;
const stopTimeoutMs = 20_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Starts dockerd with everything under `dir` (the images under `data`). Gives the address of its
 * socket and `stop`, or `{ failure }` with its last words.
 */
export async function startEngine(dir, data) {
  mkdirSync(dir);
  const before = networkState();
  const host = `unix://${join(dir, 'docker.sock')}`;
  const args = ['--data-root', data, '--exec-root', join(dir, 'exec')];
  args.push('--pidfile', join(dir, 'pid'), '--host', host);
  const engine = spawn('dockerd', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let log = '';
  engine.stderr.setEncoding('utf8').on('data', (chunk) => {
    log = (log + chunk).slice(-6000);
  });
  const stop = () => stopEngine(engine, dir, before);
  const env = { ...process.env, DOCKER_HOST: host };
  for (let i = 0; i < startAttempts && engine.exitCode === null; i++) {
    if (spawnSync('docker', ['info'], { stdio: 'ignore', env }).status === 0) return { host, stop };
    await pause(250);
  }
  await stop();
  return { failure: log };
}

async function stopEngine(engine, dir, before) {
  if (engine.exitCode === null) {
    const ended = new Promise((resolve) => engine.once('exit', resolve));
    engine.kill('SIGTERM');
    await Promise.race([ended, pause(stopTimeoutMs)]);
    if (engine.exitCode === null) engine.kill('SIGKILL');
  }
  // Overlay and namespace mounts may stay for a moment.
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const point = line.split(' ')[1];
    if (point?.startsWith(`${dir}/`)) spawnSync('umount', ['-l', point], { stdio: 'ignore' });
  }
  restoreNetwork(before);
}

function rules() {
  return spawnSync('iptables-save', [], { encoding: 'utf8' }).stdout ?? '';
}

function networkState() {
  const text = rules();
  return {
    hadDocker: /DOCKER/.test(text),
    forwardPolicy: /^:FORWARD (\w+)/m.exec(text)?.[1] ?? 'ACCEPT',
    forwarding: readFileSync(forwarding, 'utf8'),
  };
}

/** Takes away what an engine made where there was none before; rules of anybody else stay. */
function restoreNetwork(before) {
  if (before.hadDocker) return;
  spawnSync('ip', ['link', 'delete', 'docker0'], { stdio: 'ignore' });
  const kept = rules()
    .split('\n')
    .filter((line) => !/DOCKER|docker0|\bbr-[0-9a-f]{12}\b/.test(line))
    .map((line) => line.replace(/^:FORWARD \w+/, `:FORWARD ${before.forwardPolicy}`));
  spawnSync('iptables-restore', [], {
    input: kept.join('\n'),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  writeFileSync(forwarding, before.forwarding);
}
