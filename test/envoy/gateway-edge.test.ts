// What a gateway does about the world outside, through real Envoys: whom it takes a client to be (X-Forwarded-For, the
// PROXY header), paths, limits, compression. Each setting has a router of its own, as PROXY_CONFIG says it.
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import t from 'tap';
import { resource } from './fleet.js';
import { GatewayMesh, to } from './gateway-mesh.js';

const scene = await GatewayMesh.start(['v1', 'v2']);
const { fleet } = scene;
const port = await fleet.freePort();
const caller = fleet.at(100);

const routers: [string, object][] = [
  ['one', { gatewayTopology: { numTrustedProxies: 1 } }],
  ['two', { gatewayTopology: { numTrustedProxies: 2 } }],
  ['proxied', { gatewayTopology: { proxyProtocol: {} } }],
  ['sidecar-like', { connectionSettings: { profile: 'SIDECAR' } }],
  [
    'own',
    {
      connectionSettings: {
        ...{ httpRequestHeadersTimeout: '0.5s', httpMaxConcurrentStreams: 7 },
        httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
      },
    },
  ],
];
/** The addresses of their listeners. */
const at = new Map([
  ['plain', scene.at],
  ...routers.map(([name], i) => [name, fleet.at(2 + i)] as const),
]);

const gateways = (annotations?: Record<string, string>) =>
  [...at].map(([name, bind]) =>
    scene.gateway(name, [{ port, bind }], {
      ...(name !== 'plain' && { istio: name }),
      ...(annotations && { annotations }),
    }),
  );
const rules = [
  scene.rule('all', { hosts: ['any.test'], gateways: [...at.keys()], http: [to('v1')] }),
  scene.rule('hashed', { hosts: ['hashed.test'], gateways: [...at.keys()], http: [to('hashed')] }),
  scene.service('hashed', ['v1', 'v2']),
  resource('DestinationRule', 'hashed', {
    host: 'hashed.test',
    trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } },
  }),
];

await scene.write('edge', [...gateways(), ...rules]);
await Promise.all(
  routers.map(([name, PROXY_CONFIG]) => scene.addRouter(at.get(name)!, { PROXY_CONFIG }, name)),
);
await scene.mesh.synced(1 + routers.length);

function ask(router: string, headers: Record<string, string> = {}, host = 'any.test', path = '/') {
  const options = { via: at.get(router)!, port, path, headers: { 'x-echo': '1', ...headers } };
  return fleet.ask(host, { ...options, from: caller });
}

t.test('X-Forwarded-For', { timeout: 60_000 }, async (t) => {
  const claimed = '203.0.113.1, 203.0.113.2';
  const table: [string, string][] = [
    // Whom the gateway takes the client to be.
    ['plain', caller],
    ['one', '203.0.113.2'],
    ['two', '203.0.113.1'],
  ];
  for (const [router, client] of table) {
    const { saw = {} } = await ask(router, { 'x-forwarded-for': claimed });
    t.equal(saw['x-forwarded-for'], `${claimed},${caller}`, `${router}: the caller is added`);
    t.equal(saw['x-forwarded-proto'], 'http');
    if (client !== caller) t.equal(saw['x-envoy-external-address'], client, router);
    const members = new Set<string>();
    for (let i = 0; i < 24; i++) {
      const forged = `203.0.113.${i}, 198.51.100.${i}`;
      members.add((await ask(router, { 'x-forwarded-for': forged }, 'hashed.test')).name);
    }
    const expected = client === caller ? 1 : 2;
    t.equal(members.size, expected, `${router}: useSourceIp is of the client that is trusted`);
  }
  const { saw = {} } = await ask('one', {
    ...{ 'x-forwarded-for': claimed, 'x-forwarded-proto': 'https' },
  });
  t.equal(saw['x-forwarded-proto'], 'https', 'a proxy that is trusted says how it was called');
});

/** Sends these bytes, gives what came back. */
function raw(router: string, ...pieces: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: at.get(router)!, port, localAddress: caller }, () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('data', (data) => {
      text += data;
      if (text.includes('"saw"')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}

t.test('the PROXY header', { timeout: 60_000 }, async (t) => {
  const request = 'GET / HTTP/1.1\r\nhost: any.test\r\nx-echo: 1\r\n\r\n';
  const first = await raw('proxied', 'PROXY TCP4 203.0.113.7 192.0.2.1 4444 80\r\n', request);
  t.match(first, /"x-forwarded-for":"203\.0\.113\.7"/, 'version 1');
  const second = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007108c00002011f900050', 'hex');
  t.match(await raw('proxied', second, request), /"x-forwarded-for":"203\.0\.113\.8"/, 'version 2');
  t.notMatch(await raw('proxied', request), /200 OK/, 'it must be there');
  const unasked = await raw('plain', 'PROXY TCP4 203.0.113.7 192.0.2.1 4444 80\r\n', request);
  t.notMatch(unasked, /200 OK/, 'and is no HTTP where nobody asks for it');
});

t.test('limits', { timeout: 60_000 }, async (t) => {
  const odd = { a_b: '1' };
  t.equal((await ask('plain', odd)).status, 400, 'a name with an underscore');
  const kept = await ask('sidecar-like', odd);
  t.strictSame([kept.status, kept.saw?.['a_b']], [200, '1'], 'profile SIDECAR');
  const dropped = await ask('own', odd);
  t.strictSame([dropped.status, dropped.saw?.['a_b']], [200, undefined], 'a setting of its own');

  const streamsOf = async (router: string) => {
    const session = connectHttp2(`http://${at.get(router)}:${port}`);
    const settings = await new Promise<{ maxConcurrentStreams?: number }>((resolve, reject) => {
      session.on('remoteSettings', resolve);
      session.on('error', reject);
    });
    session.destroy();
    return settings.maxConcurrentStreams;
  };
  t.equal(await streamsOf('plain'), 100, 'HTTP/2 streams of a connection');
  t.equal(await streamsOf('own'), 7);
  t.ok(((await streamsOf('sidecar-like')) ?? 2 ** 32) > 100);

  const started = performance.now();
  const slow = await raw('own', 'GET / HTTP/1.1\r\nhost: any.test\r\n');
  t.match(slow, /^HTTP\/1.1 408/, 'headers that do not end');
  t.ok(performance.now() - started < 4_000);
});

t.test('paths', { timeout: 60_000 }, async (t) => {
  const asked = '/a/../b//c%2Fd';
  const table: [string, string][] = [
    ['BASE', '/b//c%2Fd'],
    ['MERGE_SLASHES', '/b/c%2Fd'],
    ['DECODE_AND_MERGE_SLASHES', '/b/c/d'],
    ['NONE', asked],
    ['DEFAULT', '/b//c%2Fd'],
  ];
  for (const [normalization, expected] of table) {
    await scene.mesh.applied(() => scene.meshConfig({ pathNormalization: { normalization } }));
    await ask('plain');
    t.equal((await ask('plain', {}, 'any.test', asked)).path, expected, normalization);
  }
});

t.test('compression', { timeout: 60_000 }, async (t) => {
  const encoding = async (accepted: string) =>
    (await ask('plain', { 'accept-encoding': accepted })).headers['content-encoding'];
  t.equal(await encoding('gzip'), undefined, 'not unless it is asked for');
  await scene.write('edge', [...gateways({ 'fairlead.io/compression': 'gzip, brotli' }), ...rules]);
  t.equal(await encoding('gzip'), 'gzip');
  t.equal(await encoding('br'), 'br');
  t.equal(await encoding('zstd'), undefined);
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    scene.mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
