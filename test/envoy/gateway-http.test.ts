// Gateways of plain HTTP through a real Envoy: which hosts and rules a server serves, how rules of one host are put
// together, redirects, ports of the gateway's Service, and servers that cannot stand side by side. As Istio documents
// Gateway and the `gateways` of VirtualServices.
import t from 'tap';
import type { ProblemStatus } from '../../src/status/state.js';
import { resource } from './fleet.js';
import { GatewayMesh, to } from './gateway-mesh.js';

const scene = await GatewayMesh.start(['v1', 'v2']);
const { fleet } = scene;
const port = await fleet.freePort();
const second = await fleet.freePort();

/** Who answered, or the status. */
async function who(host: string, path = '/', at = port): Promise<string | number> {
  const { name, status } = await fleet.ask(host, { path, port: at });
  return status === 200 ? name : status;
}

/** `code Gateway/name path`, of errors and warnings. */
const told = (problems: readonly ProblemStatus[]) =>
  problems
    .filter(({ severity }) => severity !== 'info')
    .map(({ code, resource: at, path }) => `${code} ${at?.kind}/${at?.name} ${path}`);

const prefix = (path: string, more: object = {}) => [{ uri: { prefix: path }, ...more }];

t.test('hosts, and whose rules may have them', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [
      {
        port,
        hosts: [
          '*.example.com',
          'Exact.test',
          './own.test',
          'team/theirs.test',
          'team/*.team.test',
        ],
      },
    ]),
    scene.rule('a', {
      hosts: ['a.example.com', 'exact.test', 'own.test', 'theirs.test', 'elsewhere.test'],
      gateways: ['edge'],
      http: [to('v1')],
    }),
    scene.rule('wild', { hosts: ['*.shop.example.com'], gateways: ['edge'], http: [to('v2')] }),
    scene.rule(
      'theirs',
      { hosts: ['theirs.test'], gateways: ['default/edge'], http: [to('v2')] },
      { namespace: 'team' },
    ),
    scene.rule(
      'any',
      { hosts: ['*'], gateways: ['default/edge'], http: [to('v2')] },
      { namespace: 'team' },
    ),
    // Not bound to any Gateway.
    scene.rule('mesh-only', { hosts: ['mesh.example.com'], http: [to('v1')] }),
  ]);
  const table: [string, string | number][] = [
    ['a.example.com', 'v1'],
    ['A.EXAMPLE.com', 'v1'],
    [`a.example.com:${port}`, 'v1'],
    ['exact.test', 'v1'],
    ['own.test', 'v1'],
    ['elsewhere.test', 404],
    // Of the team's rules: what its host is, and what of `*` the server has for the team.
    ['theirs.test', 'v2'],
    ['x.team.test', 'v2'],
    ['x.shop.example.com', 'v2'],
    ['y.x.shop.example.com', 'v2'],
    // `*` of the team meets `*.example.com`, which any namespace may have.
    ['mesh.example.com', 'v2'],
    ['example.com', 404],
    ['nobody.test', 404],
  ];
  for (const [host, expected] of table) t.equal(await who(host), expected, host);
});

t.test('rules of one host are put together, the oldest first', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [{ port, hosts: ['one.test'] }]),
    scene.rule(
      'z-old',
      {
        hosts: ['one.test'],
        gateways: ['edge'],
        http: [
          { match: prefix('/both'), ...to('v1') },
          { match: prefix('/old'), ...to('v1') },
          to('v1'),
        ],
      },
      { age: 1 },
    ),
    scene.rule(
      'a-young',
      {
        hosts: ['one.test'],
        gateways: ['edge'],
        http: [
          { match: prefix('/both'), ...to('v2') },
          { match: prefix('/young'), ...to('v2') },
          to('v2'),
        ],
      },
      { age: 2 },
    ),
  ]);
  t.equal(await who('one.test', '/old'), 'v1');
  t.equal(await who('one.test', '/young'), 'v2', 'not hidden by the older one that takes all');
  t.equal(await who('one.test', '/both'), 'v1', 'the older goes first');
  t.equal(await who('one.test', '/x'), 'v1', 'of two that take all too');
});

t.test('delegates', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [{ port, hosts: ['shop.test'] }]),
    scene.rule('root', {
      hosts: ['shop.test'],
      gateways: ['edge'],
      http: [
        { match: prefix('/cart'), delegate: { name: 'cart', namespace: 'team' } },
        { match: prefix('/list'), delegate: { name: 'list' } },
      ],
    }),
    scene.rule(
      'cart',
      { http: [{ match: prefix('/cart/v2'), ...to('v2') }, to('v1')] },
      { namespace: 'team' },
    ),
    scene.rule('list', {
      http: [{ match: prefix('/list'), rewrite: { uri: '/all' }, ...to('v2') }],
    }),
  ]);
  t.equal(await who('shop.test', '/cart/v2/x'), 'v2');
  t.equal(await who('shop.test', '/cart/x'), 'v1');
  t.equal((await fleet.ask('shop.test', { port, path: '/list/x' })).path, '/all/x');
  t.equal(await who('shop.test', '/x'), 404);
});

