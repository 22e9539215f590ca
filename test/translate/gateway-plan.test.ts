// Which servers of Gateways a router serves together, and which of two that cannot is refused: the older stands. Whole
// meshes go in, and the plan is asked; listeners and traffic are in test/cases/gateway-* and test/envoy/gateway-*.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { formatPath } from '../../src/kinds/problem.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { gatewayPlan } from '../../src/translate/gateway-plan.js';
import { type KeyPair, TestCa } from '../xds/certificates.js';
import { CaseMesh } from './case-run.js';

const ca = new TestCa();
const secretOf = (name: string, { cert, key }: KeyPair) =>
  JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' } },
    stringData: { 'tls.crt': cert, 'tls.key': key },
  });
const secret = secretOf('good', ca.issue({ names: ['a.test'] }));

interface Server {
  port: number;
  protocol: string;
  hosts?: string[];
  bind?: string;
  tls?: object;
}

const http = (port: number, ...hosts: string[]): Server => ({ port, protocol: 'HTTP', hosts });
const tcp = (port: number): Server => ({ port, protocol: 'TCP' });
const https = (port: number, hosts: string[], tls: object = {}): Server => ({
  ...{ port, protocol: 'HTTPS', hosts },
  tls: { mode: 'SIMPLE', credentialName: 'good', ...tls },
});
const passthrough = (port: number, ...hosts: string[]): Server => ({
  ...{ port, protocol: 'TLS', hosts },
  tls: { mode: 'PASSTHROUGH' },
});

/** Older ones first; their names are in the other order. */
function gateways(...each: Server[][]): string[] {
  return each.map((servers, age) =>
    JSON.stringify({
      ...{ apiVersion: 'networking.istio.io/v1', kind: 'Gateway' },
      metadata: {
        ...{ name: `g${9 - age}`, namespace: 'default' },
        creationTimestamp: new Date(1_700_000_000_000 + age * 60_000).toISOString(),
      },
      spec: {
        servers: servers.map(({ port, protocol, hosts = ['*'], ...more }, i) => ({
          ...{ port: { number: port, protocol, name: `p${i}` }, hosts },
          ...more,
        })),
      },
    }),
  );
}

/** Routes for TCP and for every server name that a passed-on server has. */
const rule = JSON.stringify({
  ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' },
  metadata: { name: 'v', namespace: 'default' },
  spec: {
    hosts: ['*'],
    gateways: ['g9', 'g8', 'g7'],
    http: [{ directResponse: { status: 200 } }],
    tcp: [{ route: [{ destination: { host: 'backend' } }] }],
    tls: ['a.test', 'b.test', 'x.wild.test'].map((name) => ({
      ...{ match: [{ sniHosts: [name] }], route: [{ destination: { host: 'backend' } }] },
    })),
  },
});

async function planned(documents: readonly string[], ips = '10.0.0.1', version = '') {
  const { mesh } = await new CaseMesh().read(
    [...documents, rule, secret].map((text) => `${text}\n`),
  );
  const proxy = parseProxy({
    id: 'router~10.0.0.1~gw.default~default.svc.cluster.local',
    cluster: 'gw',
    metadata: {
      ...{ NAMESPACE: 'default', LABELS: { istio: 'ingressgateway' } },
      INSTANCE_IPS: ips,
    },
    version,
  });
  const { listeners, routes, servers, problems } = gatewayPlan(viewOf(mesh, proxy));
  return {
    listeners: listeners.map(({ name, chains }) => [
      name,
      chains.map(({ serverNames }) => serverNames?.join(' ') ?? '*').join(' | '),
    ]),
    quic: listeners.flatMap(({ quic = [] }) => quic.map((it) => it.serverNames?.join(' ') ?? '*')),
    routes: routes.map(({ name: route }) => route),
    refused: servers
      .filter(({ refused }) => refused)
      .map(({ gateway, server }) => {
        const [, , index] = server.path;
        return `${gateway.name.replace('default/', '')}[${index}]`;
      }),
    problems: problems.map(
      ({ code, severity, resource, path = [] }) =>
        `${severity} ${code} ${resource?.name} ${formatPath(path)}`,
    ),
  };
}

