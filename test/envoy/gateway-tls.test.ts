// TLS towards clients of a gateway, through a real Envoy: each mode with right, wrong and no client certificate, what
// the handshake agrees on, certificates by server name and by kind of key, and what is behind it: HTTP, TCP, or a
// server that opens the TLS itself. As Istio documents ServerTLSSettings and its tasks on secure ingress.
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import t from 'tap';
import { type KeyPair, TestCa } from '../xds/certificates.js';
import { resource } from './fleet.js';
import { GatewayMesh, secret, to } from './gateway-mesh.js';
import { exchange, tcpBackend } from './tcp-client.js';

const scene = await GatewayMesh.start(['v1', 'v2']);
const { fleet } = scene;
const port = await fleet.freePort();
const [ca, clients] = [new TestCa('servers'), new TestCa('clients')];
const pair = (commonName: string) => ca.issue({ names: [`${commonName}.test`], commonName });
/** Of two with a name, Envoy chooses by the key that the client can use. */
const pairFor = (host: string, keyType: 'rsa' | 'ec') =>
  ca.issue({ names: [host], commonName: keyType, keyType });
const client = (commonName: string, ...names: string[]) => clients.issue({ commonName, names });
const jane = client('jane', 'jane.test', 'spiffe://cluster.local/ns/x/sa/jane');
const john = client('john', 'john.test');
const stranger = new TestCa('stranger').issue({ commonName: 'stranger', names: ['jane.test'] });

const https = (host: string, tls: object, at = port) => ({
  ...{ port: at, protocol: 'HTTPS', hosts: [host], tls },
});
const everything = scene.rule('all', { hosts: ['*'], gateways: ['edge'], http: [to('v1')] });

/** The name of the member that answered, or 0. */
async function ask(host: string, options: Partial<KeyPair> = {}, at = port) {
  const { status, name } = await scene.askSecure(at, host, options);
  return status === 200 ? name : status;
}

const sha256 = (data: Buffer) => createHash('sha256').update(data);
const spkiOf = ({ cert }: KeyPair) =>
  sha256(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })).digest(
    'base64',
  );
const hashOf = ({ cert }: KeyPair) => sha256(new X509Certificate(cert).raw).digest('hex');

t.test('modes, and client certificates', { timeout: 60_000 }, async (t) => {
  const mutual = (credentialName: string, more: object = {}) => ({
    ...{ mode: 'MUTUAL', credentialName },
    ...more,
  });
  await scene.write('edge', [
    scene.gateway('edge', [
      https('simple.test', { mode: 'SIMPLE', credentialName: 'plain' }),
      https('mutual.test', mutual('with-ca')),
      https('optional.test', {
        mode: 'OPTIONAL_MUTUAL',
        ...{ credentialName: 'plain', caCertCredentialName: 'cas' },
      }),
      https('beside.test', mutual('beside')),
      https('sans.test', mutual('with-ca', { subjectAltNames: ['jane.test'] })),
      https(
        'uri.test',
        mutual('with-ca', { subjectAltNames: ['spiffe://cluster.local/ns/x/sa/jane'] }),
      ),
      https('hash.test', mutual('with-ca', { verifyCertificateHash: [hashOf(jane)] })),
      https('spki.test', mutual('with-ca', { verifyCertificateSpki: [spkiOf(jane)] })),
      https('revoked.test', mutual('with-crl')),
    ]),
    everything,
    secret('plain', pair('plain')),
    secret('with-ca', { ...pair('with-ca'), ca: clients.cert }),
    secret('cas', { ca: clients.cert }),
    secret('beside', pair('beside')),
    secret('beside-cacert', { ca: clients.cert }),
    secret('with-crl', { ...pair('with-crl'), ca: clients.cert, crl: clients.revoke(john) }),
  ]);
  // Of jane, john, a stranger, nobody.
  const table: [string, unknown[]][] = [
    ['simple.test', ['v1', 'v1', 'v1', 'v1']],
    ['mutual.test', ['v1', 'v1', 0, 0]],
    ['optional.test', ['v1', 'v1', 0, 'v1']],
    ['beside.test', ['v1', 'v1', 0, 0]],
    ['sans.test', ['v1', 0, 0, 0]],
    ['uri.test', ['v1', 0, 0, 0]],
    ['hash.test', ['v1', 0, 0, 0]],
    ['spki.test', ['v1', 0, 0, 0]],
    ['revoked.test', ['v1', 0, 0, 0]],
  ];
  for (const [host, expected] of table) {
    const got = [];
    for (const who of [jane, john, stranger, {}]) got.push(await ask(host, who));
    t.strictSame(got, expected, host);
  }
  t.equal(
    (await scene.askSecure(port, 'simple.test', { ca: ca.cert, rejectUnauthorized: true })).error,
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'clients check names themselves',
  );
  const plain = await exchange({ host: scene.at, port }, 'GET / HTTP/1.1\r\n\r\n');
  t.ok(plain.text === '' && plain.end !== 'timeout', 'plain HTTP is turned away');
  t.equal(await ask('nobody.test'), 0, 'a name of no server');
});

