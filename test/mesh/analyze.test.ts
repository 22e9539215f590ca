import t from 'tap';
import { formatPath } from '../../src/kinds/problem.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analysisSteps, analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { input, make, routeTo, rule, service, virtualService, workload } from './resources.js';

/** `severity code Kind/name path`, sorted. */
function findings(...resources: readonly Resource[]): string[] {
  return analyzeMesh(buildMesh(input(...resources)))
    .map(({ severity, code, resource, path }) => {
      const who = resource && `${resource.kind}/${resource.name}`;
      return `${severity} ${code} ${who} ${formatPath(path ?? [])}`;
    })
    .sort();
}

const one = workload('w', { address: '10.0.0.1', labels: { app: 'a', version: 'v1' } });
const a = service('a');
const to = (destination: object, more: object = {}) => ({ route: [{ destination, ...more }] });
const routes = (...http: object[]) => virtualService('v', { hosts: ['a'], http });

t.test('nothing to say', async (t) => {
  const subsets = [{ name: 'v1', labels: { version: 'v1' } }];
  t.strictSame(
    findings(a, one, rule('r', 'a', { subsets }), routes(to({ host: 'a', subset: 'v1' }))),
    [],
  );
});

t.test('findings made bit by bit are found', async (t) => {
  const mesh = buildMesh(input(a, one, routes(to({ host: 'nowhere' }))));
  let steps = 0;
  for (const _ of analysisSteps(mesh)) steps++;
  t.ok(steps > 5, 'in more than a few steps');
  const [finding] = analyzeMesh(mesh);
  t.match(finding, { code: 'unknown-host' });
  t.equal(analyzeMesh(mesh)[0], finding, 'and not made again');
});

t.test('destinations', async (t) => {
  const two = service('two', {
    selector: { app: 'a' },
    ports: [
      { name: 'http', port: 80 },
      { name: 'http-b', port: 81 },
    ],
  });
  const hidden = service(
    'hidden',
    { selector: { app: 'a' } },
    { namespace: 'far', annotations: { 'networking.istio.io/exportTo': '.' } },
  );
  const table: [destination: object, expected: string[]][] = [
    [{ host: 'a' }, []],
    [
      { host: 'nowhere' },
      ['error unknown-host VirtualService/v spec.http[0].route[0].destination.host'],
    ],
    [
      { host: 'a.default' },
      ['error unknown-host VirtualService/v spec.http[0].route[0].destination.host'],
    ],
    [
      { host: 'hidden.far.svc.cluster.local' },
      ['error unknown-host VirtualService/v spec.http[0].route[0].destination.host'],
    ],
    [
      { host: 'a', subset: 'v9' },
      ['error unknown-subset VirtualService/v spec.http[0].route[0].destination.subset'],
    ],
    [
      { host: 'a', port: { number: 1 } },
      ['error unknown-port VirtualService/v spec.http[0].route[0].destination.port.number'],
    ],
    [{ host: 'two', port: { number: 81 } }, []],
    [
      { host: 'two' },
      ['warning port-required VirtualService/v spec.http[0].route[0].destination.host'],
    ],
  ];
  for (const [destination, expected] of table) {
    const found = findings(a, one, two, hidden, routes(to(destination))).filter(
      (line) => !line.includes('no-endpoints'),
    );
    t.strictSame(found, expected, JSON.stringify(destination));
  }
  const [hint] = analyzeMesh(buildMesh(input(a, one, routes(to({ host: 'a.default' })))));
  t.match(hint?.message, 'a.default.svc.cluster.local is meant?');
});

t.test('mirrors, tcp and tls have destinations too', async (t) => {
  const rules = virtualService('v', {
    hosts: ['a'],
    http: [
      { ...to({ host: 'a' }), mirror: { host: 'x' }, mirrors: [{ destination: { host: 'y' } }] },
    ],
    tcp: [to({ host: 'z' })],
    tls: [{ match: [{ sniHosts: ['s'] }], ...to({ host: 'q' }) }],
  });
  t.strictSame(findings(a, one, rules), [
    'error unknown-host VirtualService/v spec.http[0].mirror.host',
    'error unknown-host VirtualService/v spec.http[0].mirrors[0].destination.host',
    'error unknown-host VirtualService/v spec.tcp[0].route[0].destination.host',
    'error unknown-host VirtualService/v spec.tls[0].route[0].destination.host',
  ]);
});

