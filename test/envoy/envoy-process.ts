// A real Envoy for tests: finds the binary, starts it with a bootstrap object in a temporary directory, waits until
// it is ready, reads its admin interface, and stops it. No traffic and no expectations here.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { envoyVersion, oldestEnvoyVersion } from '../../src/cli/envoy-binary.js';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** The releases that the tests of the protocol run against: the newest, or what ENVOY_BIN is, and the oldest. */
export const testedVersions: readonly (string | undefined)[] = [undefined, oldestEnvoyVersion];

/**
 * The path of an Envoy binary of this release (`node scripts/ensure-envoy.mjs --version X`), or of any: ENVOY_BIN, then `envoy` on PATH, then the project's cache, which
 * scripts/ensure-envoy.mjs fills.
 * Throws, with the way to get one, when there is none.
 */
export function findEnvoy(version?: string): string {
  const cached = (release: string) => join(project, '.cache/envoy', release, 'envoy');
  if (version !== undefined) {
    if (existsSync(cached(version))) return cached(version);
    throw new Error(`no Envoy ${version}: node scripts/ensure-envoy.mjs --version ${version}`);
  }
  const fromEnv = process.env['ENVOY_BIN'];
  if (fromEnv) {
    if (existsSync(fromEnv)) return fromEnv;
    throw new Error(`ENVOY_BIN is ${fromEnv}, which does not exist`);
  }
  const places = [
    ...(process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'envoy')),
    cached(envoyVersion),
  ];
  const found = places.find((path) => existsSync(path));
  if (found) return found;
  throw new Error(
    'no Envoy binary: set ENVOY_BIN, or get one with `node scripts/ensure-envoy.mjs`',
  );
}

/** A running Envoy. All times in milliseconds. */
export interface EnvoyProcess {
  readonly pid: number;
  /** Port of the admin interface on 127.0.0.1. */
  readonly adminPort: number;
  /** The log so far (standard error). */
  log(): string;
  /** The body of `GET path` of the admin interface; throws on any status but 200 unless `anyStatus`. */
  admin(path: string, options?: { method?: string; anyStatus?: boolean }): Promise<string>;
  /** The same, parsed as JSON. */
  adminJson(path: string): Promise<unknown>;
  /** One counter or gauge by exact name, or 0 when it does not exist. */
  stat(name: string): Promise<number>;
  /** The bound port of a listener on 127.0.0.1 by its name, for listeners on port 0. */
  listenerPort(name: string): Promise<number>;
  /** Ends the process and removes its directory; safe to call twice. */
  stop(): Promise<void>;
}

/** How to start it. */
export interface EnvoyOptions {
  /** The bootstrap in ProtoJSON or proto field names. An `admin` on 127.0.0.1:0 is added when absent. */
  bootstrap: object;
  /** Wait for /ready to answer 200, or only for the admin interface. Default 'ready'. */
  waitFor?: 'ready' | 'admin';
  timeoutMs?: number;
  /** More command line arguments. */
  args?: readonly string[];
  /** A command that runs Envoy, for example `['ip', 'netns', 'exec', 'x']`; the admin is then out of reach from here. */
  prefix?: readonly string[];
  env?: Record<string, string>;
  /** A release; default: see findEnvoy. */
  version?: string | undefined;
}

