// A gRPC server for tests that answers with its name. What it does to a call is asked for in the call's metadata.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';

const same = (bytes: Buffer) => bytes;
const method = {
  path: '/demo.Backend/Call',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const;

/** A running server on a loopback address. */
export class GrpcBackend {
  readonly #server = new Server();
  port = 0;
  calls = 0;
  /** Calls that are being answered now. */
  open = 0;
  /** Fails every call with this status. */
  fails: status | undefined;

  constructor(readonly name: string) {
    this.#server.addService(
      { Call: method },
      {
        Call: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
          void this.#answer(call, done),
      },
    );
  }

  /** Binds to `host`; a free port where none is given. */
  async start(host: string, port = 0): Promise<this> {
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(
        `${host}:${port}`,
        ServerCredentials.createInsecure(),
        (error, bound) => (error ? reject(error) : resolve(bound)),
      );
    });
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** `x-fail-first: N` fails the first N attempts of a call, `x-sleep-ms: N` answers after N ms. */
  async #answer(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): Promise<void> {
    const header = (name: string) => Number(call.metadata.get(name)[0] ?? 0);
    this.calls++;
    this.open++;
    await sleep(header('x-sleep-ms'));
    this.open--;
    // gRPC's own count of the attempts before this one (gRFC A6).
    const failed = header('grpc-previous-rpc-attempts') < header('x-fail-first');
    const code = this.fails ?? (failed ? status.UNAVAILABLE : undefined);
    if (code !== undefined) done({ code, details: 'as asked', metadata: new Metadata() });
    else done(null, Buffer.from(this.name));
  }
}
