// The Gateway API as the mesh keeps it: which Gateways and routes are in force and what the others are told, what stays
// the same object when something else changes, and that the order of resources does not matter. What the routes do to
// requests is tested with real Envoys (test/envoy/gateway-api-*.test.ts).
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeGatewayApi } from '../../src/mesh/analyze-gateway-api.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { supportedFeatures } from '../../src/mesh/gateway-api/features.js';
import { replacePrefix } from '../../src/mesh/gateway-api/path-rewrite.js';
import { rankOf } from '../../src/mesh/gateway-api/precedence.js';
import { statusOf } from '../../src/mesh/gateway-api/status.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { HttpMatch } from '../../src/mesh/rules.js';
import { viewOf } from '../../src/mesh/view.js';
import { input, make, service } from './resources.js';

let firstSeen = 10_000;

/** A resource of the Gateway API as the store hands it over. */
function api(kind: string, name: string, spec: object, namespace = 'default'): Resource {
  const { resource, problems } = parseResource({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name, namespace, generation: 7 },
    spec,
  });
  if (resource === undefined) throw new Error(JSON.stringify(problems));
  return { ...resource, age: { firstSeen: firstSeen++ } };
}

const listener = (name: string, more: object = {}) => ({
  ...{ name, port: 80, protocol: 'HTTP' },
  ...more,
});
const gateway = (listeners: object[] = [listener('http')], more: object = {}) =>
  api('Gateway', 'web', { gatewayClassName: 'istio', listeners, ...more });
const route = (name: string, more: object = {}, namespace?: string) =>
  api(
    'HTTPRoute',
    name,
    {
      parentRefs: [{ name: 'web' }],
      rules: [{ backendRefs: [{ name: 'a', port: 8080 }] }],
      ...more,
    },
    namespace,
  );

const nobody = { programmed: () => false, addresses: () => [] };

interface Condition {
  type: string;
  status: string;
  reason: string;
  observedGeneration?: number;
}

/** `Type=Status Reason` of every condition in a status. */
function told(mesh: Mesh, resource: Resource, facts = nobody): string[] {
  const walk = (value: unknown): string[] => {
    if (Array.isArray(value)) return value.flatMap(walk);
    if (value === null || typeof value !== 'object') return [];
    const { type, status, reason } = value as Condition;
    if (typeof status === 'string') return [`${type}=${status} ${reason}`];
    return Object.values(value).flatMap(walk);
  };
  return walk(statusOf(mesh.gatewayApi, resource, facts));
}

const meshOf = (...resources: Resource[]) => buildMesh(input(service('a'), ...resources));
const allWell = ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'];

t.test('classes: ours, Istio’s, and those of others', async (t) => {
  const classOf = (name: string, controllerName: string) =>
    api('GatewayClass', name, { controllerName });
  const ours = classOf('mine', 'fairlead.io/gateway-controller');
  const others = classOf('theirs', 'example.com/controller');
  const istio = classOf('istio', 'example.com/other');
  const of = (gatewayClassName: string) => gateway(undefined, { gatewayClassName });
  const count = (...resources: Resource[]) => meshOf(...resources).gateways.length;
  t.equal(count(of('istio')), 1, 'without a GatewayClass');
  t.equal(count(of('fairlead')), 1);
  t.equal(count(of('nginx')), 0);
  t.equal(count(of('mine'), ours), 1);
  t.equal(count(of('theirs'), others), 0);
  t.equal(count(of('istio'), istio), 0, 'a GatewayClass says whose it is');
  const mesh = meshOf(ours, others, of('theirs'));
  t.strictSame(told(mesh, ours), ['Accepted=True Accepted']);
  t.equal(statusOf(mesh.gatewayApi, others, nobody), undefined, 'not ours to say');
  t.match(statusOf(mesh.gatewayApi, ours, nobody), {
    conditions: [{ observedGeneration: 7 }],
    supportedFeatures: [{ name: supportedFeatures[0] }],
  });
});

