// Protocols at a gateway, through a real Envoy: gRPC and gRPC-Web, HTTP/2 with prior knowledge and by ALPN, and
// HTTP/3 where the Gateway asks for it, to which a second Envoy is the client. WebSockets are in gateway-changes.test.ts.
import { connect as connectHttp2 } from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { GatewayMesh, secret, to } from './gateway-mesh.js';
import { chatThrice, echoChannel, grpcWeb, say, startEcho } from './grpc-echo.js';
import { http3Client } from './http3-client.js';

const scene = await GatewayMesh.start(['v1', 'h2']);
const { fleet, router } = scene;
const [port, plain, web, backend] = [
  await fleet.freePort(),
  await fleet.freePort(),
  await fleet.freePort(),
  await fleet.freePort(),
];
const ca = new TestCa('servers');
const credential = secret(
  'edge',
  ca.issue({ names: ['any.test', 'grpc.test'], commonName: 'edge' }),
);
for (const [i, name] of ['a', 'b'].entries()) {
  t.teardown(await startEcho(name, fleet.at(80 + i), backend));
}
const echoes = resource('ServiceEntry', 'echoes', {
  ...{ hosts: ['echoes.svc.test'], resolution: 'STATIC', location: 'MESH_INTERNAL' },
  ports: [{ number: 80, name: 'grpc', protocol: 'GRPC', targetPort: backend }],
  endpoints: [{ address: fleet.at(80) }, { address: fleet.at(81) }],
});

const resources = (annotations?: Record<string, string>) => [
  scene.gateway(
    'edge',
    [
      { port, protocol: 'HTTPS', tls: { mode: 'SIMPLE', credentialName: 'edge' } },
      { port: plain, protocol: 'GRPC' },
      { port: web, protocol: 'GRPC-WEB' },
    ],
    { ...(annotations && { annotations }) },
  ),
  scene.rule('grpc', {
    ...{ hosts: ['grpc.test'], gateways: ['edge'] },
    http: [{ route: [{ destination: { host: 'echoes.svc.test' } }] }],
  }),
  scene.rule('any', { hosts: ['any.test'], gateways: ['edge'], http: [to('v1')] }),
  echoes,
  credential,
];
await scene.write('edge', resources());

t.test('gRPC', { timeout: 60_000 }, async (t) => {
  const channels: [string, grpc.Client][] = [
    ['without TLS', echoChannel(`${scene.at}:${plain}`, 'grpc.test')],
    [
      'over TLS',
      echoChannel(
        `${scene.at}:${port}`,
        'grpc.test',
        grpc.credentials.createSsl(Buffer.from(ca.cert)),
        { 'grpc.ssl_target_name_override': 'grpc.test' },
      ),
    ],
  ];
  for (const [name, channel] of channels) {
    const answers = new Set<string | number>();
    for (let i = 0; i < 12; i++) answers.add(await say(channel));
    t.strictSame([...answers].sort(), ['a', 'b'], `${name}: calls are balanced`);
    t.strictSame(await chatThrice(channel), ['0', '1', '2'], `${name}: a stream`);
    channel.close();
  }
  const nobody = echoChannel(`${scene.at}:${plain}`, 'nobody.test');
  t.equal(await say(nobody), grpc.status.UNIMPLEMENTED, 'an unknown host (HTTP 404)');
  nobody.close();
});

t.test('gRPC-Web', { timeout: 60_000 }, async (t) => {
  const { contentType, body } = await grpcWeb(scene.at, web, 'grpc.test');
  t.match(contentType, /^application\/grpc-web/);
  t.match(body.subarray(5, 6).toString(), /[ab]/, 'the message');
  t.match(body.subarray(11).toString(), /grpc-status: ?0/, 'and its status, in the body');
});

/** Status and body of one HTTP/2 request. */
async function overHttp2(url: string, options: object = {}): Promise<{ name: string }> {
  const session = connectHttp2(url, options);
  try {
    session.on('error', () => {});
    const stream = session.request({ ':path': '/', ':authority': 'any.test' });
    let text = '';
    stream.setEncoding('utf8');
    for await (const piece of stream) text += piece;
    return JSON.parse(text);
  } finally {
    session.destroy();
  }
}

t.test('HTTP/2', { timeout: 60_000 }, async (t) => {
  const known = await overHttp2(`http://${scene.at}:${plain}`);
  t.match(known, { name: 'v1', httpVersion: '1.1' }, 'with prior knowledge');
  const tls = { servername: 'any.test', ca: ca.cert };
  t.match(await overHttp2(`https://${scene.at}:${port}`, tls), { name: 'v1' }, 'by ALPN');
});

t.test('HTTP/3', { timeout: 60_000 }, async (t) => {
  const client = await http3Client({ host: scene.at, port, sni: 'any.test', ca: ca.cert });
  t.teardown(() => client.envoy.stop());
  const ask = () => fleet.ask('any.test', { via: '127.0.0.1', port: client.port, fresh: true });
  t.equal((await ask()).status, 503, 'not unless it is asked for');
  t.equal((await scene.askSecure(port, 'any.test')).headers['alt-svc'], undefined);

  await scene.write('edge', resources({ 'fairlead.io/http3': 'true' }));
  const answer = await ask();
  t.match(answer, { status: 200, name: 'v1' });
  const byHttp3 = await router.admin('/stats?filter=downstream_cx_http3_total');
  t.match(byHttp3, /http3_total: [1-9]/, 'by HTTP/3');
  const { headers } = await scene.askSecure(port, 'any.test');
  t.match(headers['alt-svc'], new RegExp(`^h3=":${port}"`), 'offered to clients of TCP');
  const beside = await fleet.ask('any.test', { port: plain });
  t.equal(beside.headers['alt-svc'], undefined, 'not on plain HTTP');

  const draining = await router.stat('listener_manager.total_listeners_draining');
  t.equal(draining, 0, 'the listener of TCP was not drained for it');

  await scene.write('edge', resources());
  const later = await scene.askSecure(port, 'any.test');
  t.strictSame([later.status, later.headers['alt-svc']], [200, undefined], 'and no more');
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    scene.mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