t.test('hosts of VirtualServices', async (t) => {
  const first = routeTo('first', 'a');
  t.strictSame(findings(a, one, routeTo('second', 'a'), first), [
    'warning duplicate-host VirtualService/second spec.hosts[0]',
  ]);
  const apart = [
    routeTo('x', 'a', {}, { exportTo: ['x'] }),
    routeTo('y', 'a', {}, { exportTo: ['y'] }),
  ];
  const found = findings(a, one, ...apart).filter((line) => !line.includes('unknown-namespace'));
  t.strictSame(found, [], 'nobody sees both');
  t.strictSame(findings(a, one, virtualService('v', { hosts: ['b'], http: [to({ host: 'a' })] })), [
    'info unregistered-host VirtualService/v spec.hosts[0]',
  ]);
  const port = { number: 80, name: 'http', protocol: 'HTTP' };
  const gateway = make('Gateway', 'gw', { servers: [{ port, hosts: ['*'] }] });
  t.strictSame(findings(a, one, gateway, routeTo('g', 'a', {}, { gateways: ['mesh', 'gw'] })), []);
});

t.test('rules that are never reached', async (t) => {
  const match = (...matches: object[]) => ({ match: matches, ...to({ host: 'a' }) });
  const path = { uri: { prefix: '/x' } };
  const table: [http: object[], expected: string[]][] = [
    [[match(path), to({ host: 'a' })], []],
    [[to({ host: 'a' }), match(path)], ['http[1]']],
    [
      [match({ uri: { prefix: '/' } }), match(path), to({ host: 'a' })],
      ['http[1]', 'http[2]'],
    ],
    [[match({ uri: { prefix: '/' }, method: { exact: 'GET' } }), match(path)], []],
    [[match({ name: 'n' }), match(path)], ['http[1]']],
    [[match(path, {}), match(path)], ['http[1]']],
    [[match(path), match({ ...path, name: 'n' })], ['http[1]']],
    [[match(path), match({ uri: { exact: '/x' } }, path)], ['http[1]']],
    [[match({ port: 80 }), match({ port: 81 })], []],
    [[match({ gateways: ['gw'] }), match(path)], []],
    [[match(path), match({ uri: { prefix: '/y' } }, { uri: { exact: '/x/1' } })], []],
    [[match({ uri: { prefix: '/y' } }, path), match({ uri: { exact: '/x/1' } })], ['http[1]']],
    [[match({ uri: { prefix: '/X' } }), match(path)], []],
    [[match({ uri: { prefix: '/X' }, ignoreUriCase: true }), match(path)], ['http[1]']],
    [[match(path), match({ ...path, ignoreUriCase: true })], []],
    [[match({ uri: { regex: '/x.*' } }), match(path)], []],
    [[match({ headers: { a: {} } }), match({ headers: { a: { exact: '1' } } })], ['http[1]']],
    [[match({ headers: { a: { exact: '1' } } }), match({ headers: { a: {} } })], []],
    [[match({ withoutHeaders: { a: {} } }), match({ headers: { a: {} } })], []],
    [
      [match({ sourceLabels: { a: '1' } }), match({ sourceLabels: { a: '1', b: '2' } })],
      ['http[1]'],
    ],
    [[match({ sourceNamespace: 'n' }), match(path)], []],
  ];
  for (const [http, expected] of table) {
    t.strictSame(
      findings(a, one, routes(...http)).filter((line) => line.includes('unreachable-rule')),
      expected.map((where) => `warning unreachable-rule VirtualService/v spec.${where}`),
      JSON.stringify(http),
    );
  }
});

