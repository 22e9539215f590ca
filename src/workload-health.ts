// How workloads that register themselves are, as their Envoys find by the probe of their WorkloadGroup (HDS): what each
// Envoy is told to check, and what its reports come to. What that does to the mesh is mesh/workload-group.ts; how long it
// is remembered is registrations.ts. No sockets; time is given.
import { encode } from './envoy/codec.js';
import { prefixKey } from './lib/ip.js';
import type { Probe } from './mesh/probe.js';
import type { Proxy } from './mesh/proxy.js';
import type { Health } from './mesh/workload-group.js';
import { healthCheckSpecifier, PROBE_REPORT_MS } from './translate/health-check.js';
import { PROBE_CLUSTER } from './translate/names.js';
import type { CheckedEndpoint, HealthStatus } from './xds/server.js';

/** What is known of a workload otherwise. */
export interface KnownWorkload {
  /** When its sidecar came, in epoch ms. */
  joinedMs: number;
  health?: Health;
}

/** What the health of workloads needs of the control plane. */
export interface HealthOwner {
  /** The probe that the sidecar's Envoy is to run now. */
  probeOf(proxy: Proxy): Probe | undefined;
  /** A sidecar that has come; undefined before, and when it is gone. */
  known(proxy: Proxy): KnownWorkload | undefined;
  /** Whether others are told of the workload now. */
  isServed(proxy: Proxy): boolean;
  tell(proxy: Proxy, healthy: boolean, message: string): void;
  now(): number;
  /** Runs a job later; the function given takes it back. */
  later(ms: number, job: () => void): () => void;
  /** Before this, in epoch ms, nobody is taken for new: the control plane has just started, and they come back. */
  newcomersFromMs: number;
}

/** The Envoy of one workload. */
export interface Checker {
  /** Tells it what to check: an encoded HealthCheckSpecifier. */
  send(specifier: Buffer): void;
}

const SPECIFIER = 'envoy.service.health.v3.HealthCheckSpecifier';

interface Checking {
  checker: Checker;
  proxy: Proxy;
  probe: Probe | undefined;
  /** When Envoy was told of the probe; undefined while that has to wait. */
  sentMs?: number;
  endWait?: () => void;
  /** What it found last. */
  status?: HealthStatus;
}

/** The longest time of a timer, in ms. */
const waitMsMax = 2 ** 31 - 1;

/** All Envoys that run probes. Of two with one node id the one that came last counts. */
export class WorkloadHealth {
  readonly #owner: HealthOwner;
  /** By node id, in the order in which they came. */
  readonly #byId = new Map<string, Checking[]>();

  constructor(owner: HealthOwner) {
    this.#owner = owner;
  }

  /** An Envoy is there. */
  open(checker: Checker, proxy: Proxy): void {
    const checking: Checking = { checker, proxy, probe: undefined };
    const others = this.#byId.get(proxy.id);
    if (others === undefined) this.#byId.set(proxy.id, [checking]);
    else others.push(checking);
    this.#give(checking, this.#owner.probeOf(proxy));
  }

  /** Its stream has ended; what it said last stays. */
  close(checker: Checker, { id }: Proxy): void {
    const all = this.#byId.get(id) ?? [];
    const at = all.findIndex((checking) => checking.checker === checker);
    if (at < 0) return;
    all[at]?.endWait?.();
    all.splice(at, 1);
    if (all.length === 0) this.#byId.delete(id);
  }

  /** What it found. Endpoints that it was not asked about say nothing. */
  report(checker: Checker, { id }: Proxy, endpoints: readonly CheckedEndpoint[]): void {
    const checking = this.#byId.get(id)?.find((each) => each.checker === checker);
    const probe = checking?.probe;
    if (checking === undefined || probe === undefined) return;
    const found = endpoints.find(
      ({ cluster, address, port }) =>
        cluster === PROBE_CLUSTER && port === probe.port && sameAddress(address, probe.address),
    );
    // Before it took in what it was told last, it tells of what it checked until then.
    if (found === undefined) return;
    checking.status = found.status;
    this.#judge(checking, probe);
  }

