// A whole mesh in one process for tests: a watched directory, the server as `serve` starts it, plain Node backends, and
// real Envoys as sidecars with explicit ports on loopback addresses (no privileges needed). Interception is the
// business of test/e2e.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildBootstrap } from '../../src/cli/bootstrap.js';
import { type RunningServer, startServer } from '../../src/cli/serve.js';
import type { Log } from '../../src/control-plane.js';
import { type EnvoyProcess, startEnvoy } from './envoy-process.js';

/** One line of the server's log. */
export interface LogLine {
  level: 'info' | 'warn' | 'error';
  message: string;
  fields: object;
}

export interface Sidecar extends EnvoyProcess {
  ip: string;
}

export class LiveMesh {
  readonly directory = mkdtempSync(join(tmpdir(), 'fairlead-mesh-'));
  readonly log: LogLine[] = [];
  server!: RunningServer;
  readonly #config = join(this.directory, 'config');
  readonly #socket = join(this.directory, 'xds.sock');
  readonly #backends: Server[] = [];
  readonly #sidecars: EnvoyProcess[] = [];

  constructor(files: Readonly<Record<string, string>>) {
    mkdirSync(this.#config);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** Starts (or starts again) the control plane, at the same address each time. */
  async startServer(): Promise<void> {
    const note =
      (level: LogLine['level']): Log['info'] =>
      (fields, message) => {
        this.log.push({ level, message, fields });
      };
    this.server = await startServer({
      config: this.#config,
      xds: [`unix:${this.#socket}`],
      admin: '127.0.0.1:0',
      log: { info: note('info'), warn: note('warn'), error: note('error') },
    });
  }

  /** Replaces a file by rename; gives the time of the rename, in `performance.now()` ms. */
  write(name: string, content: string | Uint8Array): number {
    const path = join(this.#config, name);
    mkdirSync(dirname(path), { recursive: true });
    const temporary = join(this.directory, 'next');
    writeFileSync(temporary, content);
    renameSync(temporary, path);
    return performance.now();
  }

  remove(name: string): void {
    rmSync(join(this.#config, name));
  }

  /** A plain HTTP server on a loopback address; port 0 takes a free one. */
  async backend(host: string, handler: RequestListener, port = 0): Promise<number> {
    const server = createServer({ keepAliveTimeout: 60_000 }, handler);
    this.#backends.push(server);
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return (server.address() as AddressInfo).port;
  }

  /**
   * A real Envoy as sidecar of a workload at `ip` (127.0.x.y), with explicit ports; or as a router, whose listeners
   * stand where its Gateways say (`bind` to an address of the test's own, as tests run side by side).
   */
  async sidecar(
    ip: string,
    options: {
      type?: 'sidecar' | 'router';
      name?: string;
      namespace?: string;
      labels?: Record<string, string>;
      protocol?: 'delta' | 'sotw';
      /** Envoy's release. */
      version?: string;
      /** Where it is, and whether it asks for its peers. */
      locality?: string;
      peers?: boolean;
      /** Where it registers itself, and whose probe it runs. */
      workloadGroup?: string;
      /** More node metadata. */
      metadata?: Readonly<Record<string, unknown>>;
    } = {},
  ): Promise<Sidecar> {
    const { admin: _admin, ...bootstrap } = buildBootstrap({
      type: options.type ?? 'sidecar',
      name: options.name ?? 'client',
      namespace: options.namespace ?? 'default',
      ips: [ip],
      labels: options.labels ?? {},
      ...(options.type !== 'router' && { interceptionMode: 'NONE' as const }),
      xds: `unix:${this.#socket}`,
      xdsProtocol: options.protocol ?? 'delta',
      metricsPort: 0,
      healthPort: 0,
      ...(options.metadata && { metadata: options.metadata }),
      ...(options.workloadGroup && { workloadGroup: options.workloadGroup }),
      ...(options.locality && { locality: options.locality }),
      ...(options.peers && { peers: options.peers }),
    });
    // Access logs are read by tests: without the first flag they wait for 10 s. The others are Istio's.
    const args = [
      '--file-flush-interval-msec',
      '50',
      '--drain-strategy',
      'immediate',
      '--drain-time-s',
      '45',
    ];
    const { version } = options;
    const envoy = await startEnvoy({ bootstrap, args, ...(version && { version }) });
    this.#sidecars.push(envoy);
    return Object.assign(envoy, { ip });
  }

  /** Waits until every connected proxy holds what it should, of every type that it asked for. */
  async synced(proxies = 1, timeoutMs = 10_000): Promise<void> {
    await until(timeoutMs, () => {
      const connected = this.server.controlPlane.state.proxies();
      return (
        connected.length >= proxies &&
        connected.every(({ types }) =>
          Object.values(types).every(({ state }) => state === 'SYNCED' || state === 'NOT SENT'),
        )
      );
    });
  }

  /** Makes a change and waits until it is in force at every connected proxy. */
  async applied(change: () => unknown, timeoutMs = 10_000): Promise<void> {
    const generations = () =>
      this.log.filter(({ message }) => message === 'generation in force').length;
    const before = generations();
    change();
    await until(timeoutMs, () => generations() > before);
    await this.synced(1, timeoutMs);
  }

  /** Ends everything and removes the directory. */
  async stop(): Promise<void> {
    await Promise.all(this.#sidecars.map((sidecar) => sidecar.stop()));
    await this.server?.stop();
    for (const server of this.#backends) server.closeAllConnections();
    await Promise.all(this.#backends.map((s) => new Promise((resolve) => s.close(resolve))));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A machine that runs other things besides may take so many times as long as what a test names. */
const patience = 3;

/** Polls until `done` is true; throws when it was not so for long: a test that waits is not one of speed. */
export async function until(
  timeoutMs: number,
  done: () => boolean | Promise<boolean>,
): Promise<void> {
  const limit = timeoutMs * patience;
  const deadline = performance.now() + limit;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`not so within ${limit} ms: ${done}`);
    await sleep(3);
  }
}
