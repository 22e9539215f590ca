// A gRPC service that says its name, and its clients: unary calls, streams both ways, and gRPC-Web.
import { request } from 'node:http';
import * as grpc from '@grpc/grpc-js';

const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});

/**
 * Starts the service; gives what ends it. Metadata steer it: `x-fail: NAME` makes NAME unavailable, `x-wait` is a time in
 * ms.
 */
export async function startEcho(name: string, host: string, port: number): Promise<() => void> {
  const server = new grpc.Server();
  server.addService(
    { say: method('Say', false, false), chat: method('Chat', true, true) },
    {
      say(call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>): void {
        const [fail] = call.metadata.get('x-fail');
        const [wait] = call.metadata.get('x-wait');
        const answer = () =>
          fail === name
            ? reply({ code: grpc.status.UNAVAILABLE, details: 'told so' })
            : reply(null, Buffer.from(name));
        setTimeout(answer, Number(wait ?? 0));
      },
      chat(call: grpc.ServerDuplexStream<Buffer, Buffer>): void {
        call.on('data', (said: Buffer) => call.write(Buffer.from(`${name}:${said}`)));
        call.on('end', () => call.end());
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync(`${host}:${port}`, credentials, (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return () => server.forceShutdown();
}

/** A channel that names a host of the mesh; it makes one connection. */
export function echoChannel(
  address: string,
  host: string,
  credentials = grpc.credentials.createInsecure(),
  more: grpc.ChannelOptions = {},
): grpc.Client {
  return new grpc.Client(address, credentials, {
    'grpc.default_authority': host,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    ...more,
  });
}

/** Who answered, or the status. */
export function say(
  client: grpc.Client,
  headers: Record<string, string> = {},
): Promise<string | number> {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  const { path } = method('Say', false, false);
  const options = { deadline: Date.now() + 10_000 };
  return new Promise((resolve) => {
    const done: grpc.requestCallback<Buffer> = (error, value) =>
      resolve(error?.code ?? String(value));
    const { serialize, deserialize } = bytes;
    client.makeUnaryRequest(
      path,
      serialize,
      deserialize,
      Buffer.from('x'),
      metadata,
      options,
      done,
    );
  });
}

/** What a stream of three messages gave, each sent when the one before it came back. */
export function chatThrice(client: grpc.Client): Promise<string[]> {
  return new Promise<string[]>((resolve, reject) => {
    const { path } = method('Chat', true, true);
    const call = client.makeBidiStreamRequest(path, bytes.serialize, bytes.deserialize);
    const heard: string[] = [];
    call.on('data', (data: Buffer) => {
      heard.push(String(data).slice(2));
      if (heard.length < 3) call.write(Buffer.from(String(heard.length)));
      else call.end();
    });
    call.on('end', () => resolve(heard));
    call.on('error', reject);
    call.write(Buffer.from('0'));
  });
}

/** One unary call by gRPC-Web over HTTP/1.1. */
export async function grpcWeb(
  via: string,
  port: number,
  host: string,
): Promise<{ contentType: string; body: Buffer }> {
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from('x')]);
  return new Promise<{ contentType: string; body: Buffer }>((resolve, reject) => {
    const headers = { host, 'content-type': 'application/grpc-web+proto' };
    const options = { host: via, port, path: '/test.Echo/Say', method: 'POST' };
    const sent = request({ ...options, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      const contentType = response.headers['content-type'] ?? '';
      response.on('end', () => resolve({ contentType, body: Buffer.concat(pieces) }));
    });
    sent.on('error', reject);
    sent.end(frame);
  });
}
