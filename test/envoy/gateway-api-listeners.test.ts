// Listeners of Gateways of the Gateway API through a real Envoy: which hostname takes a request, who may attach routes,
// TLS that ends here or is passed on, connections, gRPC, and TLS to backends. As the API documents it.
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:tls';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import t from 'tap';
import { freePort } from '../free-port.js';
import { GrpcBackend } from '../grpc/grpc-backend.js';
import { TestCa } from '../xds/certificates.js';
import {
  api,
  conditions,
  GatewayApiScene,
  kubernetesService,
  route,
  web,
  who,
} from './gateway-api-scene.js';
import { until } from './live-mesh.js';
import { tally, tcpBackend } from './tcp-client.js';

const scene = await GatewayApiScene.start(['v1', 'v2', 'v3']);
const [http, other, https, tls, tcp, bad] = [
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
];
const ca = new TestCa('servers');
const clients = new TestCa('clients');
const jane = clients.issue({ commonName: 'jane' });
const to = (name: string, more: object = {}) => ({ name, port: 8080, ...more });
const only = (name: string) => [{ backendRefs: [to(name)] }];
const all = { namespaces: { from: 'All' } };

const secret = (name: string, pair: { cert: string; key: string }, namespace = 'default') => ({
  ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'kubernetes.io/tls' },
  stringData: { 'tls.crt': pair.cert, 'tls.key': pair.key },
});
const grant = (name: string, namespace: string, from: string, kind: string, to: string) =>
  api(
    'ReferenceGrant',
    name,
    {
      from: [{ group: 'gateway.networking.k8s.io', kind: from, namespace: 'default' }],
      to: [{ group: '', kind, name: to }],
    },
    namespace,
  );

const [tcp1, tcp2] = [await tcpBackend('127.0.0.1', 'one'), await tcpBackend('127.0.0.1', 'two')];
const calls = await new GrpcBackend('calls').start('127.0.0.1');
const more = await new GrpcBackend('more').start('127.0.0.1');
const secureServer = (name: string, issuer = ca) =>
  new Promise<number>((resolve) => {
    const server = createTlsServer(
      issuer.issue({ names: [name], commonName: name }),
      (_incoming, outgoing) => {
        outgoing.writeHead(200, { 'x-backend': name });
        outgoing.end('{}');
      },
    );
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
  });
const [good, wrong] = [await secureServer('inner.test'), await secureServer('else.test')];
t.teardown(async () => {
  calls.stop();
  more.stop();
  await Promise.all([tcp1.close(), tcp2.close()]);
});

