// Edits beside open streams of a gateway: a WebSocket over TLS, one over plain HTTP and a long HTTP/2 stream live on
// while routes, certificates and other servers change, and Envoy's counters say that no listener was drained.
import { createServer, request as plainRequest } from 'node:http';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { request as secureRequest } from 'node:https';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { GatewayMesh, secret, to } from './gateway-mesh.js';

const scene = await GatewayMesh.start(['v1', 'v2']);
const { fleet, router } = scene;
const [port, plain, other] = [
  await fleet.freePort(),
  await fleet.freePort(),
  await fleet.freePort(),
];
const ca = new TestCa('servers');
const pair = (host: string, commonName = host) => ca.issue({ names: [host], commonName });

/** Says back what it is sent, as a WebSocket or as the body of a request. */
const echo = createServer((incoming, response) => {
  response.writeHead(200);
  response.flushHeaders();
  incoming.pipe(response);
});
echo.on('upgrade', (_incoming, socket: Socket) => {
  socket.on('error', () => {});
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  );
  socket.pipe(socket);
});
await new Promise<void>((resolve) => echo.listen(0, fleet.at(60), resolve));
t.teardown(() => {
  echo.closeAllConnections();
  echo.close();
});
const entry = (name: string, server: NetServer, protocol: string) => {
  const { address, port: targetPort } = server.address() as AddressInfo;
  return resource('ServiceEntry', name, {
    ...{ hosts: [`${name}.svc.test`], resolution: 'STATIC', location: 'MESH_INTERNAL' },
    ports: [{ number: 80, name: 'p', protocol, targetPort }],
    endpoints: [{ address }],
  });
};

/** A stream that lives: what is sent comes back. */
interface Living {
  name: string;
  /** Undefined when the stream has ended. */
  said(text: string): Promise<string | undefined>;
  close(): void;
}

function living(name: string, stream: Socket | ClientHttp2Stream, close: () => void): Living {
  let heard = '';
  let ended = false;
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    heard += text;
  });
  for (const event of ['end', 'close', 'error']) {
    stream.on(event, () => {
      ended = true;
    });
  }
  return {
    name,
    async said(text) {
      heard = '';
      if (ended) return undefined;
      stream.write(text);
      const deadline = performance.now() + 5_000;
      while (!ended && heard.length < text.length && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return ended ? undefined : heard;
    },
    close,
  };
}

function webSocket(host: string, at: number, isSecure: boolean): Promise<Living> {
  const headers = { host, connection: 'upgrade', upgrade: 'websocket' };
  const to = { host: scene.at, port: at, headers, agent: false } as const;
  const sent = isSecure
    ? secureRequest({ ...to, servername: host, rejectUnauthorized: false })
    : plainRequest(to);
  return new Promise((resolve, reject) => {
    sent.on('upgrade', (_response, socket: Socket) =>
      resolve(living(`WebSocket to ${host}`, socket, () => socket.destroy())),
    );
    sent.on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`)));
    sent.on('error', reject);
    sent.end();
  });
}

function http2Stream(host: string): Promise<Living> {
  const options = { servername: host, rejectUnauthorized: false };
  const session = connectHttp2(`https://${scene.at}:${port}`, options);
  const stream = session.request({ ':path': '/', ':method': 'POST', ':authority': host });
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('response', () =>
      resolve(living(`HTTP/2 stream to ${host}`, stream, () => session.destroy())),
    );
  });
}

/** What the edits change. */
interface Shape {
  certificateA?: object;
  certificateB?: object;
  hostsB?: string[];
  targetB?: string;
  moreServers?: Parameters<typeof scene.gateway>[1];
  plainHosts?: string[];
  pathA?: string;
}

const [a1, a2, b1, b2] = [
  pair('a.test'),
  pair('a.test', 'a2'),
  pair('b.test'),
  pair('b.test', 'b2'),
];