t.test('matches of a rule that others keep', async (t) => {
  const match = (...matches: object[]) => ({ match: matches, ...to({ host: 'a' }) });
  const paths = [{ uri: { prefix: '/x' } }, { uri: { prefix: '/y' } }, { uri: { exact: '/y/1' } }];
  t.strictSame(findings(a, one, routes(match(paths[0]!), match(paths[1]!, paths[0]!, paths[2]!))), [
    'info ineffective-match VirtualService/v spec.http[1].match[1]',
    'info ineffective-match VirtualService/v spec.http[1].match[2]',
  ]);
});

t.test('connections by server name', async (t) => {
  const tls = (...sniHosts: string[]) => ({ match: [{ sniHosts }], ...to({ host: 'a' }) });
  const rules = virtualService('v', {
    hosts: ['*.x.com', 'a'],
    tls: [tls('*.x.com'), tls('a.x.com'), tls('b.x.com', 'a')],
  });
  t.strictSame(
    findings(a, one, rules),
    ['warning unreachable-rule VirtualService/v spec.tls[1]'],
    'the third has a name of its own',
  );
});

t.test('DestinationRules', async (t) => {
  const subsets = [{ name: 'v9', labels: { version: 'v9' } }, { name: 'all' }];
  t.strictSame(findings(a, one, rule('r', 'a', { subsets })), [
    'warning empty-subset DestinationRule/r spec.subsets[0].labels',
  ]);
  t.strictSame(findings(a, one, rule('r', 'b'), rule('w', '*.com'), rule('ok', '*.local')), [
    'warning unknown-host DestinationRule/r spec.host',
    'warning unknown-host DestinationRule/w spec.host',
  ]);
  const trafficPolicy = { loadBalancer: { simple: 'RANDOM' } };
  const twice = [rule('r1', 'a', { trafficPolicy }), rule('r2', 'a', { trafficPolicy })];
  t.strictSame(findings(a, one, ...twice), [
    'warning duplicate-host DestinationRule/r2 spec.trafficPolicy',
  ]);
  const selecting = (name: string, matchLabels: Record<string, string>) =>
    rule(name, 'a', { trafficPolicy, workloadSelector: { matchLabels } });
  t.strictSame(
    findings(
      a,
      workload('w', { address: '10.0.0.1', labels: { app: 'a', v: '1' } }),
      selecting('s1', { app: 'a', v: '1' }),
      selecting('s2', { v: '1', app: 'a' }),
      selecting('s3', { app: 'a' }),
      rule('all', 'a', { trafficPolicy }),
    ),
    ['warning duplicate-host DestinationRule/s2 spec.trafficPolicy'],
    'rules for the same labels meet',
  );
});

t.test('services', async (t) => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'web', port: 81 },
  ];
  t.strictSame(findings(service('a', { ports }), one), [
    'info undeclared-protocol Service/a spec.ports[1]',
  ]);
  const entry = make('ServiceEntry', 'e', {
    hosts: ['x.com', 'y.com'],
    ports: [{ number: 80, name: 'http' }],
  });
  t.strictSame(findings(entry), [
    'info undeclared-protocol ServiceEntry/e spec.ports[0]',
    'warning addresses-required ServiceEntry/e spec.ports[0]',
  ]);
  t.strictSame(findings(a), ['info no-endpoints Service/a spec.selector']);
});

t.test('instances of a WorkloadGroup may come', async (t) => {
  const group = make('WorkloadGroup', 'g', {
    metadata: { labels: { app: 'a', version: 'v2' } },
    template: {},
  });
  const subsets = (version: string) => [{ name: 's', labels: { version } }];
  t.strictSame(findings(a, group), [], 'its labels are those of the selector');
  t.strictSame(findings(a, one, group, rule('r', 'a', { subsets: subsets('v2') })), []);
  t.strictSame(findings(a, one, group, rule('r', 'a', { subsets: subsets('v9') })), [
    'warning empty-subset DestinationRule/r spec.subsets[0].labels',
  ]);
  const other = make('WorkloadGroup', 'g', { template: { labels: { app: 'b' } } });
  t.strictSame(findings(a, other), ['info no-endpoints Service/a spec.selector']);
  const elsewhere = make('WorkloadGroup', 'g', group.spec as object, { namespace: 'far' });
  t.strictSame(findings(a, elsewhere), ['info no-endpoints Service/a spec.selector']);
});