scene.write(
  'gateway',
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team', labels: { web: 'yes' } } },
  web([
    { name: 'any', port: http, protocol: 'HTTP', allowedRoutes: all },
    { name: 'wild', port: http, protocol: 'HTTP', hostname: '*.wild.test', allowedRoutes: all },
    { name: 'deep', port: http, protocol: 'HTTP', hostname: '*.deep.wild.test' },
    { name: 'very', port: http, protocol: 'HTTP', hostname: 'very.wild.test' },
    {
      ...{ name: 'teams', port: other, protocol: 'HTTP' },
      allowedRoutes: {
        namespaces: { from: 'Selector', selector: { matchLabels: { web: 'yes' } } },
      },
    },
    {
      ...{ name: 'a', port: https, protocol: 'HTTPS', hostname: 'a.test' },
      tls: { certificateRefs: [{ name: 'a' }] },
    },
    {
      ...{ name: 'b', port: https, protocol: 'HTTPS', hostname: 'b.test' },
      tls: { certificateRefs: [{ name: 'b', namespace: 'certs' }] },
    },
    {
      ...{ name: 'denied', port: https, protocol: 'HTTPS', hostname: 'denied.test' },
      tls: { certificateRefs: [{ name: 'hidden', namespace: 'certs' }] },
    },
    {
      ...{ name: 'missing', port: https, protocol: 'HTTPS', hostname: 'missing.test' },
      tls: { certificateRefs: [{ name: 'nobody' }] },
    },
    {
      name: 'pass',
      port: tls,
      protocol: 'TLS',
      hostname: '*.pass.test',
      tls: { mode: 'Passthrough' },
    },
    {
      ...{ name: 'end', port: tls, protocol: 'TLS', hostname: 'end.test' },
      tls: { certificateRefs: [{ name: 'a' }] },
    },
    { name: 'tcp', port: tcp, protocol: 'TCP' },
    { name: 'odd', port: bad, protocol: 'example.com/odd' },
    { name: 'clash', port: http, protocol: 'TCP' },
    {
      ...{ name: 'kinds', port: bad, protocol: 'HTTP' },
      allowedRoutes: { kinds: [{ kind: 'TCPRoute' }, { kind: 'GRPCRoute' }] },
    },
  ]),
  secret('a', ca.issue({ names: ['a.test'], commonName: 'a' })),
  secret('b', ca.issue({ names: ['b.test'], commonName: 'b' }), 'certs'),
  secret('hidden', ca.issue({ commonName: 'hidden' }), 'certs'),
  grant('b', 'certs', 'Gateway', 'Secret', 'b'),
);
const at = (sectionName: string) => ({ parentRefs: [{ name: 'web', sectionName }] });
scene.write(
  'routes',
  route('everywhere', only('v1'), {
    hostnames: ['x.wild.test', 'plain.test', '*.deep.wild.test', 'very.wild.test'],
    parentRefs: [
      { name: 'web', sectionName: 'any' },
      { name: 'web', sectionName: 'wild' },
    ],
  }),
  route('wild', only('v2'), { hostnames: undefined, ...at('wild') }),
  route('deep', only('v3'), { hostnames: ['*.wild.test'], ...at('deep') }),
  api(
    'HTTPRoute',
    'team',
    {
      parentRefs: [{ name: 'web', namespace: 'default' }],
      hostnames: ['team.test'],
      rules: only('mine'),
    },
    'team',
  ),
  route('outsider', only('v1'), { hostnames: undefined, ...at('teams') }),
  route('nobody', only('v1'), at('nothing')),
  route('port', only('v1'), { parentRefs: [{ name: 'web', port: 1 }] }),
  route('no-host', only('v1'), { hostnames: ['c.test'], ...at('a') }),
  route('secure', only('v1'), {
    hostnames: undefined,
    parentRefs: [{ name: 'web', port: https }],
  }),
  api('TLSRoute', 'pass', { ...at('pass'), hostnames: ['x.pass.test'], rules: only('good') }),
  api('TLSRoute', 'pass-any', { ...at('pass'), rules: only('wrong') }),
  api('TLSRoute', 'end', { ...at('end'), rules: only('tcp-one') }),
  api('TCPRoute', 'tcp', {
    ...at('tcp'),
    rules: [{ backendRefs: [to('tcp-one', { weight: 3 }), to('tcp-two', { weight: 1 })] }],
  }),
  api('TCPRoute', 'wrong-kind', { ...at('any'), rules: only('tcp-one') }),
  ...kubernetesService('mine', [scene.backends.get('v1')!.port], { namespace: 'team' }),
  ...kubernetesService('tcp-one', [tcp1.port], { protocol: 'tcp' }),
  ...kubernetesService('tcp-two', [tcp2.port], { protocol: 'tcp' }),
  ...kubernetesService('good', [good], { protocol: 'https' }),
  ...kubernetesService('wrong', [wrong], { protocol: 'https' }),
  ...kubernetesService('more', [more.port], { protocol: 'grpc' }),
  ...kubernetesService('calls', [calls.port], { protocol: 'grpc' }),
  api('GRPCRoute', 'calls', {
    ...at('any'),
    hostnames: ['calls.test'],
    rules: [
      {
        matches: [
          { method: { service: 'demo.Backend', method: 'Call' } },
          { method: { service: 'other.Service' } },
        ],
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: { add: [{ name: 'x-sleep-ms', value: '1' }] },
          },
        ],
        ...only('calls')[0],
      },
      {
        matches: [
          {
            method: { service: 'demo.Backend', method: 'Call' },
            headers: [{ name: 'x-to', value: 'more' }],
          },
          { method: { type: 'RegularExpression', service: 'any\\..*', method: 'Shared' } },
        ],
        backendRefs: [to('calls', { weight: 1 }), to('more', { weight: 3 })],
      },
    ],
  }),
);
await scene.serve();

