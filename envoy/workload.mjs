// What a demo container runs: interception rules, the app, and its Envoy beside it; all end together. It is also the
// sidecar's way to the control plane, as Istio's agent is, so that an instance can leave before it stops: its way is
// closed first, and it serves on until nobody calls it any more. The command is the app's; without one the Envoy is
// a gateway, which nothing is intercepted for.
// Environment: WORKLOAD (its name, and that of its WorkloadGroup), LABELS (of a gateway: istio=ingressgateway),
// NAMESPACE (default), XDS (control-plane:15010), PORT (of the app, 8080), LEAVE_SECONDS (11: a bit more than
// `serve --registration-grace`).
import { execFileSync, spawn } from 'node:child_process';
import { fchownSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildBootstrap } from '../dist/cli/bootstrap.js';
import { envoyCommand, openDoor } from '../dist/cli/demo/run-pods.js';
import { keyValues } from '../dist/cli/flag-values.js';
import { interceptionRouting, interceptionRules, sidecarUid } from '../dist/cli/interception.js';

const { WORKLOAD: workload, NAMESPACE: namespace = 'default', LABELS: labels = '' } = process.env;
const { XDS: xds = 'control-plane:15010', PORT: port = '8080', LEAVE_SECONDS = '11' } = process.env;
if (!workload) throw new Error('WORKLOAD is not set');
const app = process.argv.slice(2);
const name = `${workload}-${hostname()}`;
/** The user of Node's images; never the sidecar's, whose traffic passes the rules. */
const appUid = 1000;
const xdsSocket = '/tmp/xds.sock';
const [xdsHost, xdsPort] = xds.split(':');

const addresses = Object.values(networkInterfaces())
  .flat()
  .filter((address) => !address.internal && !address.address.startsWith('fe80:'));

function installRules() {
  for (const [family, command] of [
    ['ipv4', 'iptables-restore'],
    ['ipv6', 'ip6tables-restore'],
  ]) {
    if (!addresses.some((address) => address.family.toLowerCase() === family)) continue;
    const bypass = { by: 'uid', uid: sidecarUid };
    const input = interceptionRules({ family, bypass, excludeOutboundPorts: [Number(xdsPort)] });
    execFileSync(command, ['--noflush'], { input, stdio: ['pipe', 'inherit', 'inherit'] });
    const routing = interceptionRouting({ family });
    if (routing === '') continue;
    execFileSync('ip', ['-6', '-batch', '-'], {
      input: routing,
      stdio: ['pipe', 'inherit', 'inherit'],
    });
  }
}

const running = new Set();
let stopping = false;

/** Starts a part; when one ends by itself, so does the container. */
function start([command, ...args], uid, env = process.env) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    uid,
    gid: uid,
    env,
  });
  running.add(child);
  child.on('error', (error) => console.error(`${command}: ${error.message}`));
  child.on('close', (code, signal) => {
    running.delete(child);
    if (!stopping) console.error(`${command} ended (${signal ?? code})`);
    if (!stopping) end(1);
    else if (running.size === 0) process.exit();
  });
}

function end(code) {
  stopping = true;
  process.exitCode = code;
  if (running.size === 0) process.exit();
  for (const child of running) child.kill('SIGTERM');
}

function answers(target) {
  return new Promise((resolve) => {
    const socket = connect(target, '127.0.0.1');
    socket.on('connect', () => resolve(socket.destroy() && true));
    socket.on('error', () => resolve(false));
  });
}

async function until(attempt) {
  while (!(await attempt())) await sleep(50);
}

const isReady = () =>
  fetch('http://127.0.0.1:15021/healthz/ready').then(
    ({ ok }) => ok,
    () => false,
  );

let door;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    const again = door === undefined;
    door?.close();
    door = undefined;
    if (!again && app.length > 0) await sleep(Number(LEAVE_SECONDS) * 1000);
    if (!stopping) end(0);
  });
}

// A sidecar opens /dev/stdout by its path where an access log is asked for.
for (const stream of [1, 2]) fchownSync(stream, sidecarUid, -1);
if (app.length > 0) {
  installRules();
  start(app, appUid, { ...process.env, NAME: name });
  // Who is registered is called: not before the app listens.
  await until(() => answers(Number(port)));
}
door = await openDoor(xdsSocket, { host: xdsHost, port: Number(xdsPort) });
const bootstrap = buildBootstrap({
  type: app.length > 0 ? 'sidecar' : 'router',
  name,
  namespace,
  ips: addresses.map(({ address }) => address),
  workloadName: workload,
  ...(app.length > 0 ? { workloadGroup: workload } : { labels: keyValues([labels]) }),
  xds: `unix:${xdsSocket}`,
});
start(envoyCommand('envoy', bootstrap), sidecarUid);
await until(isReady);
// For the health check of the container.
writeFileSync('/tmp/ready', '');
console.log(`${name} (${addresses.map(({ address }) => address).join(', ')}) is ready`);
