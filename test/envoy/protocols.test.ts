// What sidecars do with protocols above HTTP/1.1 and beside it: gRPC with its statuses, streams and rules, gRPC-Web,
// HTTP/2 clients of HTTP/1.1 services, and WebSockets. HTTP/2 towards services is in connection-pool.test.ts, TLS in
// sni.test.ts, TCP and sniffing in listener.test.ts.
import { createServer, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import t from 'tap';
import { resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';

const { fleet, write, service } = await startFleetMesh(['v1']);
const [port, web] = [await fleet.freePort(), await fleet.freePort()];
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

/** Says its name. Metadata steer it: `x-fail: NAME` makes NAME unavailable, `x-wait` is a time in ms. */
for (const [i, name] of ['a', 'b'].entries()) {
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
    server.bindAsync(`${fleet.at(80 + i)}:${port}`, credentials, (error) =>
      error ? reject(error) : resolve(),
    );
  });
  t.teardown(() => server.forceShutdown());
}

/** A channel to the sidecar that names a host of the mesh; it makes one connection. */
function channel(host: string): grpc.Client {
  const client = new grpc.Client(`${fleet.at(1)}:${port}`, grpc.credentials.createInsecure(), {
    'grpc.default_authority': host,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  });
  t.teardown(() => client.close());
  return client;
}