t.test('the most specific hostname of the listeners of a port takes a request', async (t) => {
  const rows: [string | number, string][] = [
    ['v1', 'plain.test'],
    [404, 'other.test'],
    ['v1', 'x.wild.test'],
    ['v2', 'y.wild.test'],
    ['v3', 'a.deep.wild.test'],
    // Not of the wildcard, and no route of its own.
    [404, 'very.wild.test'],
    // A wildcard is not the name behind it.
    [404, 'wild.test'],
  ];
  for (const [expected, host] of rows) t.equal(await who(http, `${host}/`), expected, host);
});

t.test('who may attach routes, and what the others are told', async (t) => {
  t.equal(await who(other, 'team.test/'), 'v1', 'by the labels of the namespace');
  t.equal(await who(other, 'outsider.test/'), 404);
  const rows: [string, string, string][] = [
    ['HTTPRoute', 'outsider', 'Accepted=False(NotAllowedByListeners)'],
    ['HTTPRoute', 'nobody', 'Accepted=False(NoMatchingParent)'],
    ['HTTPRoute', 'port', 'Accepted=False(NoMatchingParent)'],
    ['HTTPRoute', 'no-host', 'Accepted=False(NoMatchingListenerHostname)'],
    ['TCPRoute', 'wrong-kind', 'Accepted=False(NotAllowedByListeners)'],
    ['HTTPRoute', 'wild', 'Accepted=True(Accepted)'],
  ];
  for (const [kind, name, expected] of rows) {
    t.equal(conditions(scene.status(kind, name))[0], expected, name);
  }
});

t.test('listeners that are not in force leave the others alone', async (t) => {
  const { listeners } = scene.status('Gateway.gateway.networking.k8s.io', 'web') as {
    listeners: { name: string; supportedKinds: { kind: string }[] }[];
  };
  const of = (name: string) => {
    const found = listeners.find((each) => each.name === name)!;
    return [...found.supportedKinds.map(({ kind }) => kind), ...conditions(found)].join(' ');
  };
  const fine = 'Conflicted=False(NoConflicts)';
  t.equal(
    of('denied'),
    `HTTPRoute GRPCRoute Accepted=True(Accepted) ${fine} ResolvedRefs=False(RefNotPermitted) Programmed=False(Invalid)`,
  );
  t.match(of('missing'), /ResolvedRefs=False\(InvalidCertificateRef\)/);
  t.match(of('odd'), /^Accepted=False\(UnsupportedProtocol\)/);
  t.match(of('clash'), /Conflicted=True\(ProtocolConflict\).*Programmed=False\(Invalid\)/);
  t.match(of('kinds'), /^GRPCRoute .*ResolvedRefs=False\(InvalidRouteKinds\)/);
  t.match(of('b'), /Programmed=True\(Programmed\)$/);
  const problems = scene.problems().filter((line) => line.includes('Gateway.'));
  t.strictSame(problems.sort(), [
    'listener-not-accepted Gateway.gateway.networking.k8s.io/web spec.listeners[12].protocol',
    'listener-not-accepted Gateway.gateway.networking.k8s.io/web spec.listeners[13].protocol',
    'unresolved-ref Gateway.gateway.networking.k8s.io/web spec.listeners[14].allowedRoutes.kinds[0]',
    'unresolved-ref Gateway.gateway.networking.k8s.io/web spec.listeners[7].tls.certificateRefs[0]',
    'unresolved-ref Gateway.gateway.networking.k8s.io/web spec.listeners[8].tls.certificateRefs[0]',
  ]);
});

