// Steady load of HTTP requests and TCP connections through one sidecar, to whatever may be called at the moment. Each
// answer is judged by all that was allowed while the request was under way.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Edited, hostOf, users } from './edited-world.js';
import type { Fleet } from './fleet.js';
import { exchange } from './tcp-client.js';

/** What may be called now and who may answer; one for all loads, changed by the test. */
export class Expected {
  targets = new Map<string, Edited>();
  /** Requests under way, by target. */
  readonly underWay = new Map<string, number>();
  readonly #epochs: ReadonlyMap<string, ReadonlySet<string>>[] = [];

  get epoch(): number {
    return this.#epochs.length - 1;
  }

  /** From now on these answers are right. */
  begin(answers: ReadonlyMap<string, ReadonlySet<string>>): void {
    this.#epochs.push(answers);
  }

  /** Whether `name` may have answered `key` at some time since the epoch `since`. */
  permits(key: string, name: string, since: number): boolean {
    return this.#epochs.slice(since).some((answers) => answers.get(key)?.has(name));
  }

  permitted(key: string): string {
    return [...(this.#epochs.at(-1)?.get(key) ?? [])].join(',');
  }
}

export interface MixedLoad {
  requests(): number;
  /** What went wrong so far, oldest first. */
  readonly failures: string[];
  stop(): Promise<void>;
}

/** About 80 requests a second for each worker; every 16th is a TCP connection, every 8th a new HTTP connection. */
export function startMixedLoad(
  fleet: Fleet,
  via: string,
  { expected, workers = 4 }: { expected: Expected; workers?: number },
): MixedLoad {
  const failures: string[] = [];
  let requests = 0;
  let stopped = false;
  const one = async (count: number): Promise<void> => {
    const all = [...expected.targets].filter(([, { kind }]) => (kind === 'tcp') === !(count % 16));
    const found = all[count % all.length];
    if (found === undefined) return;
    const [target, service] = found;
    const user = users[(count >> 3) % users.length]!;
    const key = `${target}/${user}`;
    const since = expected.epoch;
    const { port } = service;
    expected.underWay.set(target, (expected.underWay.get(target) ?? 0) + 1);
    const at = new Date().toISOString();
    let said: string;
    if (service.kind === 'tcp') {
      const { text, end } = await exchange({ host: via, port }, 'x');
      const name = text.replace(':x', '');
      said = expected.permits(key, name, since) ? '' : `tcp: '${text}' ${end}`;
    } else {
      const options = { via, port, fresh: count % 8 === 0, headers: { 'x-user': user } };
      said = await fleet.ask(hostOf(service), options).then(
        ({ status, name, headers }) =>
          status === 200 && expected.permits(key, name, since)
            ? ''
            : `${status} '${name}' ${JSON.stringify(headers)}`,
        (error: Error) => error.message,
      );
    }
    expected.underWay.set(target, expected.underWay.get(target)! - 1);
    requests++;
    if (said !== '') {
      failures.push(`${at} ${via} ${key}: ${said}; right: ${expected.permitted(key)}`);
    }
  };
  const worker = async (first: number): Promise<void> => {
    for (let count = first; !stopped; count += 1) {
      const next = performance.now() + 12;
      await one(count);
      await sleep(Math.max(1, next - performance.now()));
    }
  };
  const running = Array.from({ length: workers }, (_, i) => worker(i * 5));
  return {
    requests: () => requests,
    failures,
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}
