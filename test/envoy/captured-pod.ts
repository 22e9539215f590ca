// One workload whose traffic is really intercepted, for tests (root only): a network namespace with iptables rules and
// an Envoy, joined by a cable to a second namespace that is the world outside. The host's own network is never touched.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBootstrap } from '../../src/cli/bootstrap.js';
import { interceptionRouting, interceptionRules, sidecarUid } from '../../src/cli/interception.js';
import { findEnvoy } from './envoy-process.js';

const MARK = 1337;

/** What a script in a namespace printed as JSON. */
export type Printed = unknown;

export class CapturedPod {
  /** The workload's own address, and one of the world outside. */
  readonly ip: string;
  readonly outsideIp: string;
  readonly #pod = `flt-pod-${process.pid}`;
  readonly #world = `flt-out-${process.pid}`;
  readonly #dir = mkdtempSync(join(tmpdir(), 'fairlead-pod-'));
  readonly #children: ChildProcess[] = [];
  #log = '';
  #nameServer: string | undefined;
  readonly #tproxy: boolean;
  readonly #family: 'ipv4' | 'ipv6';

  /** With TPROXY the workload sees the addresses of its callers. All addresses are of one family. */
  constructor({ tproxy = false, family = 'ipv4' as 'ipv4' | 'ipv6' } = {}) {
    this.#tproxy = tproxy;
    this.#family = family;
    const net = family === 'ipv6' ? 'fd77:1::' : '10.77.1.';
    this.ip = `${net}2`;
    this.outsideIp = `${net}1`;
  }

