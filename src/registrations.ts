// Who is registered: the sidecars that name a WorkloadGroup and are connected, or were a moment ago. A sidecar that
// comes back within the grace time was never away, so that a stream that is renewed empties no endpoints. What a
// registration comes to is mesh/workload-group.ts. One who comes for the first time is not called before it says that it
// is ready, or has had the time for it. How somebody is who is probed (workload-health.ts) is remembered as long as they.
import type { Proxy } from './mesh/proxy.js';
import { type Health, type Registration, registeredName } from './mesh/workload-group.js';

/** A proxy, and what tells it from others: equal ones describe themselves alike. */
interface Comer {
  group: string;
  proxy: Proxy;
}

/** One who has come and does not count yet. */
interface Arrival extends Known {
  counts: () => void;
  timer: NodeJS.Timeout;
}

interface Known extends Comer {
  /** Epoch ms. */
  joinedMs: number;
  health?: Health;
}

interface Place extends Registration, Known {
  connected: boolean;
  /** Set while nobody is connected. */
  leaving?: NodeJS.Timeout;
}

/** How long a sidecar may be away, in ms; Istio's PILOT_WORKLOAD_ENTRY_GRACE_PERIOD. */
const REGISTRATION_GRACE_MS = 10_000;

/** More places than this are not kept for sidecars that are away; the bound for those that are there is xds'. */
const AWAY_MAX = 10_000;

/** How long somebody may take to get ready; some never say that they are. */
const ARRIVAL_MS = 2_000;

/** How long those that a memory knows may take to come back: Envoy tries at least every 30 s. */
export const RETURN_MS = 45_000;

/** Changes within this time are written together. */
const WRITE_MS = 200;

/** Outlives the process. */
export interface RegistrationMemory {
  read(): readonly Registration[];
  write(registrations: readonly Registration[]): void;
}

/** How registrations are kept. */
interface RegistrationOptions {
  graceMs?: number;
  memory?: RegistrationMemory;
  /** Equal for proxies that describe themselves alike. */
  groupOf(proxy: Proxy): string;
}

export class Registrations {
  readonly #graceMs: number;
  readonly #onChange: () => void;
  readonly #memory: RegistrationMemory | undefined;
  #writing: NodeJS.Timeout | undefined;
  readonly #places = new Map<string, Place>();
  readonly #arrivals = new Map<string, Arrival>();
  #list: readonly Registration[] | undefined = [];
  #away = 0;
  #closed = false;

  /** `onChange` is called when `list` gives something new. */
  constructor(onChange: () => void, options: RegistrationOptions) {
    this.#onChange = onChange;
    this.#graceMs = options.graceMs ?? REGISTRATION_GRACE_MS;
    this.#memory = options.memory;
    for (const registration of this.#memory?.read() ?? []) {
      const { proxy } = registration;
      const group = options.groupOf(proxy);
      const place = { ...registration, group, joinedMs: Date.now(), connected: false };
      this.#places.set(placeOf(proxy), place);
      this.#awaitReturn(placeOf(proxy), place, RETURN_MS);
      this.#list = undefined;
    }
  }

  /** Those registered now, in a stable order; the same array while nobody comes or goes. */
  list(): readonly Registration[] {
    this.#list ??= [...this.#places]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { proxy, verified, health }]) => ({ proxy, verified, ...(health && { health }) }));
    return this.#list;
  }

  /** A proxy has connected. Of two with one group and address the one that came last counts. */
  join(comer: Comer, verified: boolean): void {
    if (comer.proxy.workloadGroup === '') return;
    const key = placeOf(comer.proxy);
    this.#forgetArrival(key);
    if (this.#places.has(key)) {
      this.#count(key, comer, verified);
      return;
    }
    const counts = () => {
      const { health } = this.#arrivals.get(key) ?? {};
      this.#forgetArrival(key);
      this.#count(key, comer, verified, health);
    };
    const timer = setTimeout(counts, ARRIVAL_MS).unref();
    const { group, proxy } = comer;
    this.#arrivals.set(key, { group, proxy, joinedMs: Date.now(), counts, timer });
  }

