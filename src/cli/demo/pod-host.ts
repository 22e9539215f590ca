// Pods without Docker: network namespaces with real iptables interception, for the demo and for
// tests. One child process (pod-host-inside.ts) lives in private network, mount and process
// namespaces and makes the pods there, so the machine's own network is never touched and everything
// is gone when it ends. Which mode to take is decided in choose-mode.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ControlPlaneError } from '../../lib/error.js';
import { type Bypass, interceptionRules, sidecarUid } from '../interception.js';
import { type PodMessage, type PodRequest, type RulesText, readJsonLines } from './pod-protocol.js';

/**
 * `netns`: root, user ids as they are. `userns`: an ordinary user in a user namespace, where only
 * one id is mapped.
 */
export type NamespaceMode = 'netns' | 'userns';

export interface PodHostOptions {
  mode: NamespaceMode;
  /** The bridge's addresses, the pods' gateways: `10.0.0.1/24`. At most one per family. */
  addresses: readonly string[];
  /** The Envoy that pods run; made reachable for the sidecar's user. */
  envoyPath: string;
}

/** One workload's namespaces. */
export interface PodSpec {
  name: string;
  /** With prefix length: `10.0.0.5/24`. */
  addresses: readonly string[];
  /** Lines added to its /etc/hosts. */
  hosts?: readonly { address: string; names: readonly string[] }[];
  /** False: no interception rules. */
  intercept?: boolean;
  excludeOutboundPorts?: readonly number[];
}

export interface ProcessSpec {
  pod: string;
  /** Names the process and its log file, unique within the pod. */
  name: string;
  argv: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** True: runs as the sidecar's user (netns mode), so that its traffic bypasses the rules. */
  asSidecar?: boolean;
}

