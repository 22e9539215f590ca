// Workloads and callers for behaviour tests: HTTP servers on loopback addresses of their own, all on one port, that say
// which of them answered on which connection, and a client that can name any Host and come from any address. Request
// headers steer the servers, so that tests share them. The mesh between the two is live-mesh.ts.
import { createServer, Agent as HttpAgent, type IncomingHttpHeaders, request } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import type { Server as NetServer, Socket } from 'node:net';
import { freePort } from '../free-port.js';

/** What a server says of itself, and how the answer came. */
export interface FleetAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The member that answered; empty for an answer of a proxy. */
  name: string;
  /** Number of the connection that the member got the request on; unique in the fleet. */
  connection: number;
  /** `1.1` or `2.0`, as the member was asked. */
  httpVersion: string;
  /** Path as the member saw it. */
  path: string;
  /** Headers as the member saw them, for requests with `x-echo`. */
  saw?: IncomingHttpHeaders;
  tookMs: number;
}

export interface AskOptions {
  path?: string;
  headers?: Record<string, string>;
  /** Loopback address to come from; the connection is then a new one. */
  from?: string;
  /** A new connection. */
  fresh?: boolean;
  /** Address or Unix socket of the sidecar; that of the first client (`fleet.at(1)`) when absent. */
  via?: string;
  /** Port of the sidecar; the fleet's when absent. */
  port?: number;
}

interface Incoming {
  method?: string;
  url?: string;
  headers: IncomingHttpHeaders;
  httpVersion: string;
  socket: object;
}

interface Outgoing {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(text: string): unknown;
}

export class Fleet {
  /** 127.x.y, different for each process. */
  readonly net = `127.${64 + ((process.pid >> 8) % 128)}.${process.pid & 255}`;
  /** The port of all members. */
  port = 0;
  readonly #members = new Map<string, string>();
  readonly #servers: NetServer[] = [];
  readonly #open = new Set<Socket>();
  readonly #connections = new WeakMap<object, number>();
  readonly #agent = new HttpAgent({ keepAlive: true });
  #connectionCount = 0;
  #held: (() => void)[] = [];

