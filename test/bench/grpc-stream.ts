// One gRPC stream on a connection of its own, over plain node:http2 with Envoy's windows: gRPC's framing and nothing
// else, so that the clients of the benchmark take as little of the machine as they can.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';

/** Envoy's defaults: 16 MiB a stream, 24 MiB a connection. */
const streamWindow = 16 * 1024 * 1024;
const connectionWindow = 24 * 1024 * 1024;

export interface GrpcStreamEvents {
  onMessage(body: Buffer): void;
  onEnd(): void;
}

export class GrpcStream {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #events: GrpcStreamEvents;
  #chunks: Buffer[] = [];
  #length = 0;

  /** `headers` go along with the request. */
  constructor(
    address: string,
    path: string,
    events: GrpcStreamEvents,
    headers: Record<string, string> = {},
  ) {
    this.#events = events;
    this.#session = connect(`http://${address}`, {
      settings: { initialWindowSize: streamWindow, enablePush: false },
    });
    this.#session.once('connect', () => this.#session.setLocalWindowSize(connectionWindow));
    this.#stream = this.#session.request(
      {
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      },
      { endStream: false },
    );
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#session.destroy();
      events.onEnd();
    };
    this.#session.on('error', end);
    this.#stream.on('error', end);
    this.#stream.on('close', end);
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** Sends one message, given in pieces. */
  write(...pieces: readonly Buffer[]): void {
    if (this.#stream.destroyed) return;
    const head = Buffer.alloc(5);
    head.writeUInt32BE(
      pieces.reduce((sum, { length }) => sum + length, 0),
      1,
    );
    this.#stream.cork();
    this.#stream.write(head);
    for (const piece of pieces) if (piece.length > 0) this.#stream.write(piece);
    this.#stream.uncork();
  }

  /** Drops the connection. */
  close(): void {
    this.#stream.destroy();
    this.#session.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= 5) {
      // Joined only once a message is whole: most chunks are the middle of a large one.
      const first = this.#chunks[0]!;
      if (first.length < 5) this.#chunks = [Buffer.concat(this.#chunks)];
      const size = this.#chunks[0]!.readUInt32BE(1);
      if (this.#length < size + 5) return;
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      this.#length -= size + 5;
      this.#chunks = this.#length === 0 ? [] : [all.subarray(size + 5)];
      this.#events.onMessage(all.subarray(5, size + 5));
    }
  }
}