/** A process in a pod. */
export interface PodProcess {
  logFile: string;
  /** Settles when the process has ended. */
  exited: Promise<{ code: number | null; signal: string | null }>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

const toolPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`;
const startTimeoutMs = 10_000;
const stopTimeoutMs = 2_000;
const prefix = 'fairlead-pods-';

/** Makes and runs pods until `stop()`. Start one with `PodHost.start`. */
export class PodHost {
  readonly mode: NamespaceMode;
  /**
   * A folder of this run; visible inside pods at the same path. Unix sockets in it cross the
   * namespaces.
   */
  readonly dir: string;
  /** Where pods find Envoy. */
  readonly envoyPath: string;
  /** How the sidecar's own traffic is told apart; a mark must be set by its bootstrap. */
  readonly bypass: Bypass;
  readonly #child: ChildProcess;
  readonly #gateways: readonly string[];
  readonly #waiting = new Map<number, (message: { value?: unknown; error?: string }) => void>();
  readonly #exits = new Map<
    string,
    (end: { code: number | null; signal: string | null }) => void
  >();
  readonly #ended: Promise<string>;
  #nextId = 1;
  #nextKey = 1;

  private constructor(options: PodHostOptions, dir: string) {
    this.mode = options.mode;
    this.dir = dir;
    this.envoyPath = join(dir, 'envoy');
    this.bypass =
      options.mode === 'netns' ? { by: 'uid', uid: sidecarUid } : { by: 'mark', mark: sidecarUid };
    this.#gateways = options.addresses.map((address) => address.split('/')[0]!);
    this.#child = spawn('unshare', unshareArgs(options.mode, dir), {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C in a terminal reaches the launcher alone, which ends this in
      // order.
      detached: true,
      env: { ...process.env, PATH: toolPath, XTABLES_LOCKFILE: join(dir, 'xtables.lock') },
    });
    this.#child.stdin!.on('error', () => {});
    readJsonLines<PodMessage>(this.#child.stdout!, (message) => this.#take(message));
    this.#ended = this.#watchEnd();
  }

  /**
   * Starts the namespaces and tries the rules once. Throws ControlPlaneError
   * `namespaces-not-possible` with the system's own words when this machine does not allow it;
   * nothing is left then.
   */
  static async start(options: PodHostOptions): Promise<PodHost> {
    const dir = mkdtempSync(join(reachableTmpdir(), prefix));
    // The sidecar's user must pass through.
    chmodSync(dir, 0o711);
    const host = new PodHost(options, dir);
    try {
      writeFileSync(host.envoyPath, '');
      chmodSync(host.envoyPath, 0o755);
      await host.#request({
        op: 'network',
        addresses: options.addresses,
        probeRules: host.#rules(options.addresses, {}),
        binds: [{ source: options.envoyPath, target: host.envoyPath }],
      });
      return host;
    } catch (error) {
      await host.stop();
      const message = `${options.mode}: ${error instanceof Error ? error.message : String(error)}`;
      throw new ControlPlaneError('namespaces-not-possible', message, { cause: error });
    }
  }

  /** The folder of one pod: its sidecar may write there (admin socket, logs). */
  podDir(pod: string): string {
    return join(this.dir, pod);
  }

  async addPod(spec: PodSpec): Promise<void> {
    const dir = this.podDir(spec.name);
    mkdirSync(dir);
    const hostsFile = join(this.dir, `${spec.name}.hosts`);
    writeFileSync(hostsFile, hostsText(spec));
    await this.#request({
      op: 'add-pod',
      name: spec.name,
      addresses: spec.addresses,
      gateways: this.#gateways,
      hostsFile,
      proxyDir: dir,
      ...(this.bypass.by === 'uid' ? { proxyUid: this.bypass.uid } : {}),
      rules: spec.intercept === false ? {} : this.#rules(spec.addresses, spec),
    });
  }

  async run(spec: ProcessSpec): Promise<PodProcess> {
    const key = `${spec.pod}/${spec.name}#${this.#nextKey}`;
    this.#nextKey += 1;
    const logFile = join(this.dir, `${spec.pod}.${spec.name}.log`);
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.#exits.set(key, resolve);
    });
    await this.#request({
      op: 'spawn',
      pod: spec.pod,
      key,
      argv: spec.argv,
      env: { PATH: toolPath, HOME: '/', ...spec.env },
      ...(spec.asSidecar && this.bypass.by === 'uid' ? { uid: this.bypass.uid } : {}),
      logFile,
    });
    const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
      await this.#request({ op: 'signal', key, signal });
    };
    return { logFile, exited, kill };
  }

  /**
   * Opens a unix socket on the machine whose connections arrive at an address in the pods' network,
   * from outside a pod.
   */
  async forward(name: string, host: string, port: number): Promise<string> {
    const socket = join(this.dir, `${name}.sock`);
    await this.#request({ op: 'forward', socket, host, port });
    return socket;
  }

  /** The last lines that a process wrote, for messages about it. */
  static tail(process: PodProcess, lineCountMax = 10): string {
    return readFileSync(process.logFile, 'utf8').trim().split('\n').slice(-lineCountMax).join('\n');
  }

  /** Ends every process, namespace and mount, and removes the folder. May be called twice. */
  async stop(): Promise<void> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    await this.#ended;
    clearTimeout(timer);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  #rules(addresses: readonly string[], spec: Pick<PodSpec, 'excludeOutboundPorts'>): RulesText {
    const text = (family: 'ipv4' | 'ipv6') =>
      interceptionRules({
        family,
        bypass: this.bypass,
        ...(spec.excludeOutboundPorts ? { excludeOutboundPorts: spec.excludeOutboundPorts } : {}),
      });
    const v4 = addresses.some((address) => isIPv4(address.split('/')[0]!));
    const v6 = addresses.some((address) => !isIPv4(address.split('/')[0]!));
    return { ...(v4 ? { ipv4: text('ipv4') } : {}), ...(v6 ? { ipv6: text('ipv6') } : {}) };
  }

  #request(request: PodRequest): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${request.op}: no answer within ${startTimeoutMs} ms`));
      }, startTimeoutMs);
      this.#waiting.set(id, ({ value, error }) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      this.#child.stdin!.write(`${JSON.stringify({ ...request, id })}\n`);
    });
  }

  #take(message: PodMessage): void {
    if ('exited' in message) {
      this.#exits.get(message.exited)?.({ code: message.code, signal: message.signal });
      this.#exits.delete(message.exited);
    } else this.#waiting.get(message.id)?.(message);
  }

  async #watchEnd(): Promise<string> {
    let stderr = '';
    this.#child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-4000);
    });
    const end = await new Promise<string>((resolve) => {
      this.#child.on('error', (error) => resolve(`unshare: ${error.message}`));
      this.#child.on('close', (code) => resolve(`unshare ended (exit ${code}): ${stderr.trim()}`));
    });
    for (const settle of this.#waiting.values()) settle({ error: end });
    for (const settle of this.#exits.values()) settle({ code: null, signal: 'SIGKILL' });
    this.#exits.clear();
    return end;
  }
}

// Unix sockets have short paths (108 bytes), and the sidecar's user must be able to get to them.
const tmpdirLengthMax = 50;
const searchableByAll = 0o001;

function reachableTmpdir(): string {
  const wanted = resolve(tmpdir());
  let reachable = wanted.length <= tmpdirLengthMax;
  for (let dir = wanted; reachable && dir !== '/'; dir = dirname(dir)) {
    reachable = (statSync(dir).mode & searchableByAll) !== 0;
  }
  return reachable ? wanted : '/tmp';
}

function unshareArgs(mode: NamespaceMode, dir: string): string[] {
  const inside = fileURLToPath(import.meta.url).replace(/pod-host(\.[jt]s)$/, 'pod-host-inside$1');
  const loader = extname(inside) === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  return [
    ...(mode === 'userns' ? ['--user', '--map-root-user'] : []),
    ...['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
    ...['--mount-proc', '--', process.execPath, ...loader, inside, dir],
  ];
}

function hostsText(spec: PodSpec): string {
  const entries = (spec.hosts ?? []).map(({ address, names }) => `${address} ${names.join(' ')}`);
  const own = `${spec.addresses[0]!.split('/')[0]} ${spec.name}`;
  return ['127.0.0.1 localhost', '::1 localhost', own, ...entries, ''].join('\n');
}