interface Row {
  name: string;
  given: Server[][];
  listeners: [string, string][];
  refused?: string[];
  problems?: string[];
}

const rows: Row[] = [
  {
    name: 'HTTP of several Gateways',
    given: [[http(80, 'a.test')], [http(80, 'b.test'), http(81, 'b.test')]],
    listeners: [
      ['0.0.0.0_80', '*'],
      ['0.0.0.0_81', '*'],
    ],
  },
  {
    name: 'TCP where HTTP is',
    given: [[http(80, 'a.test')], [tcp(80), tcp(81)]],
    listeners: [
      ['0.0.0.0_80', '*'],
      ['0.0.0.0_81', '*'],
    ],
    refused: ['g8[0]'],
    problems: ['error gateway-conflict g8 spec.servers[0].port.protocol'],
  },
  {
    name: 'HTTP where TCP is',
    given: [[tcp(80)], [http(80, 'a.test')]],
    listeners: [['0.0.0.0_80', '*']],
    refused: ['g8[0]'],
    problems: ['error gateway-conflict g8 spec.servers[0].port.protocol'],
  },
  {
    name: 'TCP twice',
    given: [[tcp(80)], [tcp(80)]],
    listeners: [['0.0.0.0_80', '*']],
    refused: ['g8[0]'],
    problems: ['error gateway-conflict g8 spec.servers[0].port.protocol'],
  },
  {
    name: 'HTTP where TLS is',
    given: [[https(443, ['a.test'])], [http(443, 'b.test')]],
    listeners: [['0.0.0.0_443', 'a.test']],
    refused: ['g8[0]'],
    problems: ['error gateway-conflict g8 spec.servers[0].port.protocol'],
  },
  {
    name: 'TLS that is opened and TLS that is passed on',
    given: [[passthrough(443, 'a.test', '*.wild.test')], [https(443, ['c.test'])]],
    listeners: [['0.0.0.0_443', 'a.test | c.test | x.wild.test']],
  },
  {
    name: 'one server name twice',
    given: [[https(443, ['a.test'])], [https(443, ['a.test'])]],
    listeners: [['0.0.0.0_443', 'a.test']],
    refused: ['g8[0]'],
    problems: ['error gateway-conflict g8 spec.servers[0].hosts'],
  },
  {
    name: 'some of the server names',
    given: [[https(443, ['a.test'])], [https(443, ['a.test', 'b.test'])]],
    listeners: [['0.0.0.0_443', 'a.test | b.test']],
    problems: ['warning gateway-conflict g8 spec.servers[0].hosts'],
  },
  {
    name: 'a name and a wildcard that covers it',
    given: [[https(443, ['*.test'])], [https(443, ['a.test'])], [https(443, ['*'])]],
    listeners: [['0.0.0.0_443', '*.test | a.test | *']],
  },
  {
    name: 'addresses apart',
    given: [
      [{ ...http(80, 'a.test'), bind: '10.0.0.1' }],
      [{ ...tcp(80), bind: '10.0.0.2' }],
      [{ ...http(80, 'a.test'), bind: 'unix:///run/a.sock' }],
    ],
    listeners: [
      ['10.0.0.1_80', '*'],
      ['10.0.0.2_80', '*'],
      ['unix:///run/a.sock_80', '*'],
    ],
  },
  {
    name: 'one address in several forms',
    given: [
      [http(80, 'a.test')],
      [
        { ...http(80, 'b.test'), bind: '0.0.0.0' },
        { ...http(81, 'b.test'), bind: '::1' },
      ],
      [{ ...http(81, 'a.test'), bind: '0:0::1' }],
    ],
    listeners: [
      ['0.0.0.0_80', '*'],
      ['::1_81', '*'],
    ],
  },
  {
    name: "the proxy's own ports, at any address that is written out",
    given: [[{ ...http(15021, '*'), bind: '0.0.0.0' }, http(80, '*')]],
    listeners: [['0.0.0.0_80', '*']],
    refused: ['g9[0]'],
    problems: ['error reserved-port g9 spec.servers[0].port'],
  },
  {
    name: "the proxy's own ports",
    given: [[http(15021, '*'), http(15090, '*'), http(80, '*')]],
    listeners: [['0.0.0.0_80', '*']],
    refused: ['g9[0]', 'g9[1]'],
    problems: [
      'error reserved-port g9 spec.servers[0].port',
      'error reserved-port g9 spec.servers[1].port',
    ],
  },
  {
    name: 'a certificate that is not there leaves its names to others',
    given: [[https(443, ['a.test'], { credentialName: 'missing' })], [https(443, ['a.test'])]],
    listeners: [['0.0.0.0_443', 'a.test']],
    refused: ['g9[0]'],
    problems: ['error invalid-credential g9 spec.servers[0].tls.credentialName'],
  },
  {
    name: 'a server that is refused does not hold its port',
    given: [[https(443, ['a.test'], { credentialName: 'missing' })], [http(443, 'a.test')]],
    listeners: [['0.0.0.0_443', '*']],
    refused: ['g9[0]'],
    problems: ['error invalid-credential g9 spec.servers[0].tls.credentialName'],
  },
];