t.test('docs/gateway-api.md has the same features as the status of a GatewayClass', async (t) => {
  const page = readFileSync(new URL('../../docs/gateway-api.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| (\w+) \| (yes|no) \| (.+) \|$/gm)];
  const supported = rows.filter(([, , is]) => is === 'yes').map(([, name]) => name);
  t.strictSame(supported.sort(), [...supportedFeatures].sort());
  t.strictSame([...supportedFeatures].sort(), supportedFeatures, 'sorted');
});

t.test('which routers', async (t) => {
  const router = (labels: Record<string, string>, namespace = 'default') =>
    parseProxy({
      id: `router~10.0.0.1~gw.${namespace}~${namespace}.svc.cluster.local`,
      cluster: 'gw',
      metadata: { NAMESPACE: namespace, LABELS: labels },
    });
  const serves = (mesh: Mesh, labels: Record<string, string>, namespace?: string) =>
    viewOf(mesh, router(labels, namespace)).gateway?.gateways.length;
  const byLabel = meshOf(gateway());
  const name = { 'gateway.networking.k8s.io/gateway-name': 'web' };
  t.equal(serves(byLabel, name), 1);
  t.equal(serves(byLabel, { 'istio.io/gateway-name': 'web' }), 1);
  t.equal(serves(byLabel, name, 'other'), 0, 'of the namespace of the Gateway');
  t.equal(serves(byLabel, {}), 0);
  const named = gateway(undefined, {
    addresses: [{ type: 'Hostname', value: 'edge.infra.svc.cluster.local' }],
  });
  const edge = service('edge', { selector: { app: 'edge' } }, { namespace: 'infra' });
  const bySelector = meshOf(named, edge);
  t.equal(serves(bySelector, { app: 'edge' }, 'infra'), 1);
  t.equal(serves(bySelector, name), 0);
  t.equal(serves(bySelector, {}, 'infra'), 0);
  const noSelector = service('edge', { selector: {} }, { namespace: 'infra' });
  for (const mesh of [meshOf(named), meshOf(named, noSelector)]) {
    t.equal(mesh.gateways.length, 0, 'never all routers');
    t.equal(told(mesh, named)[0], 'Accepted=False UnsupportedAddress');
  }
});

t.test('a listener is programmed when a router has acknowledged it', async (t) => {
  const web = gateway();
  const mesh = meshOf(web);
  const programmed = (said: boolean | string) =>
    told(mesh, web, { programmed: () => said, addresses: () => [] } as unknown as typeof nobody)
      .filter((line) => line.startsWith('Programmed'))
      .join(', ');
  t.equal(programmed(true), 'Programmed=True Programmed, Programmed=True Programmed');
  t.equal(programmed(false), 'Programmed=False Pending, Programmed=False Pending');
  t.equal(programmed('its port is taken'), 'Programmed=False Invalid, Programmed=False Invalid');
});

t.test('parents and references', async (t) => {
  const web = gateway([listener('http', { hostname: '*.example.com' })]);
  const rows: [string, Resource, string[]][] = [
    ['fine', route('r'), allWell],
    ['a hostname within', route('r', { hostnames: ['a.example.com', 'b.test'] }), allWell],
    ['a hostname around', route('r', { hostnames: ['*.com'] }), allWell],
    [
      'a wildcard is not the name behind it',
      route('r', { hostnames: ['example.com'] }),
      ['Accepted=False NoMatchingListenerHostname', allWell[1]!],
    ],
    [
      'another namespace',
      route('r', { parentRefs: [{ name: 'web', namespace: 'default' }] }, 'other'),
      ['Accepted=False NotAllowedByListeners', 'ResolvedRefs=False BackendNotFound'],
    ],
    [
      'no such listener',
      route('r', { parentRefs: [{ name: 'web', sectionName: 'https' }] }),
      ['Accepted=False NoMatchingParent', allWell[1]!],
    ],
    [
      'a kind of its own',
      route('r', { rules: [{ backendRefs: [{ kind: 'Bucket', name: 'a', port: 1 }] }] }),
      [allWell[0]!, 'ResolvedRefs=False InvalidKind'],
    ],
    [
      'a Service of another namespace',
      route('r', { rules: [{ backendRefs: [{ name: 'a', namespace: 'other', port: 8080 }] }] }),
      [allWell[0]!, 'ResolvedRefs=False RefNotPermitted'],
    ],
    ['another controller', route('r', { parentRefs: [{ group: 'x.io', name: 'y' }] }), []],
    [
      'no Gateway at all',
      route('r', { parentRefs: [{ name: 'missing' }] }),
      ['Accepted=False NoMatchingParent', allWell[1]!],
    ],
  ];
  for (const [what, resource, expected] of rows) {
    t.strictSame(told(meshOf(web, resource), resource), expected, what);
  }
});

t.test('parameters, and backends without requests', async (t) => {
  const parametersRef = { group: '', kind: 'ConfigMap', name: 'parameters' };
  const web = gateway(undefined, { infrastructure: { parametersRef } });
  const mesh = meshOf(web);
  t.equal(told(mesh, web)[0], 'Accepted=False InvalidParameters');
  t.equal(mesh.gateways.length, 0);
  t.equal(told(meshOf(web, make('ConfigMap', 'parameters', {})), web)[0], allWell[0]);
  const backendRefs = [
    { name: 'a', port: 8080 },
    { name: 'nobody', port: 8080, weight: 0 },
  ];
  const unused = route('r', { rules: [{ backendRefs }] });
  t.strictSame(told(meshOf(gateway(), unused), unused), allWell);
});

t.test('parents and features that are not read yet are reported', async (t) => {
  const parents = [{ group: 'gateway.networking.k8s.io', kind: 'ListenerSet', name: 'more' }];
  const inMesh = [{ group: '', kind: 'Service', name: 'a' }];
  const rules = [{ sessionPersistence: {}, backendRefs: [{ name: 'a', port: 8080 }] }];
  const mesh = meshOf(
    route('sets', { parentRefs: parents }),
    route('sessions', { parentRefs: inMesh, rules }),
  );
  t.strictSame(
    analyzeGatewayApi(mesh).map(({ code, path }) => `${code} ${path?.join('.')}`),
    ['not-implemented spec.rules.0.sessionPersistence', 'not-implemented spec.parentRefs.0'],
  );
});

t.test('grants are for a kind, a namespace, and a name where one is given', async (t) => {
  const far = service('far', {}, { namespace: 'other' });
  const near = route('r', {
    rules: [{ backendRefs: [{ name: 'far', namespace: 'other', port: 8080 }] }],
  });
  const group = 'gateway.networking.k8s.io';
  const grant = (from: object, to: object, namespace = 'other') =>
    api('ReferenceGrant', 'g', { from: [from], to: [to] }, namespace);
  const from = { group, kind: 'HTTPRoute', namespace: 'default' };
  const to = { group: '', kind: 'Service' };
  const permitted = (...grants: Resource[]) =>
    told(meshOf(gateway(), far, near, ...grants), near)[1] === allWell[1];
  t.notOk(permitted());
  t.ok(permitted(grant(from, to)));
  t.ok(permitted(grant(from, { ...to, name: 'far' })));
  t.notOk(permitted(grant(from, { ...to, name: 'other' })));
  t.notOk(permitted(grant({ ...from, kind: 'GRPCRoute' }, to)));
  t.notOk(permitted(grant({ ...from, namespace: 'third' }, to)));
  t.notOk(permitted(grant({ ...from, group: '' }, to)));
  t.notOk(permitted(grant(from, to, 'default')), 'it must be where the Service is');
});

t.test('what did not change is the same object', async (t) => {
  const resources = [gateway(), route('r', { hostnames: ['r.test'] }), route('other')];
  const before = buildMesh(input(service('a'), service('b'), ...resources));
  const same = (name: string, ...more: Resource[]) => {
    const all = [service('b'), ...more];
    const old = before.parts.sorted.Service.sorted.filter((each) => each.name === 'a');
    const after = buildMesh(input(...old, ...all, ...resources), before);
    t.equal(after.gateways, before.gateways, `gateways: ${name}`);
    return after.virtualServices;
  };
  t.equal(same('another Service'), before.virtualServices);
  t.equal(same('a Secret', make('Secret', 's', {})), before.virtualServices);
  t.equal(same('a ConfigMap', make('ConfigMap', 'c', {})), before.virtualServices);
  const third = same('a route more', route('third', { hostnames: ['third.test'] }));
  t.ok(
    before.virtualServices.every((rule) => third.includes(rule)),
    'the others stand',
  );
  const mesh = buildMesh(
    input(service('a'), resources[0]!, route('r', { hostnames: ['x.test'] }), resources[2]!),
    before,
  );
  const unchanged = before.virtualServices.filter((rule) => mesh.virtualServices.includes(rule));
  t.strictSame(
    unchanged.map(({ source }) => source.name),
    ['other'],
    'only what was edited is new',
  );
});

t.test('any order gives the same', async (t) => {
  const resources = [
    gateway([listener('a'), listener('b', { hostname: '*.x.test' })]),
    route('one', { hostnames: ['y.x.test', 'z.test'] }),
    route('two', { hostnames: ['y.x.test'] }),
    route('three'),
    api('TCPRoute', 'tcp', { parentRefs: [{ name: 'web' }], rules: [{}] }),
    service('a'),
  ];
  const shown = (list: Resource[]) => {
    const { gateways, virtualServices, gatewayApi } = buildMesh(input(...list));
    const statuses = resources.map((each) => statusOf(gatewayApi, each, nobody));
    return JSON.stringify([gateways, virtualServices, statuses]);
  };
  const expected = shown(resources);
  for (let turn = 0; turn < resources.length; turn++) {
    const turned = [...resources.slice(turn), ...resources.slice(0, turn)];
    t.equal(shown(turned), expected);
    t.equal(shown(turned.reverse()), expected);
  }
});

t.test('replacing a prefix', async (t) => {
  const rows: [string, string, string, string][] = [
    ['/foo', '/xyz', '/foo/bar', '/xyz/bar'],
    ['/foo', '/xyz/', '/foo/bar', '/xyz/bar'],
    ['/foo/', '/xyz', '/foo/bar', '/xyz/bar'],
    ['/foo/', '/xyz/', '/foo/bar', '/xyz/bar'],
    ['/foo', '/xyz', '/foo', '/xyz'],
    ['/foo/', '/xyz', '/foo/', '/xyz/'],
    ['/foo', '', '/foo/bar', '/bar'],
    ['/foo/', '/', '/foo/bar', '/bar'],
    ['/foo', '/', '/foo', '/'],
    ['/', '/xyz', '/bar', '/xyz/bar'],
    ['/a.b', '/', '/a.b/c', '/c'],
    ['/foo', 'xyz', '/foo/bar', '/xyz/bar'],
  ];
  for (const [prefix, replacement, path, expected] of rows) {
    const found = replacePrefix(prefix, replacement);
    const made =
      'uri' in found
        ? // As Envoy's prefix_rewrite with a prefix of whole elements.
          found.uri + path.slice(prefix.replace(/\/+$/, '').length || 1)
        : path.replace(new RegExp(found.uriRegexRewrite.match), found.uriRegexRewrite.rewrite);
    t.equal(made, expected, `${prefix} -> ${replacement}: ${path}`);
  }
});

t.test('ranks', async (t) => {
  const matches: HttpMatch[] = [
    { uri: { exact: '/a' } },
    { pathPrefix: '/longer', headers: {} },
    { pathPrefix: '/a', method: { exact: 'GET' } },
    { pathPrefix: '/a', headers: { a: {}, b: {} } },
    { pathPrefix: '/a', headers: { a: {} }, queryParams: { b: {} } },
    { pathPrefix: '/a', headers: { a: {} } },
    { uri: { regex: '/a.*' } },
    { uri: { prefix: '/' }, method: { exact: 'GET' } },
    { uri: { prefix: '/' } },
  ];
  const ordered = matches.map(rankOf);
  for (let i = 1; i < ordered.length; i++) {
    const [above, below] = [ordered[i - 1]!, ordered[i]!];
    const at = above.findIndex((value, j) => value !== below[j]);
    t.ok(above[at]! > below[at]!, `${i}`);
  }
});