t.test('what the backend is told of the client', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [
      https('mutual.test', { mode: 'MUTUAL', credentialName: 'with-ca' }),
      https('simple.test', { mode: 'SIMPLE', credentialName: 'with-ca' }),
    ]),
    everything,
    secret('with-ca', { ...pair('with-ca'), ca: clients.cert }),
  ]);
  const forged = { 'x-echo': '1', 'x-forwarded-client-cert': 'Subject="CN=forged"' };
  const options = { ...jane, headers: forged };
  const { saw } = await scene.askSecure(port, 'mutual.test', options);
  const told = String(saw['x-forwarded-client-cert']);
  t.match(told, `Hash=${hashOf(jane)}`);
  t.match(told, 'Subject="CN=jane"');
  t.match(told, 'URI=spiffe://cluster.local/ns/x/sa/jane');
  t.match(told, 'DNS=jane.test');
  t.notMatch(told, 'forged');
  const simple = await scene.askSecure(port, 'simple.test', { headers: forged });
  t.equal(simple.status, 200);
  t.equal(simple.saw['x-forwarded-client-cert'], undefined, 'not what a client makes up');
  t.equal(simple.saw['x-forwarded-proto'], 'https');
});

t.test('what a handshake agrees on', { timeout: 60_000 }, async (t) => {
  const tls = (more: object) => ({ mode: 'SIMPLE', credentialName: 'plain', ...more });
  await scene.write('edge', [
    scene.gateway('edge', [
      https('any.test', tls({})),
      https('modern.test', tls({ minProtocolVersion: 'TLSV1_3' })),
      https(
        'old.test',
        tls({
          maxProtocolVersion: 'TLSV1_2',
          cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
        }),
      ),
      https('curve.test', tls({ ecdhCurves: ['P-384'] })),
    ]),
    everything,
    secret('plain', pair('plain')),
  ]);
  const agreed = async (host: string, options: object = {}) => {
    const { version, cipher } = await scene.handshake(port, host, options);
    return [version, cipher];
  };
  const old = { maxVersion: 'TLSv1.2' };
  const older = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  t.equal((await agreed('any.test'))[0], 'TLSv1.3');
  t.equal((await agreed('any.test', old))[0], 'TLSv1.2');
  t.equal((await agreed('any.test', older))[0], '', 'nothing below 1.2');
  t.equal((await agreed('modern.test'))[0], 'TLSv1.3');
  t.equal((await agreed('modern.test', old))[0], '', 'minProtocolVersion');
  t.strictSame(
    await agreed('old.test', {
      ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
    }),
    ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    'maxProtocolVersion and cipherSuites',
  );
  t.equal(
    (await agreed('old.test', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }))[0],
    '',
    'not a suite of the list',
  );
  t.equal((await agreed('curve.test', { ecdhCurve: 'P-384' }))[0], 'TLSv1.3');
  t.equal((await agreed('curve.test', { ecdhCurve: 'P-256' }))[0], '', 'ecdhCurves');
  const protocols = { ALPNProtocols: ['h2', 'http/1.1'] };
  t.equal((await scene.handshake(port, 'any.test', protocols)).alpn, 'h2');
  t.equal(
    (await scene.handshake(port, 'any.test', { ALPNProtocols: ['http/1.1'] })).alpn,
    'http/1.1',
  );
});

