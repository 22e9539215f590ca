// The demo's built-in load and what comes of it: a few requests a second to the frontend, counted
// by the backend version that answered. Rendering is in live-line.ts.
import { Agent, request } from 'node:http';

/** One finished request: which version answered, or undefined for a failure. */
export interface Outcome {
  atMs: number;
  version?: string;
  status: number;
}

/** The share of each version and of failures within the last moments. */
export interface Split {
  /** How long those moments are: the window, or less at the beginning. */
  windowMs: number;
  total: number;
  byVersion: ReadonlyMap<string, number>;
  errors: number;
}

const requestTimeoutMs = 20_000;
// A slow backend (a delay fault) must not pile requests up without bound.
const inFlightMax = 50;

/** Asks the frontend once. Never rejects: a failure is an outcome. */
export function askFrontend(port: number, options: { agent?: Agent } = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const end = (status: number, version?: string) =>
      resolve({ atMs: performance.now(), status, ...(version === undefined ? {} : { version }) });
    const call = request(
      { host: '127.0.0.1', port, path: '/', timeout: requestTimeoutMs, ...options },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', () => end(0));
        response.on('end', () => end(response.statusCode ?? 0, versionIn(body)));
      },
    );
    call.on('timeout', () => call.destroy());
    call.on('error', () => end(0));
    call.end();
  });
}

function versionIn(body: string): string | undefined {
  try {
    const { backend } = JSON.parse(body) as { backend?: { version?: unknown } };
    return typeof backend?.version === 'string' ? backend.version : undefined;
  } catch {
    return undefined;
  }
}

/** Steady load until `stop()`. */
export class Load {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #windowMs: number;
  #recent: Outcome[] = [];
  #inFlight = 0;
  #stopped = false;
  readonly #startedAtMs = performance.now();

  constructor(port: number, options: { requestsPerSecond: number; windowMs: number }) {
    this.#windowMs = options.windowMs;
    if (options.requestsPerSecond <= 0) return;
    this.#timer = setInterval(() => void this.#ask(port), 1000 / options.requestsPerSecond);
  }

  /** What happened within the window that ends now. */
  split(): Split {
    const since = performance.now() - this.#windowMs;
    this.#recent = this.#recent.filter((outcome) => outcome.atMs >= since);
    const byVersion = new Map<string, number>();
    let errors = 0;
    for (const { status, version } of this.#recent) {
      if (status !== 200 || version === undefined) errors += 1;
      else byVersion.set(version, (byVersion.get(version) ?? 0) + 1);
    }
    const windowMs = Math.min(this.#windowMs, performance.now() - this.#startedAtMs);
    return { windowMs, total: this.#recent.length, byVersion, errors };
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#agent.destroy();
  }

  async #ask(port: number): Promise<void> {
    if (this.#inFlight >= inFlightMax) return;
    this.#inFlight += 1;
    const outcome = await askFrontend(port, { agent: this.#agent });
    this.#inFlight -= 1;
    if (!this.#stopped) this.#recent.push(outcome);
  }
}