  /** Starts the members; those with a name that begins with `h2` speak HTTP/2 only, the others HTTP/1.1 only. */
  static async start(names: readonly string[]): Promise<Fleet> {
    const fleet = new Fleet();
    for (const name of names) await fleet.add(name, fleet.at(11 + fleet.#members.size));
    return fleet;
  }

  /** One more member at this address, or at this path of a unix socket; gives its port. */
  async add(name: string, address: string, port = this.port): Promise<number> {
    const handler = (incoming: Incoming, outgoing: Outgoing) =>
      this.#answer(name, incoming, outgoing);
    const server = name.startsWith('h2')
      ? createHttp2Server((incoming: Http2ServerRequest, outgoing) =>
          handler({ ...pick(incoming), socket: incoming.stream.session ?? {} }, outgoing),
        )
      : createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) =>
          handler(incoming, outgoing),
        );
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      socket.on('error', () => {});
    });
    server.on('sessionError', () => {});
    const where = address.startsWith('/') ? { path: address } : { host: address, port };
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, resolve);
    });
    const bound = server.address();
    const boundPort = bound !== null && typeof bound === 'object' ? bound.port : 0;
    if (this.port === 0) this.port = boundPort;
    this.#members.set(name, address);
    this.#servers.push(server);
    return boundPort;
  }

  /** The address `net.n`. Members are at 11 and up, sidecars at 1 and up, callers at 100 and up. */
  at(n: number): string {
    return `${this.net}.${n}`;
  }

  address(name: string): string {
    const found = this.#members.get(name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  /** A port that nobody has on any address of this fleet. */
  freePort(): Promise<number> {
    return freePort(this.at(250));
  }

  /** One request to a host of the mesh. */
  ask(host: string, options: AskOptions = {}): Promise<FleetAnswer> {
    const { path = '/', headers = {}, from, via = this.at(1), port = this.port } = options;
    const fresh = options.fresh || from !== undefined;
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...(via.startsWith('/') ? { socketPath: via } : { host: via, port }),
          path,
          headers: { ...headers, host },
          agent: fresh ? false : this.#agent,
          ...(from === undefined ? {} : { localAddress: from }),
          timeout: 20_000,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            body += chunk;
          });
          response.on('error', reject);
          response.on('end', () => {
            const own = { name: '', connection: 0, httpVersion: '', path: '' };
            const said = body.startsWith('{') ? (JSON.parse(body) as typeof own) : own;
            const { statusCode: status = 0, headers } = response;
            resolve({ ...said, status, headers, tookMs: performance.now() - started });
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`${host}: no answer in 20 s`)));
      sent.on('error', reject);
      sent.end();
    });
  }

  /** `count` requests one after the other. */
  async askInTurn(count: number, host: string, options: AskOptions = {}): Promise<FleetAnswer[]> {
    const answers: FleetAnswer[] = [];
    for (let i = 0; i < count; i++) answers.push(await this.ask(host, options));
    return answers;
  }

  /** Requests that members hold (header `x-hold`) right now. */
  get held(): number {
    return this.#held.length;
  }

  /** Answers what is held. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  }

  /** Answers whatever is held until all of these have their answers. */
  async releaseAll<T>(answers: readonly Promise<T>[]): Promise<T[]> {
    const timer = setInterval(() => this.release(), 5);
    try {
      return await Promise.all(answers);
    } finally {
      clearInterval(timer);
    }
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    this.release();
    for (const socket of this.#open) socket.destroy();
    await Promise.all(this.#servers.map((s) => new Promise((resolve) => s.close(resolve))));
  }

  /**
   * `x-fail: a,b` makes the members a and b answer with the status of `x-status` (500), `x-fail: *` all of them.
   * `x-hold: 1` holds the answer until `release`. `x-retry: hold` answers the first try with 503 and holds the second.
   * `x-echo: 1` has the headers told.
   */
  #answer(name: string, incoming: Incoming, outgoing: Outgoing): void {
    const { headers, httpVersion, url: path } = incoming;
    const failing = [name, '*'].some((each) =>
      `${headers['x-fail'] ?? ''}`.split(',').includes(each),
    );
    const firstTry = headers['x-retry'] !== undefined && headers['x-envoy-attempt-count'] === '1';
    const status = firstTry ? 503 : failing ? Number(headers['x-status'] ?? 500) : 200;
    const said = {
      ...{ name, connection: this.#connectionOf(incoming.socket), httpVersion, path },
      ...(headers['x-echo'] !== undefined && { saw: headers }),
    };
    const answer = () => {
      outgoing.writeHead(status, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify(said));
    };
    const hold = headers['x-hold'] !== undefined || (headers['x-retry'] === 'hold' && !firstTry);
    if (hold) this.#held.push(answer);
    else answer();
  }

  #connectionOf(socket: object): number {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    this.#connectionCount++;
    this.#connections.set(socket, this.#connectionCount);
    return this.#connectionCount;
  }
}

function pick({ method, url, headers, httpVersion }: Http2ServerRequest) {
  return { method, url, headers, httpVersion };
}

/** How many answers each member gave; answers of proxies count under their status. */
export function countByName(answers: readonly FleetAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, status } of answers) {
    const key = status === 200 ? name : String(status);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Names of the members that gave the answers, sorted, each once. */
export function names(answers: readonly FleetAnswer[]): string[] {
  return Object.keys(countByName(answers)).sort();
}

/** How many connections the answers came by. */
export function connections(answers: readonly FleetAnswer[]): number {
  return new Set(answers.map(({ connection }) => connection)).size;
}

/** Documents of the watched directory, as JSON, which is YAML. */
export function documents(...all: object[]): string {
  return all.map((one) => JSON.stringify(one)).join('\n---\n');
}

/** A resource of networking.istio.io. */
export function resource(kind: string, name: string, spec: object, namespace = 'default'): object {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace }, spec };
}
