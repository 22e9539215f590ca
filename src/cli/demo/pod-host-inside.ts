// The process inside the namespaces: process 1 of its own process namespace, told by the launcher
// over stdin what to make and run. When stdin ends, for whatever reason (the launcher stopped, or
// was killed), everything in here ends with it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, openSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { errorMessage, unreachable } from '../../lib/error.js';
import { joinSockets } from './join-sockets.js';
import { makeNetwork, makePod, type Pod, podCommand } from './pod-network.js';
import {
  type ForwardRequest,
  type PodMessage,
  type PodRequest,
  readJsonLines,
  type SpawnRequest,
} from './pod-protocol.js';

const [, , workDir] = process.argv;
const pods = new Map<string, Pod>();
const processes = new Map<string, ChildProcess>();
const boundTargets: string[] = [];
let podCount = 0;

function send(message: PodMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function answer(request: PodRequest): Promise<unknown> {
  switch (request.op) {
    case 'network':
      boundTargets.push(...request.binds.map((bind) => bind.target));
      return makeNetwork(request);
    case 'add-pod': {
      podCount += 1;
      const pod = await makePod(request, podCount);
      pods.set(request.name, pod);
      return undefined;
    }
    case 'spawn':
      return start(request);
    case 'signal':
      return processes.get(request.key)?.kill(request.signal) ?? false;
    case 'forward':
      return forward(request);
    default:
      return unreachable(request);
  }
}

function start(request: SpawnRequest): Promise<number> {
  const pod = pods.get(request.pod);
  if (pod === undefined) throw new Error(`no pod ${request.pod}`);
  const [command, ...args] = podCommand(pod, request.argv, request.uid);
  const log = openSync(request.logFile, 'a', 0o644);
  // Envoy opens /dev/stdout by its path, as its own user.
  if (request.uid !== undefined) chownSync(request.logFile, request.uid, -1);
  const child = spawn(command!, args, { cwd: '/', env: request.env, stdio: ['ignore', log, log] });
  closeSync(log);
  processes.set(request.key, child);
  child.on('exit', (code, signal) => {
    processes.delete(request.key);
    send({ exited: request.key, code, signal });
  });
  return new Promise((resolve, reject) => {
    child.on('spawn', () => resolve(child.pid!));
    child.on('error', reject);
  });
}

function forward(request: ForwardRequest): Promise<void> {
  const server = createServer((client) => joinSockets(client, connect(request.port, request.host)));
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(request.socket, () => {
      chmodSync(request.socket, 0o666);
      resolve();
    });
  });
}

// The launcher removes the folder itself when it can; when it was killed, nobody else would.
function end(): void {
  for (const child of processes.values()) child.kill('SIGKILL');
  for (const pod of pods.values()) pod.holder.kill('SIGKILL');
  for (const target of boundTargets) spawnSync('umount', [target]);
  if (workDir !== undefined) {
    try {
      rmSync(workDir, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
    } catch {
      // Something is still writing there; the launcher, or the next run's sweep, takes it away.
    }
  }
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
process.stdout.on('error', end);
process.stdin.on('end', end);
process.stdin.on('close', end);
readJsonLines<PodRequest & { id: number }>(process.stdin, (request) => {
  answer(request).then(
    (value) => send({ id: request.id, value }),
    (error: unknown) => send({ id: request.id, error: errorMessage(error) }),
  );
});