t.test('gateways and port of a match', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [{ port }, { port: second }]),
    scene.gateway('third', [{ port, hosts: ['third.test'] }]),
    scene.rule('matches', {
      hosts: ['match.test', 'third.test'],
      gateways: ['edge', 'third', 'mesh'],
      http: [
        { match: prefix('/mesh', { gateways: ['mesh'] }), ...to('v1') },
        { match: prefix('/', { gateways: ['third'] }), ...to('v1') },
        { match: prefix('/', { port: second }), ...to('v2') },
        { match: prefix('/named', { gateways: ['default/edge', 'mesh'] }), ...to('v2') },
      ],
    }),
  ]);
  t.equal(await who('match.test', '/mesh'), 404, 'what is for the mesh is not for a gateway');
  t.equal(await who('match.test', '/x', second), 'v2', 'port');
  t.equal(await who('match.test', '/x'), 404, 'port of another server');
  t.equal(await who('match.test', '/named'), 'v2', 'gateways');
  t.equal(await who('third.test', '/x'), 'v1', 'at the port that two Gateways share');
});

t.test('httpsRedirect', { timeout: 60_000 }, async (t) => {
  await scene.write('edge', [
    scene.gateway('edge', [{ port, hosts: ['plain.test'] }]),
    scene.gateway('redirects', [
      { port, hosts: ['ruled.test', 'bare.test'], tls: { httpsRedirect: true } },
    ]),
    scene.rule('rule', {
      hosts: ['ruled.test', 'plain.test'],
      gateways: ['edge', 'redirects'],
      http: [to('v1')],
    }),
  ]);
  for (const host of ['ruled.test', 'bare.test']) {
    const { status, headers } = await fleet.ask(host, { port, path: '/a?b=c' });
    t.strictSame([status, headers.location], [301, `https://${host}/a?b=c`], host);
  }
  t.equal(await who('plain.test'), 'v1', 'another server of the port');
});

t.test('ports of the Service of the gateway', { timeout: 60_000 }, async (t) => {
  const service = (targetPort: number) => ({
    ...{ apiVersion: 'v1', kind: 'Service' },
    metadata: { name: 'istio-ingressgateway', namespace: 'default' },
    spec: {
      selector: { istio: 'ingressgateway' },
      ports: [{ name: 'http2', port: 80, targetPort }],
    },
  });
  const resources = [
    scene.gateway('edge', [{ port: 80, hosts: ['mapped.test'] }]),
    scene.rule('mapped', {
      hosts: ['mapped.test'],
      gateways: ['edge'],
      http: [{ match: prefix('/', { port: 80 }), ...to('v1') }],
    }),
  ];
  await scene.write('edge', [...resources, service(port)]);
  t.equal(await who('mapped.test'), 'v1', 'targetPort; a match names the port of the Gateway');
  await scene.write('edge', [...resources, service(second)]);
  t.equal(await who('mapped.test', '/', second), 'v1', 'and another targetPort');
});

t.test('servers that cannot stand side by side', { timeout: 60_000 }, async (t) => {
  const third = await fleet.freePort();
  const younger = (servers: Parameters<typeof scene.gateway>[1]) =>
    scene.gateway('a-younger', servers, { age: 2 });
  const base = [
    scene.gateway(
      'z-older',
      [
        { port, hosts: ['old.test'] },
        { port: second, protocol: 'TCP' },
      ],
      { age: 1 },
    ),
    scene.rule('all', { hosts: ['*'], gateways: ['z-older', 'a-younger'], http: [to('v1')] }),
    scene.rule('tcp', {
      hosts: ['*'],
      gateways: ['z-older'],
      tcp: [{ route: [{ destination: { host: 'v1.test', port: { number: fleet.port } } }] }],
    }),
  ];
  const problems = await scene.writeAnyhow('edge', [
    younger([
      { port, protocol: 'TCP' },
      { port: second, hosts: ['young.test'] },
      { port: third, hosts: ['young.test'] },
    ]),
    ...base,
  ]);
  t.strictSame(told(problems), [
    'gateway-conflict Gateway/a-younger spec.servers[0].port.protocol',
    'gateway-conflict Gateway/a-younger spec.servers[1].port.protocol',
  ]);
  t.match(problems[0]?.position, { file: /edge\.yaml$/, line: 1 }, 'with its place');
  t.match(problems[0]?.message, /default\/z-older/, 'says who has it');
  t.equal(await who('old.test'), 'v1', 'the older one is served');
  t.equal(await who('young.test', '/', third), 'v1', 'and the rest of the younger');
  t.equal(await who('young.test'), 404);

  await scene.write('edge', [...base, younger([{ port, hosts: ['young.test'] }])]);
  t.equal(await who('young.test'), 'v1', 'HTTP beside HTTP is no conflict');
});

t.test('a Gateway of other routers, and one that goes', { timeout: 60_000 }, async (t) => {
  const foreign = resource('Gateway', 'edge', {
    selector: { istio: 'egressgateway' },
    servers: [
      { port: { number: port, name: 'http', protocol: 'HTTP' }, bind: scene.at, hosts: ['*'] },
    ],
  });
  const rule = scene.rule('all', { hosts: ['*'], gateways: ['edge'], http: [to('v1')] });
  await scene.write('edge', [scene.gateway('edge', [{ port }]), rule]);
  t.equal(await who('any.test'), 'v1');
  await scene.write('edge', [foreign, rule]);
  await t.rejects(fleet.ask('any.test', { port, fresh: true }), { code: 'ECONNREFUSED' });
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    // What is wrong with the tests' own files is said as well, and has a code.
    scene.mesh.log.filter(({ level, fields }) => level === 'error' && !('code' in fields)),
    [],
  );
});