  /** A sidecar has come, and may have been checked before that. */
  renew({ id }: Proxy): void {
    const checking = this.#current(id);
    if (checking?.probe !== undefined) this.#judge(checking, checking.probe);
  }

  /** Groups may have changed: everybody is told of the probe that there is now. */
  update(): void {
    for (const all of this.#byId.values()) {
      for (const checking of all) {
        const probe = this.#owner.probeOf(checking.proxy);
        if (sameProbe(probe, checking.probe)) continue;
        const { proxy } = checking;
        // A probe more must not take away those that serve already, before there is a first result.
        const serves = checking.probe === undefined && this.#owner.isServed(proxy);
        if (serves && probe !== undefined) this.#owner.tell(proxy, true, '');
        this.#give(checking, probe);
      }
    }
  }

  /** Ends all waiting. */
  stop(): void {
    for (const all of this.#byId.values()) for (const { endWait } of all) endWait?.();
    this.#byId.clear();
  }

  #current(id: string): Checking | undefined {
    return this.#byId.get(id)?.at(-1);
  }

  #give(checking: Checking, probe: Probe | undefined): void {
    checking.endWait?.();
    checking.probe = probe;
    delete checking.endWait;
    delete checking.sentMs;
    delete checking.status;
    const waitMs = probe === undefined ? 0 : this.#waitMs(checking.proxy, probe);
    const send = () => {
      delete checking.endWait;
      checking.sentMs = this.#owner.now();
      checking.checker.send(encode(SPECIFIER, healthCheckSpecifier(probe)));
    };
    if (waitMs <= 0) send();
    else checking.endWait = this.#owner.later(Math.min(waitMs, waitMsMax), send);
  }

  /** How long a new workload is left alone (initialDelaySeconds); one of which something is known is not new. */
  #waitMs(proxy: Proxy, { initialDelayS }: Probe): number {
    const now = this.#owner.now();
    const known = this.#owner.known(proxy);
    if (known?.health !== undefined || now < this.#owner.newcomersFromMs) return 0;
    return (known?.joinedMs ?? now) + initialDelayS * 1000 - now;
  }

  #judge(checking: Checking, probe: Probe): void {
    const { proxy, status, sentMs } = checking;
    if (status === undefined || sentMs === undefined || checking !== this.#current(proxy.id))
      return;
    if (status === 'HEALTHY') this.#owner.tell(proxy, true, '');
    // Envoy calls an address that it has not asked yet unhealthy, too.
    else if (this.#owner.now() - sentMs >= firstResultMs(probe)) {
      this.#owner.tell(proxy, false, failureOf(status, probe));
    }
  }
}

/** After this, what Envoy says is what it found: as many failures as the threshold asks for, and a report. */
function firstResultMs({ timeoutS, periodS, failureThreshold }: Probe): number {
  return ((failureThreshold - 1) * periodS + timeoutS) * 1000 + PROBE_REPORT_MS;
}

const asked = {
  tcp: ['tcpSocket', 'no connection'],
  http: ['httpGet', 'no connection, or no status from 200 to 399'],
  grpc: ['grpc', 'no connection, or not SERVING'],
} as const;

/** Envoy tells no more than the status. */
function failureOf(status: HealthStatus, { method, address, port, timeoutS }: Probe): string {
  const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const [what, why] = asked[method.kind];
  return `${what} ${at}: ${status === 'TIMEOUT' ? `no answer within ${timeoutS} s` : why}`;
}

/** Envoy spells an IPv6 address in its own way. */
function sameAddress(a: string, b: string): boolean {
  return a === b || (b.includes(':') && prefixKey(a) === prefixKey(b));
}

function sameProbe(a: Probe | undefined, b: Probe | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
