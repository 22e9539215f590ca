// Delegates: how a route and the routes of the VirtualService that it goes on in become one. Expectations are those
// of the Istio API (Delegate) and of Istio's merge rules: a match of the delegate must be a part of one of the root's.
import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { mergeRules } from '../../src/mesh/delegate.js';
import type { HttpMatch, HttpRule } from '../../src/mesh/rules.js';
import { viewOf } from '../../src/mesh/view.js';
import { input, type Meta, make, service, sidecar } from './resources.js';

const to = (host: string) => [{ destination: { host } }];
const vs = (name: string, spec: object, meta?: Meta) => make('VirtualService', name, spec, meta);

/** The path prefixes and destinations of the rules that a client of `default` sees for host `a`. */
function seen(...resources: readonly Resource[]): string[] {
  const mesh = buildMesh(input(service('a'), service('b'), ...resources));
  return viewOf(mesh, sidecar('default')).outbound.virtualServices.flatMap(({ http }) =>
    http.map(({ match, route }) => {
      const paths = (match ?? []).map(({ uri }) => uri?.prefix ?? uri?.exact ?? '*').join(',');
      return `${paths} ${route?.[0]?.destination.host.split('.').slice(0, 2).join('.')}`;
    }),
  );
}

const codes = (...resources: readonly Resource[]) =>
  analyzeMesh(buildMesh(input(service('a'), service('b'), ...resources)))
    .filter(({ code }) => code.includes('delegate'))
    .map(({ code, resource }) => `${code} ${resource?.namespace}/${resource?.name}`);

const root = (delegate: object, match?: HttpMatch[], meta?: Meta) =>
  vs('root', { hosts: ['a'], http: [{ match, delegate }, { route: to('a') }] }, meta);

t.test('routes of the delegate stand in the place of the one that names it', async (t) => {
  const inner = vs('inner', {
    http: [{ match: [{ uri: { prefix: '/x/1' } }], route: to('b') }, { route: to('a') }],
  });
  const outer = root({ name: 'inner' }, [{ uri: { prefix: '/x' } }]);
  t.strictSame(seen(outer, inner), ['/x/1 b.default', '/x a.default', ' a.default']);
  t.strictSame(codes(outer, inner), []);
});

t.test('a delegate of another namespace, and hosts relative to it', async (t) => {
  const inner = vs('inner', { http: [{ route: to('b') }] }, { namespace: 'shop' });
  t.strictSame(seen(root({ name: 'inner', namespace: 'shop' }), inner)[0], ' b.shop');
  t.strictSame(seen(root({ name: 'inner' }), inner), [' a.default'], 'not found: left out');
  const hidden = vs(
    'inner',
    { exportTo: ['.'], http: [{ route: to('b') }] },
    { namespace: 'shop' },
  );
  t.strictSame(seen(root({ name: 'inner', namespace: 'shop' }), hidden), [' a.default']);
});

t.test('what is told about it', async (t) => {
  const inner = vs('inner', { http: [{ match: [{ uri: { prefix: '/y' } }], route: to('b') }] });
  t.strictSame(codes(root({ name: 'other' })), ['unknown-delegate default/root']);
  t.strictSame(codes(inner), ['unused-delegate default/inner']);
  t.strictSame(codes(root({ name: 'inner' }, [{ uri: { prefix: '/x' } }]), inner), [
    'delegate-conflict default/root',
  ]);
});

t.test('a delegate with hosts is none', async (t) => {
  const inner = vs('inner', { hosts: ['b'], http: [{ route: to('b') }] });
  t.strictSame(codes(root({ name: 'inner' }), inner), ['unknown-delegate default/root']);
});

t.test('an edit of the delegate changes the root, and only then', async (t) => {
  const outer = root({ name: 'inner' });
  const other = vs('other', { hosts: ['b'], http: [{ route: to('b') }] });
  const first = buildMesh(
    input(service('a'), outer, other, vs('inner', { http: [{ route: to('b') }] })),
  );
  const [rootBefore, otherBefore] = first.virtualServices;
  const inner = vs('inner', { http: [{ route: to('a') }] });
  const second = buildMesh(input(service('a'), outer, other, inner), first);
  const third = buildMesh(input(service('a'), outer, other, inner, service('c')), second);
  t.not(second.virtualServices[0], rootBefore);
  t.equal(second.virtualServices[1], otherBefore);
  t.equal(third.virtualServices, second.virtualServices);
});

const conflicts: [string, HttpMatch, HttpMatch, boolean][] = [
  ['prefix within prefix', { uri: { prefix: '/a' } }, { uri: { prefix: '/a/b' } }, false],
  ['prefix outside', { uri: { prefix: '/a/b' } }, { uri: { prefix: '/a' } }, true],
  ['exact within prefix', { uri: { prefix: '/a' } }, { uri: { exact: '/ab' } }, false],
  ['prefix within exact', { uri: { exact: '/a' } }, { uri: { prefix: '/a' } }, true],
  ['the same exact', { uri: { exact: '/a' } }, { uri: { exact: '/a' } }, false],
  ['a regex is compared with nothing', { uri: { regex: '/a' } }, { uri: { regex: '/a' } }, true],
  ['a regex against nothing', {}, { uri: { regex: '/a' } }, false],
  ['presence is not compared', { headers: { x: {} } }, { headers: { x: { exact: '1' } } }, true],
  ['different headers', { headers: { x: {} } }, { headers: { y: { exact: '1' } } }, false],
  ['case', { ignoreUriCase: true }, {}, true],
  ['ports', { port: 80 }, { port: 81 }, true],
  ['one port', { port: 80 }, {}, false],
  ['namespace not repeated', { sourceNamespace: 'a' }, {}, true],
  ['labels', { sourceLabels: { app: 'a' } }, { sourceLabels: { app: 'b' } }, true],
  ['more labels', { sourceLabels: { app: 'a' } }, { sourceLabels: { v: 'b' } }, false],
  ['gateways', { gateways: ['mesh'] }, { gateways: ['n/g'] }, true],
];
for (const [name, outer, inner, conflict] of conflicts) {
  t.test(`match: ${name}`, async (t) => {
    const merged = mergeRules({ match: [outer], delegate: {} }, { match: [inner] });
    t.equal(merged === undefined, conflict);
  });
}

t.test('matches are joined, and each part of each', async (t) => {
  const outer: HttpRule = {
    name: 'outer',
    match: [
      { name: 'm', uri: { prefix: '/a' }, headers: { x: { exact: '1' } } },
      { uri: { prefix: '/' } },
    ],
    delegate: { name: 'inner' },
  };
  const merged = mergeRules(outer, {
    name: 'inner',
    match: [{ name: 'n', uri: { prefix: '/a/b' }, headers: { y: { exact: '2' } } }],
  });
  t.equal(merged?.name, 'outer-inner');
  t.strictSame(merged?.match, [
    { name: 'm-n', uri: { prefix: '/a/b' }, headers: { x: { exact: '1' }, y: { exact: '2' } } },
    { name: 'n', uri: { prefix: '/a/b' }, headers: { y: { exact: '2' } } },
  ]);
});

t.test('what the delegate leaves open is inherited', async (t) => {
  const merged = mergeRules(
    {
      timeout: 1000,
      retries: { attempts: 2 },
      delegate: {},
      headers: { request: { remove: ['a'] } },
    },
    { timeout: 5, route: to('b') as NonNullable<HttpRule['route']> },
  );
  t.strictSame(merged, {
    timeout: 5,
    retries: { attempts: 2 },
    headers: { request: { remove: ['a'] } },
    route: to('b'),
    match: [],
  });
});