/** Runs `envoy --mode validate` on a bootstrap; gives undefined, or what Envoy says against it. */
export function validateBootstrap(bootstrap: object, version?: string): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'fairlead-envoy-'));
  try {
    const file = join(dir, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap));
    execFileSync(
      findEnvoy(version),
      ['-c', file, '--mode', 'validate', '-l', 'error', '--disable-hot-restart'],
      { stdio: 'pipe', timeout: 60_000 },
    );
    return undefined;
  } catch (error) {
    const failed = error as { stdout?: Buffer; stderr?: Buffer; message: string };
    const text = `${failed.stdout ?? ''}${failed.stderr ?? ''}`;
    return text === '' ? failed.message : text;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Starts Envoy and waits for it. The caller must `stop()` it (in `t.teardown`). */
export async function startEnvoy(options: EnvoyOptions): Promise<EnvoyProcess> {
  const binary = findEnvoy(options.version);
  const dir = mkdtempSync(join(tmpdir(), 'fairlead-envoy-'));
  const config = join(dir, 'bootstrap.json');
  const addressFile = join(dir, 'admin-address');
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
  writeFileSync(config, JSON.stringify({ admin, ...options.bootstrap }));
  const argv = [
    ...(options.prefix ?? []),
    binary,
    ...['-c', config, '--admin-address-path', addressFile, '--disable-hot-restart'],
    ...['--concurrency', '1', '-l', 'warn', ...(options.args ?? [])],
  ];
  const child = spawn(argv[0]!, argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const envoy = new Running(child, dir, addressFile);
  try {
    await envoy.waitUntil(options.waitFor ?? 'ready', options.timeoutMs ?? 20_000);
  } catch (error) {
    await envoy.stop();
    throw error;
  }
  return envoy;
}

const killAtExit = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of killAtExit) child.kill('SIGKILL');
});

class Running implements EnvoyProcess {
  adminPort = 0;
  private text = '';
  private readonly ended: Promise<void>;

  constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
    private readonly addressFile: string,
  ) {
    killAtExit.add(child);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        this.text = (this.text + chunk).slice(-200_000);
      });
    }
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.text += `\n${error.message}`;
        resolve();
      });
      child.once('exit', () => resolve());
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  log(): string {
    return this.text;
  }

  async waitUntil(what: 'ready' | 'admin', timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let last = 'the admin interface did not come up';
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null || this.child.signalCode !== null || this.pid < 0) {
        throw new Error(`Envoy ended with ${this.child.exitCode}:\n${this.text}`);
      }
      if (this.adminPort === 0 && existsSync(this.addressFile)) {
        this.adminPort = Number(
          /:(\d+)\s*$/.exec(readFileSync(this.addressFile, 'utf8'))?.[1] ?? 0,
        );
      }
      if (this.adminPort > 0) {
        if (what === 'admin') return;
        last = await this.admin('/ready', { anyStatus: true }).catch((e: Error) => e.message);
        if (last.trim() === 'LIVE') return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`Envoy was not ready after ${timeoutMs} ms (${last.trim()}):\n${this.text}`);
  }

  admin(path: string, options: { method?: string; anyStatus?: boolean } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.adminPort,
          path,
          method: options.method ?? 'GET',
          agent: false,
          timeout: 10_000,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            body += chunk;
          });
          response.on('end', () => {
            if (response.statusCode === 200 || options.anyStatus) resolve(body);
            else reject(new Error(`admin ${path}: ${response.statusCode} ${body}`));
          });
          response.on('error', reject);
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`admin ${path}: no answer in 10 s`)));
      sent.on('error', reject);
      sent.end();
    });
  }

  async adminJson(path: string): Promise<unknown> {
    return JSON.parse(await this.admin(path));
  }

  async stat(name: string): Promise<number> {
    const exact = `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
    const text = await this.admin(`/stats?filter=${encodeURIComponent(exact)}`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  async listenerPort(name: string): Promise<number> {
    const listeners = (await this.adminJson('/listeners?format=json')) as {
      listener_statuses?: {
        name: string;
        local_address?: { socket_address?: { port_value?: number } };
      }[];
    };
    const found = listeners.listener_statuses?.find((status) => status.name === name);
    const port = found?.local_address?.socket_address?.port_value;
    if (port === undefined) throw new Error(`Envoy has no listener ${name}`);
    return port;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null && this.pid > 0) {
      this.child.kill('SIGTERM');
      const kill = setTimeout(() => this.child.kill('SIGKILL'), 3_000);
      await this.ended;
      clearTimeout(kill);
    }
    killAtExit.delete(this.child);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