/** The name in the certificate that is shown, and what is answered to `say`. */
function ask(port: number, servername: string, say: string, options: object = {}) {
  return new Promise<[string, string]>((resolve) => {
    let shown = '';
    const socket = connect(
      { host: '127.0.0.1', port, servername, rejectUnauthorized: false, ...options },
      () => {
        shown = String(socket.getPeerCertificate().subject?.CN ?? '');
        socket.write(say);
      },
    );
    const done = (said: string) => {
      socket.destroy();
      resolve([shown, said]);
    };
    socket.setTimeout(5_000, () => done('timeout'));
    socket.on('data', (data) => done(String(data)));
    socket.on('close', () => done(''));
    socket.on('error', () => done(''));
  });
}

const httpAsk = async (servername: string, options: object = {}) => {
  const request = `GET / HTTP/1.1\r\nhost: ${servername}\r\n\r\n`;
  const [shown, said] = await ask(https, servername, request, options);
  return [shown, /x-backend: (\w+)/.exec(said)?.[1] ?? said.split('\r\n')[0]];
};

t.test('TLS that ends here: certificates by name, and of another namespace', async (t) => {
  t.strictSame(await httpAsk('a.test'), ['a', 'v1']);
  t.strictSame(await httpAsk('b.test'), ['b', 'v1'], 'by a ReferenceGrant');
  t.strictSame(await httpAsk('denied.test'), ['', ''], 'without one');
  t.strictSame(await httpAsk('missing.test'), ['', '']);
});

t.test('a certificate comes with its grant, and goes with it', async (t) => {
  await scene.change('grants', grant('hidden', 'certs', 'Gateway', 'Secret', 'hidden'));
  await until(5_000, async () => (await httpAsk('denied.test'))[0] === 'hidden');
  await scene.mesh.applied(() => scene.mesh.remove('grants.yaml'));
  await until(5_000, async () => (await httpAsk('denied.test'))[0] === '');
  t.strictSame(await httpAsk('b.test'), ['b', 'v1']);
});

t.test('TLS by server name: passed on, or ended for connections', async (t) => {
  const hello = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
  t.equal((await ask(tls, 'x.pass.test', hello))[0], 'inner.test');
  t.equal((await ask(tls, 'y.pass.test', hello))[0], 'else.test', 'the listener has the name');
  t.strictSame(await ask(tls, 'end.test', 'hello'), ['a', 'one:hello']);
  t.strictSame(await ask(tls, 'none.test', 'hello'), ['', '']);
});

t.test('TCP, by weight', async (t) => {
  const counts = await tally({ host: '127.0.0.1', port: tcp }, 'hi', 100);
  t.strictSame(Object.keys(counts).sort(), ['one:hi', 'two:hi']);
  // 75 and 25, with a standard deviation of 4.3.
  t.ok(counts['one:hi']! > 50 && counts['one:hi']! < 98, JSON.stringify(counts));
});

t.test('gRPC: methods and services', async (t) => {
  const client = new Client(`127.0.0.1:${http}`, credentials.createInsecure(), {
    'grpc.default_authority': 'calls.test',
  });
  t.teardown(() => client.close());
  const same = (bytes: Buffer) => bytes;
  const call = (method: string, metadata = new Metadata()) =>
    new Promise<string>((resolve) => {
      client.makeUnaryRequest(method, same, same, Buffer.from(''), metadata, (error, value) =>
        resolve(error ? `code ${error.code}` : String(value)),
      );
    });
  t.equal(await call('/demo.Backend/Call'), 'calls');
  t.equal(await call('/other.Service/Any'), 'code 12', 'the backend does not have it');
  t.equal(await call('/demo.Backend/Other'), 'code 12', 'no route: 404 is UNIMPLEMENTED');
  t.equal(calls.calls, 1);
  t.equal(
    await call('/any.Service/Shared'),
    'code 12',
    'by an expression: the backend has no such method',
  );
  const metadata = new Metadata();
  metadata.set('x-to', 'more');
  const found: Record<string, number> = {};
  for (let i = 0; i < 80; i++) {
    const name = await call('/demo.Backend/Call', metadata);
    found[name] = (found[name] ?? 0) + 1;
  }
  // 20 and 60, with a standard deviation of 3.9.
  t.ok(
    found['calls']! > 2 && found['more']! > 40,
    `by metadata and weight: ${JSON.stringify(found)}`,
  );
});