  /** What is known of a proxy that has come, or is away for a moment. */
  known(proxy: Proxy): { joinedMs: number; health?: Health } | undefined {
    const found = this.#find(proxy);
    return found && { joinedMs: found.joinedMs, ...(found.health && { health: found.health }) };
  }

  /** How a workload is that has come; of others nothing is noted. `message`: why it is not well. */
  tell(proxy: Proxy, healthy: boolean, message: string): void {
    const found = this.#find(proxy);
    const before = found?.health;
    if (found === undefined) return;
    if (before?.healthy === healthy && before.message === message) return;
    const sinceMs = before?.healthy === healthy ? before.sinceMs : Date.now();
    found.health = { healthy, sinceMs, message };
    if ('connected' in found) this.#changed();
  }

  /** Another one at the same address is told of by itself only. */
  #find(proxy: Proxy): Place | Arrival | undefined {
    if (proxy.workloadGroup === '') return undefined;
    const key = placeOf(proxy);
    return [this.#arrivals.get(key), this.#places.get(key)].find(
      (found) => found?.proxy.id === proxy.id,
    );
  }

  /** Whether a proxy has come, and was not ready yet. */
  isArriving({ group, proxy }: Comer): boolean {
    return (
      this.#arrivals.size > 0 &&
      proxy.workloadGroup !== '' &&
      this.#arrivals.get(placeOf(proxy))?.group === group
    );
  }

  /** A proxy that came has what it serves with. */
  ready(comer: Comer): void {
    if (this.isArriving(comer)) this.#arrivals.get(placeOf(comer.proxy))?.counts();
  }

  #count(key: string, { group, proxy }: Comer, verified: boolean, told?: Health): void {
    const before = this.#places.get(key);
    this.#stay(before);
    if (before?.group === group && before.verified === verified) {
      before.connected = true;
      return;
    }
    const same = before?.proxy.id === proxy.id ? before : undefined;
    const health = told ?? same?.health;
    const joinedMs = same?.joinedMs ?? Date.now();
    const known = { joinedMs, ...(health && { health }) };
    this.#places.set(key, { group, proxy, verified, connected: true, ...known });
    this.#changed();
  }

  #forgetArrival(key: string): void {
    clearTimeout(this.#arrivals.get(key)?.timer);
    this.#arrivals.delete(key);
  }

  /** The last stream of a proxy has ended. */
  leave({ group, proxy }: Comer): void {
    if (proxy.workloadGroup === '' || this.#closed) return;
    const key = placeOf(proxy);
    if (this.isArriving({ group, proxy })) this.#forgetArrival(key);
    const place = this.#places.get(key);
    if (place?.group !== group || !place.connected) return;
    place.connected = false;
    if (this.#away >= AWAY_MAX) {
      this.#places.delete(key);
      this.#changed();
      return;
    }
    this.#awaitReturn(key, place, this.#graceMs);
  }

  /** Ends waiting for anybody; those who leave from now on stay in the memory. */
  close(): void {
    this.#closed = true;
    for (const key of this.#arrivals.keys()) this.#forgetArrival(key);
    for (const place of this.#places.values()) this.#stay(place);
    if (this.#writing === undefined) return;
    clearTimeout(this.#writing);
    this.#memory?.write(this.list());
  }

  #awaitReturn(key: string, place: Place, ms: number): void {
    this.#away++;
    place.leaving = setTimeout(() => {
      this.#away--;
      this.#places.delete(key);
      this.#changed();
    }, ms).unref();
  }

  #stay(place: Place | undefined): void {
    if (place?.leaving === undefined) return;
    clearTimeout(place.leaving);
    delete place.leaving;
    this.#away--;
  }

  #changed(): void {
    this.#list = undefined;
    this.#onChange();
    if (this.#memory === undefined) return;
    this.#writing ??= setTimeout(() => {
      this.#writing = undefined;
      this.#memory?.write(this.list());
    }, WRITE_MS).unref();
  }
}

/** One place for each entry; a proxy without an address has its own. */
function placeOf(proxy: Proxy): string {
  return `${proxy.namespace}/${registeredName(proxy) ?? `${proxy.workloadGroup} ${proxy.id}`}`;
}
