// Starts the control plane and the workloads in the chosen mode, and stops them in order: load
// first (the caller's), then workloads, then the control plane.
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../control-plane.js';
import { ControlPlaneError } from '../../lib/error.js';
import { type RunningServer, startServer } from '../serve.js';
import type { ChosenMode } from './choose-mode.js';
import {
  ensureCertificate,
  makeCertificate,
  certificateFile as secretFile,
} from './gateway-certificate.js';
import { LocalProcesses } from './local-processes.js';
import { mirrorConfig } from './mirror-config.js';
import type { PodHost } from './pod-host.js';
import { portsConfig } from './ports-config.js';
import { openDoor, type RunningPod, runIngress, runPods } from './run-pods.js';
import { planPorts, runPorts } from './run-ports.js';
import { ingress, workloads } from './workloads.js';

export interface MeshOptions {
  envoyPath: string;
  /** The directory that the user edits. */
  config: string;
  /** Wanted ports on 127.0.0.1: of the gateway, over HTTP and HTTPS, and of the admin API. */
  port: number;
  httpsPort: number;
  adminPort: number;
  log: Log;
  /** For another control plane after this one. */
  registrationsFile?: string;
}

/** A demo that runs. */
export interface RunningDemo {
  server: RunningServer;
  /** Where the gateway leads to the frontend, over HTTP and HTTPS. */
  frontendPort: number;
  httpsPort: number;
  /** A file with the certificate that the gateway shows, in PEM. */
  certificateFile: string;
  /** HOST:PORT of the admin API. */
  admin: string;
  /** The directory that the user edits. */
  config: string;
  /** How to look into the workloads, where there is a way. */
  look?: string;
  /** In namespaces: the pods, for tests. */
  pods: readonly RunningPod[];
  /** The last words of every process, for when something does not come up. */
  diagnosis(): string;
  stop(): Promise<void>;
}

/** How long the start waits for all Envoys, in ms. */
const configuredWaitMs = 20_000;

/** Starts everything; what was started is stopped again when a part fails. */
export async function startMesh(chosen: ChosenMode, options: MeshOptions): Promise<RunningDemo> {
  return chosen.host === undefined ? startPortsMesh(options) : startPodMesh(chosen.host, options);
}

async function startPodMesh(host: PodHost, options: MeshOptions): Promise<RunningDemo> {
  const { config } = options;
  const ends: (() => unknown)[] = [() => host.stop()];
  return orUndo(ends, async () => {
    const { certificate, made } = ensureCertificate(config);
    const socket = join(host.dir, 'xds.sock');
    const serving = serve(config, [`unix:${socket}`], options, ends)
      .then((running) => {
        // Sidecars run as another user.
        chmodSync(socket, 0o666);
        return running;
      })
      // Not before the server has ended, which would see it go.
      .finally(() => made && ends.push(() => rmSync(join(config, secretFile), { force: true })));
    const [server, pods] = await Promise.all([
      serving,
      runPods(host, socket, serving),
      runIngress(host, socket, serving),
    ]);
    await configured(server);
    const open = async (name: string, port: number, inside: number) => {
      const door = await openDoor(port, await host.forward(name, ingress.address, inside));
      ends.push(() => door.close());
      return door.port;
    };
    return {
      server,
      frontendPort: await open('http', options.port, ingress.httpPort),
      httpsPort: await open('https', options.httpsPort, ingress.httpsPort),
      certificateFile: writePem(host.dir, certificate),
      admin: server.admin,
      config,
      pods,
      look: `curl --unix-socket ${pods[0]!.adminSocket} http://envoy/clusters`,
      diagnosis: () => lastWords(host.dir),
      stop: () => undo(ends),
    };
  });
}

async function startPortsMesh(options: MeshOptions): Promise<RunningDemo> {
  const processes = new LocalProcesses();
  const ends: (() => unknown)[] = [() => processes.stop()];
  return orUndo(ends, async () => {
    const plan = await planPorts({ http: options.port, https: options.httpsPort });
    const { certificate, secret } = makeCertificate();
    const replaced = { ...portsConfig(plan), [secretFile]: secret };
    const mirror = mirrorConfig(options.config, join(processes.dir, 'config'), replaced);
    ends.push(() => mirror.close());
    const server = await serve(mirror.dir, ['127.0.0.1:0'], options, ends);
    const xdsPort = Number(/:(\d+)$/.exec(server.xds[0]!)?.[1]);
    await runPorts(processes, { plan, envoyPath: options.envoyPath, xdsPort });
    await configured(server);
    return {
      server,
      frontendPort: plan.http,
      httpsPort: plan.https,
      certificateFile: writePem(processes.dir, certificate),
      admin: server.admin,
      config: options.config,
      pods: [],
      diagnosis: () => lastWords(processes.dir),
      stop: () => undo(ends),
    };
  });
}

function writePem(dir: string, certificate: string): string {
  const file = join(dir, 'gateway.pem');
  writeFileSync(file, certificate);
  return file;
}

/**
 * Waits until every workload is an endpoint and every Envoy has its listeners and endpoints: a first answer by the
 * quickest ones says nothing of the others. Gives up after a while, for what is missing is then said with the first answer.
 */
async function configured({ controlPlane }: RunningServer): Promise<void> {
  const { state } = controlPlane;
  const endMs = performance.now() + configuredWaitMs;
  while (performance.now() < endMs) {
    const ready = state
      .proxies()
      .filter(({ types: { LDS, EDS } }) => LDS?.state === 'SYNCED' && EDS?.state === 'SYNCED');
    const well = state.resources({ kind: 'WorkloadEntry' }).filter(({ status }) => isWell(status));
    // The workloads and the gateway.
    if (well.length >= workloads.length && ready.length > workloads.length) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A workload without a probe has no conditions. */
function isWell(status: { conditions?: readonly { status: string }[] } = {}): boolean {
  return (status.conditions ?? []).every((condition) => condition.status === 'True');
}

/** The control plane in this process; a taken admin port is replaced by a free one. */
async function serve(
  config: string,
  xds: readonly string[],
  options: MeshOptions,
  ends: (() => unknown)[],
): Promise<RunningServer> {
  const { log, registrationsFile } = options;
  const start = (port: number) =>
    startServer({ config, xds, admin: `127.0.0.1:${port}`, log, registrationsFile });
  const server = await start(options.adminPort).catch((error: unknown) => {
    if (!(error instanceof ControlPlaneError) || !error.message.startsWith('admin ')) throw error;
    return start(0);
  });
  ends.push(() => server.stop());
  return server;
}

async function orUndo<T>(ends: (() => unknown)[], start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await undo(ends);
    throw error;
  }
}

/** Every end is tried, in order, whatever the others do. */
async function undo(ends: (() => unknown)[]): Promise<void> {
  for (const end of ends.splice(0)) {
    try {
      await end();
    } catch {
      // The others matter more than why this one could not end.
    }
  }
}

const lineCountMax = 8;

function lastWords(dir: string): string {
  if (!existsSync(dir)) return '';
  return readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .map((name) => {
      const lines = readFileSync(join(dir, name), 'utf8').trim().split('\n').slice(-lineCountMax);
      return `--- ${name}\n${lines.join('\n')}`;
    })
    .join('\n');
}