t.test('certificates by server name and by key', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-gateway-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const files = (name: string, { cert, key }: KeyPair) => {
    const serverCertificate = join(folder, `${name}.crt`);
    const privateKey = join(folder, `${name}.key`);
    writeFileSync(serverCertificate, cert);
    writeFileSync(privateKey, key);
    return { serverCertificate, privateKey };
  };
  const caCertificates = join(folder, 'ca.crt');
  writeFileSync(caCertificates, clients.cert);
  const caCrl = join(folder, 'ca.crl');
  writeFileSync(caCrl, clients.revoke(john));
  const second = await fleet.freePort();
  await scene.write('edge', [
    scene.gateway('edge', [
      https('a.test', { mode: 'SIMPLE', credentialName: 'a' }),
      https('*.wild.test', { mode: 'SIMPLE', credentialName: 'wild' }),
      https('exact.wild.test', { mode: 'SIMPLE', credentialName: 'b' }),
      https('files.test', { mode: 'SIMPLE', ...files('files', pair('files')) }),
      https('both.test', { mode: 'SIMPLE', credentialNames: ['rsa', 'ec'] }),
      https('file-pair.test', {
        mode: 'SIMPLE',
        tlsCertificates: [
          files('rsa', pairFor('file-pair.test', 'rsa')),
          files('ec', pairFor('file-pair.test', 'ec')),
        ],
      }),
      https('file-mutual.test', {
        ...{ mode: 'MUTUAL', ...files('mutual', pair('mutual')), caCertificates, caCrl },
      }),
      https('*', { mode: 'SIMPLE', credentialName: 'rest' }, second),
    ]),
    everything,
    ...['a', 'b', 'wild', 'rest'].map((name) => secret(name, pair(name))),
    secret('rsa', pairFor('both.test', 'rsa')),
    secret('ec', pairFor('both.test', 'ec')),
  ]);
  const shown = async (host: string, options: object = {}, at = port) =>
    (await scene.handshake(at, host, options)).shown;
  t.equal(await shown('a.test'), 'a');
  t.equal(await shown('x.wild.test'), 'wild');
  t.equal(await shown('exact.wild.test'), 'b', 'an exact name before a wildcard');
  t.equal(await shown('files.test'), 'files', 'certificate files');
  t.equal(await shown('x.test', {}, second), 'rest', 'any name');
  t.equal(await shown('', {}, second), 'rest', 'and none');
  const rsa = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' };
  const ec = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' };
  for (const host of ['both.test', 'file-pair.test']) {
    t.strictSame([await shown(host, rsa), await shown(host, ec)], ['rsa', 'ec'], host);
    t.equal(await shown(host), 'ec', 'what most clients can use');
  }
  t.strictSame(
    [
      await ask('file-mutual.test', jane),
      await ask('file-mutual.test', john),
      await ask('file-mutual.test'),
    ],
    ['v1', 0, 0],
    'MUTUAL by files, with caCrl',
  );
});

t.test('a name of one server is not served by another', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [
      https('a.test', { mode: 'SIMPLE', credentialName: 'plain' }),
      https('private.test', { mode: 'MUTUAL', credentialName: 'with-ca' }),
    ]),
    scene.rule('a', { hosts: ['a.test'], gateways: ['edge'], http: [to('v1')] }),
    scene.rule('private', { hosts: ['private.test'], gateways: ['edge'], http: [to('v2')] }),
    secret('plain', pair('plain')),
    secret('with-ca', { ...pair('with-ca'), ca: clients.cert }),
  ]);
  t.equal(await ask('private.test', jane), 'v2');
  const sneaky = await scene.askSecure(port, 'a.test', { headers: { host: 'private.test' } });
  t.equal(sneaky.status, 404, 'by a Host that is not the name of the handshake');
});