const mesh = (shape: Shape = {}) => [
  entry('echo', echo, 'HTTP'),
  entry('inner', inner, 'TLS'),
  scene.gateway('edge', [
    ...(shape.moreServers?.slice(0, 1) ?? []),
    https('a.test', 'a'),
    https('b.test', 'b', shape.hostsB),
    ...(shape.moreServers?.slice(1) ?? []),
    { port: plain, hosts: ['plain.test', ...(shape.plainHosts ?? [])] },
  ]),
  scene.rule('a', {
    ...{ hosts: ['a.test', 'plain.test'], gateways: ['edge'] },
    http: [
      ...(shape.pathA ? [{ match: [{ uri: { prefix: shape.pathA } }], ...to('v1') }] : []),
      { route: [{ destination: { host: 'echo.svc.test' } }] },
    ],
  }),
  scene.rule('pass', {
    ...{ hosts: ['pass.test'], gateways: ['edge'] },
    tls: [
      {
        match: [{ sniHosts: ['pass.test'] }],
        route: [{ destination: { host: 'inner.svc.test' } }],
      },
    ],
  }),
  scene.rule('b', {
    hosts: ['b.test', 'b2.test', 'more.test', 'plain-more.test'],
    ...{ gateways: ['edge'], http: [to(shape.targetB ?? 'v1')] },
  }),
  secret('a', shape.certificateA ?? a1),
  secret('b', shape.certificateB ?? b1),
];

function https(host: string, credentialName: string, hosts: string[] = [host]) {
  return { port, protocol: 'HTTPS', hosts, tls: { mode: 'SIMPLE', credentialName } };
}

const passthrough = {
  ...{ port, protocol: 'TLS', hosts: ['pass.test'], tls: { mode: 'PASSTHROUGH' } },
};

const inner = createTlsServer(pair('pass.test', 'inner'), (socket) => {
  socket.on('error', () => {});
  socket.end();
});
await new Promise<void>((resolve) => inner.listen(0, fleet.at(61), resolve));
t.teardown(() => inner.close());

/** Modified listeners, those in place, and chains that drain. */
const counters = () =>
  Promise.all(
    ['listener_modified', 'listener_in_place_updated', 'total_filter_chains_draining'].map(counter),
  );

const counter = (name: string) => router.stat(`listener_manager.${name}`);

t.test('edits beside open streams', { timeout: 120_000 }, async (t) => {
  await scene.write('edge', mesh());
  const streams = [
    await webSocket('a.test', port, true),
    await http2Stream('a.test'),
    await webSocket('plain.test', plain, false),
  ];
  t.teardown(() => {
    for (const stream of streams) stream.close();
  });
  const who = async (host: string, path = '/') =>
    (await scene.askSecure(port, host, { path })).name;
  const shown = async (host: string) => (await scene.handshake(port, host)).shown;

  /** Name, edit, how one sees that it is in force, and what of the listener it may touch: so many chains. */
  const table: [string, Shape, () => Promise<string>, string, number?][] = [
    ['a route of another host', { targetB: 'v2' }, () => who('b.test'), 'v2'],
    ['a route of their host', { pathA: '/v1' }, () => who('a.test', '/v1'), 'v1'],
    ['another certificate', { certificateB: b2 }, () => shown('b.test'), 'b2'],
    ['their own certificate', { certificateA: a2 }, () => shown('a.test'), 'a2'],
    [
      'hosts of another server',
      { hostsB: ['b.test', 'b2.test'] },
      () => who('b2.test'),
      ...(['v1', 1] as const),
    ],
    ['and back', {}, () => who('b.test'), 'v1', 1],
    [
      'a server more, before theirs',
      { moreServers: [https('more.test', 'b')] },
      () => who('more.test'),
      ...(['v1', 0] as const),
    ],
    [
      'a server that opens nothing',
      { moreServers: [https('more.test', 'b'), passthrough] },
      () => shown('pass.test'),
      ...(['inner', 0] as const),
    ],
    ['servers that go', {}, () => who('b.test'), 'v1', 2],
    [
      'hosts of plain HTTP',
      { plainHosts: ['plain-more.test'] },
      async () => (await fleet.ask('plain-more.test', { port: plain })).name,
      'v1',
    ],
    [
      'a server at another port',
      { moreServers: [{ port: other, hosts: ['b.test'] }] },
      async () => (await fleet.ask('b.test', { port: other })).name,
      'v1',
    ],
  ];
  for (const [name, shape, see, expected, chains] of table) {
    await t.test(name, async (t) => {
      const before = await counters();
      await scene.write('edge', mesh(shape));
      t.equal(await see(), expected, 'is in force');
      for (const stream of streams) {
        t.equal(await stream.said(`after ${name}`), `after ${name}`, stream.name);
      }
      const after = await counters();
      const [modified, inPlace, draining] = after.map((value, i) => value - before[i]!);
      const touched = chains === undefined ? 0 : 1;
      t.strictSame([modified, inPlace], [touched, touched], 'listeners modified, and in place');
      t.equal(draining, chains ?? 0, 'chains that drain: those of what changed');
      t.equal(await counter('total_listeners_draining'), 0, 'no listener drains');
    });
  }
  const drained = await router.admin('/stats?filter=downstream_cx_drain_close');
  t.notMatch(drained, /drain_close: [1-9]/, 'no connection was told to close');
});