for (const { name, given, listeners, refused = [], problems = [] } of rows) {
  t.test(name, async (t) => {
    const documents = gateways(...given);
    const plan = await planned(documents);
    const { routes: _, quic: __, ...decided } = plan;
    t.strictSame(decided, { listeners, refused, problems });
    t.strictSame(await planned([...documents].reverse()), plan, 'in any order of documents');
  });
}

t.test('any address of one family beside any address of both', async (t) => {
  const both = '10.0.0.1,fd00::1';
  const v4 = { ...http(80, 'a.test'), bind: '0.0.0.0' };
  const v6 = { ...http(80, 'b.test'), bind: '::' };
  const problems = ['error gateway-conflict g8 spec.servers[0].bind'];
  t.match(await planned(gateways([http(80, '*')], [v4], [http(80, 'a.test')]), both), {
    ...{ listeners: [['0.0.0.0_80', '*']], refused: ['g8[0]'], problems },
  });
  t.match(await planned(gateways([v6], [http(80, '*')]), both), {
    ...{ listeners: [['::_80', '*']], refused: ['g8[0]'], problems },
  });
  t.match(await planned(gateways([v4], [v6]), both), {
    listeners: [
      ['0.0.0.0_80', '*'],
      ['::_80', '*'],
    ],
    routes: ['http.80.0.0.0.0', 'http.80.::'],
    refused: [],
  });
});

