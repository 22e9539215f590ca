// A discovery client of bare HTTP/2, for what grpc-js does not let a client do: not read, send garbage, have many
// streams on a connection, ping. It takes the stream's window as given (64 kB) unless told otherwise.
import type http2 from 'node:http2';
import { encode } from '../../src/envoy/codec.js';

const path = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

/** A gRPC message's frame. `compressed` is only the flag. */
export function frame(bytes: Buffer, compressed = false): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(compressed ? 1 : 0, 0);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** A request's bytes. */
export function request(fields: Record<string, unknown>, variant: 'sotw' | 'delta' = 'sotw') {
  const type = variant === 'sotw' ? 'DiscoveryRequest' : 'DeltaDiscoveryRequest';
  return encode(`envoy.service.discovery.v3.${type}`, fields);
}

export const node = (id: string) => ({ id, cluster: 'c' });

/** How a stream ended: gRPC's status if there was one, and HTTP/2's code of the reset. */
export interface RawEnd {
  status: number | undefined;
  message: string;
  rstCode: number;
}

export class RawStreamClient {
  readonly stream: http2.ClientHttp2Stream;
  readonly ended: Promise<RawEnd>;
  received = 0;
  private readonly chunks: Buffer[] = [];
  private readonly keep: boolean;

  constructor(
    session: http2.ClientHttp2Session,
    { variant = 'sotw' as 'sotw' | 'delta', headers = {}, keep = true } = {},
  ) {
    this.keep = keep;
    this.stream = session.request(
      {
        ':method': 'POST',
        ':path': path[variant],
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      },
      { endStream: false },
    );
    this.stream.on('error', () => {});
    let status: number | undefined;
    let message = '';
    const note = (from: http2.IncomingHttpHeaders) => {
      if (from['grpc-status'] === undefined) return;
      status = Number(from['grpc-status']);
      message = decodeURI(String(from['grpc-message'] ?? ''));
    };
    this.stream.on('response', note);
    this.ended = new Promise((resolve) => {
      // Not from within Node's HTTP/2 parser: a test that goes on there and destroys the session frees what the
      // parser reads next (seen with Node 20.20.2 under valgrind: heap corruption in the client).
      const end = () =>
        setImmediate(() => resolve({ status, message, rstCode: this.stream.rstCode ?? 0 }));
      this.stream.on('trailers', (trailers) => {
        note(trailers);
        end();
      });
      this.stream.on('response', () => status === undefined || end());
      this.stream.on('close', end);
    });
  }

  /** Reads all that comes. */
  read(): this {
    this.stream.on('data', (data: Buffer) => {
      this.received += data.length;
      if (this.keep) this.chunks.push(data);
    });
    return this;
  }

  send(fields: Record<string, unknown>, variant: 'sotw' | 'delta' = 'sotw'): void {
    this.stream.write(frame(request(fields, variant)));
  }

  /** Whole messages that came so far. */
  messages(): Buffer[] {
    const all = Buffer.concat(this.chunks);
    const found: Buffer[] = [];
    let at = 0;
    while (at + 5 <= all.length) {
      const end = at + 5 + all.readUInt32BE(at + 1);
      if (end > all.length) break;
      found.push(all.subarray(at + 5, end));
      at = end;
    }
    return found;
  }
}

/** Waits until it holds, or throws after `ms`. */
export async function until(holds: () => boolean, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`did not come true in ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