t.test('HTTP/3 of another Gateway of the port', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', mesh());
  const stream = await http2Stream('a.test');
  t.teardown(() => stream.close());
  const before = await counters();
  const annotations = { 'fairlead.io/http3': 'true' };
  const other = scene.gateway('quick', [https('quick.test', 'b')], { annotations });
  await scene.write('edge', [...mesh(), other]);
  t.equal((await scene.handshake(port, 'quick.test')).shown, 'b.test');
  t.equal(await stream.said('still here'), 'still here');
  const [modified, inPlace, draining] = (await counters()).map((value, i) => value - before[i]!);
  t.strictSame([modified, inPlace, draining], [1, 1, 0]);
});

t.test('the first server with a name beside one for all', { timeout: 60_000 }, async (t) => {
  const base = [
    ...[entry('echo', echo, 'HTTP'), secret('a', a1), secret('b', b1)],
    scene.rule('all', {
      ...{ hosts: ['*'], gateways: ['edge'] },
      http: [{ route: [{ destination: { host: 'echo.svc.test' } }] }],
    }),
  ];
  const all = https('*', 'a');
  await scene.write('edge', [...base, scene.gateway('edge', [all])]);
  const stream = await http2Stream('any.test');
  t.teardown(() => stream.close());
  const before = await counters();
  await scene.write('edge', [...base, scene.gateway('edge', [https('b.test', 'b'), all])]);
  t.equal((await scene.handshake(port, 'b.test')).shown, 'b.test');
  t.equal(await stream.said('still here'), 'still here');
  const [modified, inPlace, draining] = (await counters()).map((value, i) => value - before[i]!);
  t.strictSame([modified, inPlace, draining], [1, 1, 0]);
});

t.test('a control plane that is started again', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', mesh());
  const stream = await http2Stream('a.test');
  t.teardown(() => stream.close());
  const before = await counters();
  const updates = await router.stat('listener_manager.lds.update_success');
  await scene.mesh.server.stop();
  t.equal(await stream.said('without'), 'without');
  t.equal((await scene.handshake(port, 'b.test')).shown, 'b.test', 'Envoy goes on alone');
  await scene.mesh.startServer();
  await scene.mesh.synced();
  t.equal(await stream.said('again'), 'again');
  t.strictSame(await counters(), before, 'no listener was touched');
  t.equal(await router.stat('listener_manager.lds.update_success'), updates, 'nor sent');
});

t.test('Envoy took everything', async (t) => {
  t.equal(await counter('lds.update_rejected'), 0);
  t.strictSame(
    scene.mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