t.test('TLS to backends: the certificate is checked', async (t) => {
  const policy = (name: string, validation: object, target = name) =>
    api('BackendTLSPolicy', name, {
      targetRefs: [{ group: '', kind: 'Service', name: target }],
      validation,
    });
  const cas = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'cas' }] };
  const configMap = {
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cas', namespace: 'default' } },
    data: { 'ca.crt': ca.cert },
  };
  const backends = route('backend', [
    { matches: [{ path: { value: '/good' } }], backendRefs: [to('inner')] },
    { matches: [{ path: { value: '/wrong' } }], backendRefs: [to('outer')] },
    { matches: [{ path: { value: '/san' } }], backendRefs: [to('san')] },
    { matches: [{ path: { value: '/no-ca' } }], backendRefs: [to('no-ca')] },
  ]);
  await scene.change(
    'backend-tls',
    configMap,
    ...kubernetesService('inner', [good]),
    ...kubernetesService('outer', [wrong]),
    ...kubernetesService('san', [wrong]),
    ...kubernetesService('no-ca', [good]),
    backends,
    policy('inner', { ...cas, hostname: 'inner.test' }),
    policy('outer', { ...cas, hostname: 'inner.test' }),
    policy('san', {
      ...cas,
      hostname: 'inner.test',
      subjectAltNames: [{ type: 'Hostname', hostname: 'else.test' }],
    }),
    policy('no-ca', {
      caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'nobody' }],
      hostname: 'inner.test',
    }),
    policy('younger', { ...cas, hostname: 'inner.test' }, 'inner'),
  );
  await until(5_000, async () => (await who(http, 'backend.test/good')) === 'inner.test');
  t.equal(await who(http, 'backend.test/wrong'), 503, 'a certificate of another name');
  t.equal(await who(http, 'backend.test/san'), 'else.test', 'by a name of its own');
  t.equal(await who(http, 'backend.test/no-ca'), 503, 'without CAs nothing is let through');
  const of = (name: string) => conditions(scene.status('BackendTLSPolicy', name));
  t.strictSame(of('inner'), ['Accepted=True(Accepted)', 'ResolvedRefs=True(ResolvedRefs)']);
  t.strictSame(of('no-ca'), [
    'Accepted=False(NoValidCACertificate)',
    'ResolvedRefs=False(InvalidCACertificateRef)',
  ]);
  t.strictSame(of('younger')[0], 'Accepted=False(Conflicted)');
});

t.test('certificates of clients', async (t) => {
  const refs = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'clients' }] };
  const listener = {
    ...{ name: 'a', port: https, protocol: 'HTTPS', hostname: 'a.test' },
    tls: { certificateRefs: [{ name: 'a' }] },
  };
  const gateway = (frontend: object) => [
    {
      ...{ apiVersion: 'v1', kind: 'ConfigMap' },
      metadata: { name: 'clients', namespace: 'default' },
      data: { 'ca.crt': clients.cert },
    },
    secret('a', ca.issue({ names: ['a.test'], commonName: 'a' })),
    web([listener], { tls: { frontend } }),
  ];
  const stranger = ca.issue({ commonName: 'stranger' });
  const answers = async () => {
    const found = [];
    for (const pair of [jane, stranger, {}]) found.push((await httpAsk('a.test', pair))[1]);
    return found;
  };
  await scene.change('gateway', ...gateway({ default: { validation: refs } }));
  await until(5_000, async () => (await answers())[2] !== 'v1');
  t.strictSame(await answers(), ['v1', '', '']);
  const fallback = { ...refs, mode: 'AllowInsecureFallback' };
  await scene.change(
    'gateway',
    ...gateway({
      default: { validation: refs },
      perPort: [{ port: https, tls: { validation: fallback } }],
    }),
  );
  await until(5_000, async () => (await answers())[2] === 'v1');
  t.strictSame(await answers(), ['v1', 'v1', 'v1']);
  const found = conditions(scene.status('Gateway.gateway.networking.k8s.io', 'web'));
  t.ok(found.includes('InsecureFrontendValidationMode=True(ConfigurationChanged)'));
});