/** Who answered, or the status. */
function say(client: grpc.Client, headers: Record<string, string> = {}): Promise<string | number> {
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

async function answers(count: number, client: grpc.Client, headers = {}) {
  const found = new Set<string | number>();
  for (let i = 0; i < count; i++) found.add(await say(client, headers));
  return [...found].sort();
}

const entry = (name: string) =>
  resource('ServiceEntry', name, {
    hosts: [`${name}.test`],
    resolution: 'STATIC',
    ports: [
      { number: port, name: 'grpc', protocol: 'GRPC' },
      { number: web, name: 'grpc-web', protocol: 'GRPC-Web', targetPort: port },
    ],
    endpoints: ['a', 'b'].map((version, i) => ({ address: fleet.at(80 + i), labels: { version } })),
  });

const rule = (name: string, ...http: object[]) => [
  entry(name),
  resource('DestinationRule', name, {
    host: `${name}.test`,
    subsets: ['a', 'b'].map((version) => ({ name: version, labels: { version } })),
  }),
  resource('VirtualService', name, { hosts: [`${name}.test`], http }),
];

const to = (name: string, subset?: string) => ({
  route: [{ destination: { host: `${name}.test`, ...(subset && { subset }) } }],
});

t.test('gRPC', { timeout: 60_000 }, async (t) => {
  await write('grpc', [
    entry('plain'),
    ...rule(
      'routed',
      { match: [{ headers: { 'x-user': { exact: 'jane' } } }], ...to('routed', 'a') },
      { match: [{ uri: { exact: '/test.Echo/Say' } }], ...to('routed', 'b') },
    ),
    ...rule('retried', {
      retries: { attempts: 5, retryOn: 'unavailable', backoff: '1ms' },
      ...to('retried'),
    }),
    ...rule('once', { retries: { attempts: 0 }, ...to('once') }),
    ...rule('aborted', {
      fault: { abort: { grpcStatus: 'RESOURCE_EXHAUSTED', percentage: { value: 100 } } },
      ...to('aborted'),
    }),
    ...rule('timed', { timeout: '0.2s', ...to('timed') }),
  ]);
  const plain = channel('plain.test');
  t.strictSame(await answers(20, plain), ['a', 'b'], 'calls of one connection are balanced');
  const routed = channel('routed.test');
  t.strictSame(await answers(5, routed, { 'x-user': 'jane' }), ['a'], 'by metadata');
  t.strictSame(await answers(5, routed), ['b'], 'by method');
  const failing = { 'x-fail': 'a' };
  t.strictSame(await answers(20, channel('retried.test'), failing), ['b'], 'retryOn a status');
  const once = await answers(20, channel('once.test'), failing);
  t.strictSame(once, [grpc.status.UNAVAILABLE, 'b'], 'no retries');
  t.equal(await say(channel('aborted.test')), grpc.status.RESOURCE_EXHAUSTED, 'fault by status');
  const started = performance.now();
  const late = await say(channel('timed.test'), { 'x-wait': '3000' });
  // HTTP 504 is UNAVAILABLE (gRPC, http-grpc-status-mapping).
  t.equal(late, grpc.status.UNAVAILABLE, 'time-out');
  t.ok(performance.now() - started < 2_500);
  t.match(await say(channel('timed.test')), /^[ab]$/, 'in time');
  t.equal(await say(channel('nobody.test')), grpc.status.UNAVAILABLE, 'an unknown host (HTTP 502)');

  const chat = await new Promise<string[]>((resolve, reject) => {
    const { path } = method('Chat', true, true);
    const call = plain.makeBidiStreamRequest(path, bytes.serialize, bytes.deserialize);
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
  t.strictSame(chat, ['0', '1', '2'], 'a stream goes both ways');
});

t.test('gRPC-Web', { timeout: 60_000 }, async (t) => {
  await write('grpc', [entry('plain')]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from('x')]);
  const { contentType, body } = await new Promise<{ contentType?: string; body: Buffer }>(
    (resolve, reject) => {
      const headers = { host: 'plain.test', 'content-type': 'application/grpc-web+proto' };
      const options = { host: fleet.at(1), port: web, path: '/test.Echo/Say', method: 'POST' };
      const sent = request({ ...options, headers, agent: false }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        const contentType = response.headers['content-type'] ?? '';
        response.on('end', () => resolve({ contentType, body: Buffer.concat(pieces) }));
      });
      sent.on('error', reject);
      sent.end(frame);
    },
  );
  t.match(contentType, /^application\/grpc-web/);
  t.match(body.subarray(5, 6).toString(), /[ab]/, 'the message');
  t.equal(body[6], 0x80, 'then the trailers, in a frame of the body');
  t.match(body.subarray(11).toString(), /grpc-status: ?0/);
});

t.test('an HTTP/2 client of an HTTP/1.1 service', { timeout: 60_000 }, async (t) => {
  await write('old', service('old', { members: ['v1'] }));
  const session = connectHttp2(`http://${fleet.at(1)}:${fleet.port}`);
  t.teardown(() => session.close());
  const stream = session.request({ ':path': '/x', ':authority': 'old.test' });
  let text = '';
  stream.setEncoding('utf8');
  for await (const piece of stream) text += piece;
  t.match(JSON.parse(text), { name: 'v1', httpVersion: '1.1', path: '/x' });
});

t.test('WebSocket', { timeout: 60_000 }, async (t) => {
  const server = createServer();
  server.on('upgrade', (_incoming, socket: Socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
    socket.on('data', (data) => socket.write(`echo ${data}`));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, fleet.at(90), resolve));
  t.teardown(() => server.close());
  await write('socket', [
    resource('ServiceEntry', 'socket', {
      hosts: ['socket.test'],
      resolution: 'STATIC',
      ports: [
        {
          number: fleet.port,
          name: 'http',
          protocol: 'HTTP',
          targetPort: (server.address() as AddressInfo).port,
        },
      ],
      endpoints: [{ address: fleet.at(90) }],
    }),
  ]);
  const headers = { host: 'socket.test', connection: 'upgrade', upgrade: 'websocket' };
  const heard = await new Promise<string>((resolve, reject) => {
    const sent = request({ host: fleet.at(1), port: fleet.port, headers, agent: false });
    sent.on('upgrade', (_response, socket: Socket) => {
      let text = '';
      socket.on('data', (data) => {
        text += data;
        if (text === 'echo 1') socket.write('2');
        if (text !== 'echo 1echo 2') return;
        socket.destroy();
        resolve(text);
      });
      socket.write('1');
    });
    sent.on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`)));
    sent.on('error', reject);
    sent.end();
  });
  t.equal(heard, 'echo 1echo 2', 'bytes go both ways after the upgrade');
});