t.test('HTTP/3 with a key that Envoy cannot use over QUIC', async (t) => {
  const keys = generateKeyPairSync('ed25519');
  const odd = {
    cert: ca.certify(keys.publicKey),
    key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const [gateway = ''] = gateways([
    https(443, ['a.test']),
    https(443, ['b.test'], { credentialName: 'odd' }),
    { ...https(444, ['c.test']), bind: 'unix:///run/c' },
  ]);
  const parsed = JSON.parse(gateway) as { metadata: object };
  const annotations = { 'fairlead.io/http3': 'true' };
  const http3 = { ...parsed, metadata: { ...parsed.metadata, annotations } };
  const plan = await planned([JSON.stringify(http3), secretOf('odd', odd)]);
  t.strictSame(plan.listeners, [
    ['0.0.0.0_443', 'a.test | b.test'],
    ['unix:///run/c_444', 'c.test'],
  ]);
  t.strictSame(plan.quic, ['a.test'], 'nor is a Unix socket for QUIC');
  t.strictSame(plan.problems, ['warning invalid-credential g9 spec.servers[1].tls']);
});

t.test('HTTP/3 with client certificates is for an Envoy that checks them', async (t) => {
  const files = { serverCertificate: '/c', privateKey: '/k', caCertificates: '/ca' };
  const [gateway = ''] = gateways([
    https(443, ['a.test']),
    { ...https(443, ['b.test']), tls: { mode: 'MUTUAL', ...files } },
  ]);
  const http3 = gateway.replace(
    '"metadata":{',
    '"metadata":{"annotations":{"fairlead.io/http3":"true"},',
  );
  const quic = async (version: string) => (await planned([http3], '10.0.0.1', version)).quic;
  t.strictSame(await quic('1.40.0'), ['a.test', 'b.test']);
  t.strictSame(await quic('1.39.1'), ['a.test']);
  t.strictSame(await quic(''), ['a.test'], 'a version that is not known');
});

t.test('two names that make one name of routes', async (t) => {
  const named = (name: string, portName: string, server: Server) =>
    gateways([server])[0]!.replace('"g9"', `"${name}"`).replace('"p0"', `"${portName}"`);
  const given = [
    named('c', 'a.b', https(443, ['a.test'])),
    named('b.c', 'a', https(443, ['b.test'])),
  ];
  const plan = await planned(given);
  t.strictSame(plan.routes, ['https.443.a.b.c.default']);
  t.equal(plan.refused.length, 1);
  t.match(plan.problems, [/^error gateway-conflict .* spec.servers\[0\].port.name$/]);
});

const entry = (host: string) =>
  JSON.stringify({
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' },
    metadata: { name: `of-${host.replaceAll('*', 'any')}`, namespace: 'default' },
    spec: {
      hosts: [host],
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
      resolution: 'NONE',
    },
  });

t.test('a rule for a server name that an older one has leaves the others alone', async (t) => {
  const late = JSON.stringify({
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' },
    metadata: { name: 'w', namespace: 'default' },
    spec: {
      ...{ hosts: ['a.test'], gateways: ['g9'] },
      tls: [
        { match: [{ sniHosts: ['a.test'] }], route: [{ destination: { host: 'other' } }] },
        { match: [{ sniHosts: ['a.test'] }], route: [{ destination: { host: 'third' } }] },
      ],
    },
  });
  const given = gateways([passthrough(443, 'a.test', 'b.test')]);
  t.match(await planned([rule, ...given, late]), {
    listeners: [['0.0.0.0_443', 'a.test | b.test']],
    refused: [],
    problems: ['warning gateway-conflict g9 spec.servers[0].hosts'],
  });
});

t.test('AUTO_PASSTHROUGH to services with a name', async (t) => {
  const server = { port: 443, protocol: 'TLS', tls: { mode: 'AUTO_PASSTHROUGH' } };
  const given = [entry('*.wild.test'), entry('a.wild.test'), ...gateways([server])];
  const { listeners, refused } = await planned(given);
  t.strictSame(listeners, [['0.0.0.0_443', 'outbound_.443_._.a.wild.test']]);
  t.strictSame(refused, []);
});

t.test('ports of a Service that lead to one port', async (t) => {
  const service = JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'gw', namespace: 'default' } },
    spec: {
      selector: { istio: 'ingressgateway' },
      ports: [
        { name: 'a', port: 80, targetPort: 8080 },
        { name: 'b', port: 81, targetPort: 8080 },
        { name: 'c', port: 82, targetPort: 8080 },
      ],
    },
  });
  const given = gateways([http(80, 'a.test'), http(81, 'b.test')], [tcp(82)]);
  const { listeners, refused } = await planned([service, ...given]);
  t.strictSame(listeners, [['0.0.0.0_8080', '*']]);
  t.strictSame(refused, ['g8[0]']);
});