t.test('TLS that is passed on, and TCP', { timeout: 60_000 }, async (t) => {
  const tcp = await tcpBackend(fleet.at(60), 'tcp');
  t.teardown(() => tcp.close());
  const backend = await fleet.freePort();
  for (const [i, name] of ['inner', 'wild'].entries()) {
    const server = createServer(pair(name), (socket) => socket.on('error', () => {}).end(name));
    await new Promise<void>((resolve) => server.listen(backend, fleet.at(61 + i), resolve));
    t.teardown(() => server.close());
  }
  const entry = (name: string, at: number, targetPort: number, protocol: string) =>
    resource('ServiceEntry', name, {
      ...{ hosts: [`${name}.svc.test`], resolution: 'STATIC', location: 'MESH_INTERNAL' },
      ports: [{ number: 9000, name: 'p', protocol, targetPort }],
      endpoints: [{ address: fleet.at(at) }],
    });
  const route = (name: string) => [{ destination: { host: `${name}.svc.test` } }];
  const [plain, secure] = [await fleet.freePort(), await fleet.freePort()];
  await scene.write('edge', [
    scene.gateway('edge', [
      { port, protocol: 'TLS', hosts: ['inner.test', '*.wild.test'], tls: { mode: 'PASSTHROUGH' } },
      https('opened.test', { mode: 'SIMPLE', credentialName: 'opened' }),
      { port: plain, protocol: 'TCP' },
      {
        ...{ port: secure, protocol: 'TLS', hosts: ['db.test'] },
        tls: { mode: 'MUTUAL', credentialName: 'with-ca' },
      },
    ]),
    entry('inner', 61, backend, 'TLS'),
    entry('wild', 62, backend, 'TLS'),
    entry('tcp', 60, tcp.port, 'TCP'),
    scene.rule('sni', {
      ...{ hosts: ['inner.test', '*.wild.test'], gateways: ['edge'] },
      tls: [
        { match: [{ sniHosts: ['inner.test'] }], route: route('inner') },
        { match: [{ port, sniHosts: ['*.wild.test'] }], route: route('wild') },
      ],
    }),
    scene.rule('tcp', {
      ...{ hosts: ['*'], gateways: ['edge'] },
      tcp: [{ match: [{ port: plain }, { port: secure }], route: route('tcp') }],
    }),
    everything,
    secret('opened', pair('opened')),
    secret('with-ca', { ...pair('db'), ca: clients.cert }),
  ]);
  t.equal((await scene.handshake(port, 'inner.test')).shown, 'inner', 'PASSTHROUGH by SNI');
  t.equal((await scene.handshake(port, 'x.wild.test')).shown, 'wild');
  t.equal((await scene.handshake(port, 'other.test')).shown, '', 'a name that no rule has');
  t.equal(await ask('opened.test'), 'v1', 'beside a server that opens TLS');
  t.equal((await exchange({ host: scene.at, port: plain }, 'x')).text, 'tcp:x', 'TCP');
  const mutual = await scene.handshake(secure, 'db.test', { ...jane, say: 'x' });
  t.match(mutual, { shown: 'db', said: 'tcp:x' }, 'TLS that is opened, to TCP');
  t.equal((await scene.handshake(secure, 'db.test', { say: 'x' })).said, '', 'no certificate');
});

t.test('AUTO_PASSTHROUGH', { timeout: 60_000 }, async (t) => {
  const backend = await fleet.freePort();
  const server = createServer(pair('inner'), (socket) => socket.on('error', () => {}).end('inner'));
  await new Promise<void>((resolve) => server.listen(backend, fleet.at(63), resolve));
  t.teardown(() => server.close());
  await scene.write('edge', [
    scene.gateway('edge', [
      {
        ...{ port, protocol: 'TLS', hosts: ['*.svc.test'] },
        tls: { mode: 'AUTO_PASSTHROUGH' },
      },
    ]),
    resource('ServiceEntry', 'inner', {
      ...{ hosts: ['inner.svc.test'], resolution: 'STATIC', location: 'MESH_INTERNAL' },
      ports: [{ number: 9000, name: 'p', protocol: 'TLS', targetPort: backend }],
      endpoints: [{ address: fleet.at(63) }],
    }),
  ]);
  const shown = async (name: string) => (await scene.handshake(port, name)).shown;
  t.equal(await shown('outbound_.9000_._.inner.svc.test'), 'inner', 'the name says where to');
  t.equal(await shown('outbound_.9001_._.inner.svc.test'), '', 'a port that it has not');
  t.equal(await shown(`outbound_.${fleet.port}_._.v1.test`), '', 'a service that is no host');
});

t.test('ISTIO_MUTUAL, by the files of the node', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-gateway-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const fileOf = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const own = pair('mesh');
  const at = fleet.at(5);
  await scene.addRouter(
    at,
    {
      TLS_SERVER_CERT_CHAIN: fileOf('cert.pem', own.cert),
      TLS_SERVER_KEY: fileOf('key.pem', own.key),
      TLS_SERVER_ROOT_CERT: fileOf('root.pem', clients.cert),
    },
    'with-files',
  );
  await scene.mesh.synced(2);
  const server = { ...https('mesh.test', { mode: 'ISTIO_MUTUAL' }), bind: at };
  await scene.write('edge', [
    scene.gateway('edge', [server], { istio: 'with-files' }),
    scene.rule('all', { hosts: ['*'], gateways: ['edge'], http: [to('v1')] }),
  ]);
  const status = async (who: object) =>
    (await scene.askSecure(port, 'mesh.test', { host: at, ...who })).status;
  t.strictSame([await status(jane), await status(stranger), await status({})], [200, 0, 0]);
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    scene.mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