  /**
   * Makes namespaces, cable and rules. `addresses` are further ones of the world outside; one of them may be the name
   * server of the workload, whose queries are then captured.
   */
  setUp(addresses: readonly string[] = [], nameServer?: string): void {
    this.#nameServer = nameServer;
    if (nameServer !== undefined) writeFileSync(this.#resolvConf, `nameserver ${nameServer}\n`);
    if (this.#asUser) chmodSync(this.#dir, 0o777);
    const [pod, world] = [this.#pod, this.#world];
    const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
    for (const name of [pod, world]) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('-n', pod, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', world);
    const addAddress = (name: string, address: string) => {
      const six = this.#family === 'ipv6';
      const words = six ? [`${address}/64`, 'nodad'] : [`${address}/24`];
      ip('-n', name, 'addr', 'add', ...words, 'dev', 'eth0');
    };
    addAddress(pod, this.ip);
    for (const address of [this.outsideIp, ...addresses]) addAddress(world, address);
    for (const name of [pod, world]) ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', pod, 'route', 'add', 'default', 'via', this.outsideIp);
    // Envoy's own queries have no mark.
    const rules = interceptionRules({
      family: this.#family,
      ...(this.#tproxy && { mode: 'TPROXY' }),
      ...(nameServer === undefined && !this.#tproxy
        ? { bypass: { by: 'mark', mark: MARK } }
        : {
            bypass: { by: 'uid', uid: sidecarUid },
            ...(nameServer !== undefined && { dns: { servers: [nameServer] } }),
          }),
    });
    const input = interceptionRouting({
      family: this.#family,
      ...(this.#tproxy && { mode: 'TPROXY' }),
    });
    const argvOfIp = [...(this.#family === 'ipv6' ? ['-6'] : []), '-n', pod, '-batch', '-'];
    execFileSync('ip', argvOfIp, { input, stdio: 'pipe' });
    const restore = this.#family === 'ipv6' ? 'ip6tables-restore' : 'iptables-restore';
    const argv = ['netns', 'exec', pod, restore, '--noflush'];
    execFileSync('ip', argv, { input: rules, stdio: 'pipe' });
  }

  /** Names that the workload and its sidecar find at `outsideIp`: a /etc/hosts of the namespace. */
  knowHosts(...hosts: string[]): void {
    mkdirSync(this.#etc, { recursive: true });
    const lines = ['127.0.0.1 localhost', `${this.outsideIp} ${hosts.join(' ')}`, ''];
    writeFileSync(join(this.#etc, 'hosts'), lines.join('\n'));
  }

  /** Starts the sidecar, with its xDS on a unix socket, which crosses namespaces; it may register itself in a group. */
  async startSidecar(
    xds: string,
    labels: Record<string, string>,
    workloadGroup?: string,
  ): Promise<void> {
    const bootstrap = buildBootstrap({
      type: 'sidecar',
      name: 'pod',
      ips: [this.ip],
      labels,
      xds,
      ...(workloadGroup !== undefined && { workloadGroup }),
      ...(this.#asUser ? {} : { mark: MARK }),
      ...(this.#nameServer !== undefined && { dnsCapture: true }),
      ...(this.#tproxy && { interceptionMode: 'TPROXY' as const }),
      admin: `unix:${this.#admin}`,
      metricsPort: 0,
      healthPort: 0,
    });
    const flags = ['--disable-hot-restart', '--concurrency', '1', '-l', 'warn'];
    const argv = [findEnvoy(), '--config-yaml', JSON.stringify(bootstrap), ...flags];
    const caps = this.#tproxy ? ['--inh-caps=+net_admin', '--ambient-caps=+net_admin'] : [];
    const ids = [`--reuid=${sidecarUid}`, `--regid=${sidecarUid}`, '--clear-groups'];
    const asUser = ['setpriv', ...ids, ...caps];
    const child = this.#spawn(this.#pod, this.#asUser ? [...asUser, ...argv] : argv);
    child.stderr?.on('data', (chunk) => {
      this.#log = (this.#log + chunk).slice(-100_000);
    });
    const deadline = Date.now() + 15_000;
    for (;;) {
      const ready = await this.admin('/ready').catch((error: Error) => error.message);
      if (ready.trim() === 'LIVE') return;
      if (Date.now() > deadline || child.exitCode !== null) {
        throw new Error(`the sidecar is not ready (${ready.trim()}):\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The body of `GET path` of Envoy's admin. */
  admin(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#admin, path, agent: false, timeout: 5_000 };
      const sent = request(options, (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve(body));
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer in 5 s')));
      sent.on('error', reject);
      sent.end();
    });
  }

  /** The sum of the counters or gauges whose names match. */
  async stat(pattern: string): Promise<number> {
    const text = await this.admin(`/stats?filter=${encodeURIComponent(pattern)}`);
    return [...text.matchAll(/: (\d+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Runs an ES module to its end and gives what it printed, parsed. */
  run(where: 'pod' | 'world', script: string): Promise<Printed> {
    const child = this.#spawn(where === 'pod' ? this.#pod : this.#world, nodeCommand(script));
    return new Promise((resolve, reject) => {
      let text = '';
      let errors = '';
      child.stdout?.on('data', (chunk) => {
        text += chunk;
      });
      child.stderr?.on('data', (chunk) => {
        errors += chunk;
      });
      child.on('close', () => {
        if (text === '') reject(new Error(`nothing printed:\n${errors}`));
        else resolve(JSON.parse(text));
      });
      setTimeout(() => child.kill('SIGKILL'), 30_000).unref();
    });
  }

  /** Starts an ES module that serves, and waits until it prints `ready`. */
  serve(where: 'pod' | 'world', script: string): Promise<void> {
    const child = this.#spawn(where === 'pod' ? this.#pod : this.#world, nodeCommand(script));
    return new Promise((resolve, reject) => {
      child.stdout?.on('data', (chunk) => {
        if (String(chunk).includes('ready')) resolve();
      });
      let errors = '';
      child.stderr?.on('data', (chunk) => {
        errors += chunk;
      });
      child.on('close', () => reject(new Error(`the server ended:\n${errors}`)));
    });
  }

  /** Ends every process started here and removes the namespaces. */
  async stop(): Promise<void> {
    const ended = this.#children.map(
      (child) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve();
          else child.once('exit', () => resolve());
        }),
    );
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ended);
    for (const name of [this.#pod, this.#world]) {
      execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' });
    }
    rmSync(this.#dir, { recursive: true, force: true });
    rmSync(this.#etc, { recursive: true, force: true });
  }

  /** `ip netns exec` mounts what is there over /etc. */
  get #etc(): string {
    return `/etc/netns/${this.#pod}`;
  }

  /** Told from its workload by the user, not by a mark. */
  get #asUser(): boolean {
    return this.#tproxy || this.#nameServer !== undefined;
  }

  get #admin(): string {
    return join(this.#dir, 'admin.sock');
  }

  get #resolvConf(): string {
    return join(this.#dir, 'resolv.conf');
  }

  #spawn(namespace: string, argv: readonly string[]): ChildProcess {
    // `ip netns exec` becomes the command itself, so the child's id is the one to end. Its mounts are its own.
    const mount = `mount --bind ${this.#resolvConf} /etc/resolv.conf && exec "$@"`;
    const before = this.#nameServer === undefined ? [] : ['sh', '-c', mount, 'sh'];
    const child = spawn('ip', ['netns', 'exec', namespace, ...before, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return child;
  }
}

function nodeCommand(script: string): string[] {
  return [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
}
