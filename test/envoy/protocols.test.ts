// What sidecars do with protocols above HTTP/1.1 and beside it: gRPC with its statuses, streams and rules, gRPC-Web,
// HTTP/2 clients of HTTP/1.1 services, WebSockets, and IPv6. HTTP/2 towards services is in connection-pool.test.ts, TLS in
// sni.test.ts, TCP and sniffing in listener.test.ts.
import { createServer, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import t from 'tap';
import { names, resource } from './fleet.js';
import { startFleetMesh } from './fleet-mesh.js';
import { chatThrice, echoChannel, grpcWeb, say, startEcho } from './grpc-echo.js';

const { fleet, write, service } = await startFleetMesh(['v1', 'h2']);
const [port, web] = [await fleet.freePort(), await fleet.freePort()];
for (const [i, name] of ['a', 'b'].entries()) {
  const close = await startEcho(name, fleet.at(80 + i), port);
  t.teardown(close);
}

/** A channel to the sidecar that names a host of the mesh. */
function channel(host: string): grpc.Client {
  const client = echoChannel(`${fleet.at(1)}:${port}`, host);
  t.teardown(() => client.close());
  return client;
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
  // Envoy's HTTP 504 is UNAVAILABLE (gRPC, http-grpc-status-mapping). Envoy tells the server the time-out too
  // (grpc-timeout), whose own end of the call may be there first.
  const ends = [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED];
  t.ok(ends.includes(late as number), `time-out: ${late}`);
  t.ok(performance.now() - started < 2_500);
  t.match(await say(channel('timed.test')), /^[ab]$/, 'in time');
  t.equal(await say(channel('nobody.test')), grpc.status.UNAVAILABLE, 'an unknown host (HTTP 502)');

  const chat = await chatThrice(plain);
  t.strictSame(chat, ['0', '1', '2'], 'a stream goes both ways');
});

t.test('gRPC-Web', { timeout: 60_000 }, async (t) => {
  await write('grpc', [entry('plain')]);
  const { contentType, body } = await grpcWeb(fleet.at(1), web, 'plain.test');
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

t.test('endpoints of both families', { timeout: 60_000 }, async (t) => {
  const six = await fleet.add('six', '::1', 0).catch(() => undefined);
  if (six === undefined) {
    t.pass('no IPv6 here', { skip: true });
    return;
  }
  const host = (name: string, ...endpoints: object[]) =>
    resource('ServiceEntry', name, {
      hosts: [`${name}.test`],
      resolution: 'STATIC',
      ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP' }],
      endpoints,
    });
  const [old, fresh] = [{ address: fleet.address('v1') }, { address: '::1', ports: { http: six } }];
  await write('families', [host('six', fresh), host('both', old, fresh)]);
  t.equal((await fleet.ask('six.test')).name, 'six', 'an endpoint with an IPv6 address');
  t.strictSame(names(await fleet.askInTurn(30, 'both.test')), ['six', 'v1'], 'one of each');
});

t.test(
  'protocols of v1 Services: names, appProtocol, ExternalName',
  { timeout: 60_000 },
  async (t) => {
    const own = await fleet.freePort();
    const kubernetes = (name: string, member: string, servicePort: object) => {
      const metadata = { name, namespace: 'default' };
      const ports = [{ name: 'p', port: fleet.port, ...servicePort }];
      const labels = { 'kubernetes.io/service-name': name };
      return [
        { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports } },
        {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { ...metadata, labels },
          addressType: 'IPv4',
          ports: ports.map((each) => ({ name: each.name, port: fleet.port })),
          endpoints: [{ addresses: [fleet.address(member)], conditions: { ready: true } }],
        },
      ];
    };
    await write('services', [
      ...kubernetes('by-name', 'v1', { name: 'http-web' }),
      ...kubernetes('h2-by-name', 'h2', { name: 'http2-web' }),
      ...kubernetes('grpc-by-name', 'h2', { name: 'grpc' }),
      ...kubernetes('by-app', 'v1', { name: 'web', appProtocol: 'http' }),
      ...kubernetes('wins', 'v1', { name: 'tcp-web', appProtocol: 'http', port: own }),
      ...kubernetes('h2c', 'h2', { name: 'http-x', appProtocol: 'kubernetes.io/h2c' }),
      ...kubernetes('ws', 'v1', { name: 'tcp-x', appProtocol: 'kubernetes.io/ws' }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'alias', namespace: 'default' },
        spec: {
          type: 'ExternalName',
          externalName: 'by-name.default.svc.cluster.local',
          ports: [{ name: 'http', port: fleet.port }],
        },
      },
    ]);
    const table: [string, string, string][] = [
      ['by-name', 'v1', '1.1'],
      ['h2-by-name', 'h2', '2.0'],
      ['grpc-by-name', 'h2', '2.0'],
      ['by-app', 'v1', '1.1'],
      ['h2c', 'h2', '2.0'],
      ['ws', 'v1', '1.1'],
      ['alias', 'v1', '1.1'],
    ];
    for (const [host, member, version] of table) {
      const { name, httpVersion } = await fleet.ask(host);
      t.strictSame([name, httpVersion], [member, version], host);
    }
    t.equal((await fleet.ask('wins', { port: own })).name, 'v1');
    t.equal(
      (await fleet.ask('nobody', { port: own })).status,
      502,
      'appProtocol goes before the name',
    );
  },
);
