// The demo's workloads in pods: an app and an Envoy each, real interception, xDS and admin over
// unix sockets. Usable with any control plane that listens on a unix socket or a TCP port of this
// machine.
import { chmodSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type BootstrapOptions, buildBootstrap } from '../bootstrap.js';
import { joinSockets } from './join-sockets.js';
import type { PodHost, PodProcess } from './pod-host.js';
import {
  appPort,
  backendAddress,
  type DemoWorkload,
  demoDir,
  ingress,
  workloads,
} from './workloads.js';

/** One running workload. */
export interface RunningPod {
  workload: DemoWorkload;
  app: PodProcess;
  envoy: PodProcess;
  /** Unix socket of Envoy's admin. */
  adminSocket: string;
}

/**
 * Starts pods and apps at once, and the Envoys when `served` has settled: an Envoy that finds no
 * control plane waits before it tries again. Does not wait for configuration.
 */
export async function runPods(
  host: PodHost,
  xdsSocket: string,
  served: Promise<unknown>,
): Promise<RunningPod[]> {
  return Promise.all(workloads.map((workload) => runPod(host, workload, xdsSocket, served)));
}

async function runPod(
  host: PodHost,
  workload: DemoWorkload,
  xdsSocket: string,
  served: Promise<unknown>,
): Promise<RunningPod> {
  const { name, address } = workload;
  const hosts = [{ address: backendAddress, names: ['backend', 'backend.default'] }];
  await host.addPod({ name, addresses: [`${address}/24`], hosts });
  const argv = [process.execPath, join(demoDir, 'app', workload.app)];
  const env = { PORT: String(appPort), VERSION: workload.labels['version'] ?? '', NAME: name };
  const app = await host.run({ pod: name, name: 'app', argv, env });
  await served;
  const envoy = await runSidecar(host, workload, xdsSocket);
  return { workload, app, envoy, adminSocket: sidecarAdmin(host, name) };
}

/** Unix socket of a pod's Envoy admin. */
export function sidecarAdmin(host: PodHost, pod: string): string {
  return join(host.podDir(pod), 'admin.sock');
}

/** Starts (or starts again) the Envoy of a pod. */
export function runSidecar(
  host: PodHost,
  workload: DemoWorkload,
  xds: string,
): Promise<PodProcess> {
  const { name, address } = workload;
  return runEnvoy(host, {
    type: 'sidecar',
    name,
    ips: [address],
    workloadName: name,
    workloadGroup: name,
    xds: `unix:${xds}`,
    ...(host.bypass.by === 'mark' ? { mark: host.bypass.mark } : {}),
  });
}

/** Starts the ingress gateway in a pod of its own, where nothing is intercepted. */
export async function runIngress(
  host: PodHost,
  xdsSocket: string,
  served: Promise<unknown>,
): Promise<PodProcess> {
  const { name, address, labels } = ingress;
  await host.addPod({ name, addresses: [`${address}/24`], intercept: false });
  await served;
  return runEnvoy(host, { type: 'router', name, ips: [address], labels, xds: `unix:${xdsSocket}` });
}

function runEnvoy(host: PodHost, options: BootstrapOptions): Promise<PodProcess> {
  const admin = `unix:${sidecarAdmin(host, options.name)}`;
  return host.run({
    pod: options.name,
    name: 'envoy',
    argv: envoyCommand(host.envoyPath, buildBootstrap({ ...options, admin })),
    asSidecar: true,
  });
}

/**
 * How the demo starts an Envoy: quiet, one worker, no shared memory (several run on one machine).
 */
export function envoyCommand(path: string, bootstrap: object): string[] {
  // `misc` would warn of each `max_grpc_timeout`, which Istio's routes set.
  const quiet = ['--log-level', 'warn', '--component-log-level', 'misc:error'];
  const alone = ['--concurrency', '1', '--disable-hot-restart'];
  // As Istio's agent does: connections of what was replaced are closed after their next answer, not within 10 minutes.
  const drain = ['--drain-strategy', 'immediate', '--drain-time-s', '45'];
  return [path, ...quiet, ...alone, ...drain, '--config-yaml', JSON.stringify(bootstrap)];
}

/** A unix socket path, a port of 127.0.0.1, or another address. */
type DoorTarget = string | number | { host: string; port: number };

/** A door between this machine and the pods: passes connections on until closed. */
export interface Door {
  /** 0 for a unix socket. */
  port: number;
  close(): void;
}

/**
 * Listens on a unix socket path, or on 127.0.0.1 with the port wanted (a free one when it is
 * taken).
 */
export async function openDoor(at: string | number, target: DoorTarget): Promise<Door> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = dial(target);
    joinSockets(client, upstream);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
  });
  await listen(server, at).catch((error: NodeJS.ErrnoException) => {
    if (typeof at !== 'number' || error.code !== 'EADDRINUSE') throw error;
    return listen(server, 0);
  });
  // The sidecar's user connects to it.
  if (typeof at === 'string') chmodSync(at, 0o666);
  const close = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { port: typeof at === 'string' ? 0 : (server.address() as AddressInfo).port, close };
}

function dial(target: DoorTarget): Socket {
  if (typeof target === 'object') return connect(target);
  return typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1');
}

function listen(server: Server, at: string | number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.removeListener('error', reject);
      resolve();
    };
    if (typeof at === 'string') server.listen(at, done);
    else server.listen(at, '127.0.0.1', done);
  });
}
