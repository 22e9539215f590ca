// What a change may cost: which messages are the same objects after an edit, and which proxies share them. Counts are
// of objects made, whatever their content; equal bytes are the snapshot's business.
import t, { type Test } from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  SECRET,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { layersOf } from '../../src/lib/layered-map.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import { type Rebuilt, rebuilt } from '../../src/translate/rebuilt.js';
import { translate } from '../../src/translate/translate.js';
import { TestCa } from '../xds/certificates.js';
import { CaseMesh } from './case-run.js';

const service = (name: string, options: { namespace?: string; exportTo?: string } = {}) => `
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: ${options.namespace ?? 'default'}
  annotations: ${options.exportTo ? `{networking.istio.io/exportTo: "${options.exportTo}"}` : '{}'}
spec:
  selector: {app: ${name}}
  ports: [{name: http, port: 80}, {name: grpc, port: 90}]
`;
const workload = (name: string, address: string, app = name) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: default}
spec: {address: ${address}, labels: {app: ${app}, version: v1}}
`;
const rule = (policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec:
  host: a
  trafficPolicy: ${policy}
  subsets: [{name: v1, labels: {version: v1}}]
`;
const route = (weight: number) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec:
  hosts: [a]
  http:
    - route:
        - {destination: {host: a, subset: v1}, weight: ${weight}}
        - {destination: {host: a}, weight: ${100 - weight}}
`;
const dns = (endpoint: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dns, namespace: default}
spec:
  hosts: [dns.example.com]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: ${endpoint}}]
`;

/** The documents by name, so that a test edits one and keeps the others as they are. */
const start: Readonly<Record<string, string>> = {
  a: service('a'),
  b: service('b'),
  c: service('c'),
  'a-1': workload('a-1', '10.0.0.1', 'a'),
  'b-1': workload('b-1', '10.0.0.2', 'b'),
  rule: rule('{connectionPool: {tcp: {maxConnections: 5}}}'),
  route: route(10),
  dns: dns('one.example.com'),
};

/** Services a, b and c with two ports each, a with a subset: 8 EDS clusters, and one cluster that resolves a name. */
const edsClusters = 8;
const clusters = edsClusters + 1 + 3;

const client = { id: 'sidecar~10.9.0.1~client.default~x', cluster: 'client' };

function node(labels: Record<string, string> = {}, more: Record<string, unknown> = {}) {
  return parseProxy({ ...client, metadata: { NAMESPACE: 'default', LABELS: labels, ...more } });
}

/** What the client is served before and after an edit (undefined: the document is removed). */
async function edited(
  edit: Record<string, string | undefined>,
  more: Record<string, string> = {},
  labels: Record<string, string> = {},
) {
  const mesh = new CaseMesh();
  const first = await mesh.read(Object.values({ ...start, ...more }));
  t.strictSame(first.problems, [], 'the start is free of problems');
  const proxy = node(labels);
  const before = translate(viewOf(first.mesh, proxy)).resources;
  const after = Object.values({ ...start, ...more, ...edit }).filter((text) => text !== undefined);
  const second = await mesh.read(after);
  t.strictSame(second.problems, [], 'the edit is free of problems');
  return { before, after: translate(viewOf(second.mesh, proxy)).resources };
}

function counts(before: ResourcesByType | undefined, after: ResourcesByType) {
  const byType = rebuilt(before, after);
  const of = (typeUrl: TypeUrl): Rebuilt => byType.get(typeUrl) as Rebuilt;
  return {
    clusters: of(CLUSTER).built,
    endpoints: of(ENDPOINT).built,
    listeners: of(LISTENER).built,
    routes: of(ROUTE).built,
  };
}

const unchanged = { clusters: 0, endpoints: 0, listeners: 0, routes: 0 };

function sameMaps(t: Test, before: ResourcesByType, after: ResourcesByType, types: TypeUrl[]) {
  for (const typeUrl of types) {
    t.equal(after.get(typeUrl), before.get(typeUrl), `${typeUrl}: the same map`);
  }
}

void t.test('the first rule that asks for labels of clients finds them', async (t) => {
  const labels = { app: 'client' };
  const asks = route(10).replace(
    '    - route:',
    '    - match: [{sourceLabels: {app: client}}]\n      route:',
  );
  const { after } = await edited({ route: asks }, {}, labels);
  const { before: anew } = await edited({}, { route: asks }, labels);
  t.strictSame(after.get(ROUTE)?.get('80'), anew.get(ROUTE)?.get('80'), 'as from nothing');
  const { after: other } = await edited({ route: asks }, {}, { app: 'other' });
  t.notSame(other.get(ROUTE)?.get('80'), after.get(ROUTE)?.get('80'), 'others do not match');
});

void t.test('the first translation makes everything', async (t) => {
  const { before } = await edited({});
  t.strictSame(counts(undefined, before), {
    clusters,
    endpoints: edsClusters,
    listeners: before.get(LISTENER)?.size,
    routes: 2,
  });
});

void t.test('no change', async (t) => {
  const { before, after } = await edited({});
  t.strictSame(counts(before, after), unchanged);
  sameMaps(t, before, after, [CLUSTER, ENDPOINT, LISTENER, ROUTE]);
});

void t.test('an endpoint changes: assignments of its service, and nothing else', async (t) => {
  const { before, after } = await edited({ 'a-1': workload('a-1', '10.0.0.7', 'a') });
  t.strictSame(counts(before, after), { ...unchanged, endpoints: 4 });
  sameMaps(t, before, after, [CLUSTER, LISTENER, ROUTE]);
  for (const [name, message] of before.get(ENDPOINT) ?? []) {
    const kept = after.get(ENDPOINT)?.get(name) === message;
    t.equal(kept, !name.endsWith('|a.default.svc.cluster.local'), name);
  }
});

void t.test('an endpoint comes and goes', async (t) => {
  const more = await edited({ 'b-2': workload('b-2', '10.0.0.9', 'b') });
  t.strictSame(counts(more.before, more.after), { ...unchanged, endpoints: 2 });
  const less = await edited({ 'b-1': undefined });
  t.strictSame(counts(less.before, less.after), { ...unchanged, endpoints: 2 });
});

void t.test('a DestinationRule changes: clusters of its host', async (t) => {
  const { before, after } = await edited({ rule: rule('{loadBalancer: {simple: RANDOM}}') });
  t.strictSame(counts(before, after), { ...unchanged, clusters: 4 });
  sameMaps(t, before, after, [ENDPOINT, LISTENER, ROUTE]);
});

void t.test('a DestinationRule with a hash changes routes too', async (t) => {
  const hash = '{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}';
  const { before, after } = await edited({ rule: rule(hash) });
  t.strictSame(counts(before, after), { ...unchanged, clusters: 4, routes: 2 });
});

void t.test('a VirtualService changes: routes that have its host', async (t) => {
  const { before, after } = await edited({ route: route(50) });
  t.strictSame(counts(before, after), { ...unchanged, routes: 2 });
  sameMaps(t, before, after, [CLUSTER, ENDPOINT, LISTENER]);
});

void t.test('a service is added: its clusters, and the routes of its ports', async (t) => {
  const { before, after } = await edited({ d: service('d') });
  t.strictSame(counts(before, after), { clusters: 2, endpoints: 2, listeners: 0, routes: 2 });
});

void t.test('a service that the proxy cannot see changes nothing', async (t) => {
  const hidden = service('hidden', { namespace: 'other', exportTo: '.' });
  const { before, after } = await edited({ hidden });
  t.strictSame(counts(before, after), unchanged);
  sameMaps(t, before, after, [CLUSTER, ENDPOINT, LISTENER, ROUTE]);
});

void t.test('a name to be resolved changes: clusters of its service', async (t) => {
  const { before, after } = await edited({ dns: dns('two.example.com') });
  t.strictSame(counts(before, after), { ...unchanged, clusters: 1 });
  sameMaps(t, before, after, [ENDPOINT, LISTENER, ROUTE]);
});

void t.test('proxies of one scope share what is outbound', async (t) => {
  const { mesh } = await new CaseMesh().read(Object.values(start));
  const plain = translate(viewOf(mesh, node())).resources;
  const server = translate(
    viewOf(mesh, node({ app: 'a', version: 'v1' }, { INSTANCE_IPS: '10.0.0.1' })),
  ).resources;
  for (const typeUrl of [CLUSTER, LISTENER]) {
    const [outbound, own] = layersOf(server.get(typeUrl) ?? new Map());
    t.equal(
      outbound,
      layersOf(plain.get(typeUrl) ?? new Map())[0],
      `${typeUrl}: one layer for all`,
    );
    t.ok((own?.size ?? 0) <= 3, 'besides a few of its own');
  }
  const replica = translate(
    viewOf(mesh, node({ app: 'a', version: 'v1' }, { INSTANCE_IPS: '10.0.0.8' })),
  ).resources;
  sameMaps(t, replica, server, [CLUSTER, ENDPOINT, LISTENER, ROUTE]);
  t.equal(server.get(ENDPOINT), plain.get(ENDPOINT), 'the same assignments');
  t.equal(server.get(ROUTE), plain.get(ROUTE), 'the same routes');
  const own = [...(server.get(CLUSTER) ?? [])].filter(
    ([name, message]) => plain.get(CLUSTER)?.get(name) !== message,
  );
  t.strictSame(
    own.map(([name]) => name),
    ['inbound|80||', 'inbound|90||'],
    'clusters of its own are inbound',
  );
  const listeners = [...(server.get(LISTENER) ?? [])].filter(
    ([name, message]) => plain.get(LISTENER)?.get(name) !== message,
  );
  t.strictSame(
    listeners.map(([name]) => name),
    ['virtualInbound'],
    'and so is the listener',
  );
});

const sidecar = (hosts: readonly string[], app?: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${app ?? 'all'}, namespace: default}
spec:
  ${app ? `workloadSelector: {labels: {app: ${app}}}` : ''}
  egress: [{hosts: ${JSON.stringify(hosts)}}]
`;
const hostOf = (name: string) => `./${name}.default.svc.cluster.local`;

void t.test('a Sidecar lets see less: routes, and no cluster anew', async (t) => {
  const more = { sidecar: sidecar([hostOf('a'), hostOf('b'), hostOf('c')]) };
  const { before, after } = await edited({ sidecar: sidecar([hostOf('a'), hostOf('b')]) }, more);
  t.strictSame(counts(before, after), { ...unchanged, routes: 2 });
  t.notOk(after.get(CLUSTER)?.has('outbound|80||c.default.svc.cluster.local'));
});

void t.test('a Sidecar lets see more: what is added', async (t) => {
  const more = { sidecar: sidecar([hostOf('a')]) };
  const { before, after } = await edited({ sidecar: sidecar([hostOf('a'), hostOf('b')]) }, more);
  t.strictSame(counts(before, after), { clusters: 2, endpoints: 2, listeners: 0, routes: 2 });
});

void t.test('behind a Sidecar, what it hides and Sidecars of others change nothing', async (t) => {
  const more = { sidecar: sidecar([hostOf('b')]), other: sidecar([hostOf('a')], 'other') };
  for (const edit of [
    { other: sidecar([hostOf('c')], 'other') },
    { 'a-1': workload('a-1', '10.0.0.7', 'a') },
    { rule: rule('{loadBalancer: {simple: RANDOM}}') },
    { route: route(50) },
    { d: service('d') },
  ]) {
    const { before, after } = await edited(edit, more);
    t.strictSame(counts(before, after), unchanged, Object.keys(edit).join());
    sameMaps(t, before, after, [CLUSTER, ENDPOINT, LISTENER, ROUTE]);
  }
});

const delegating = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: default}
spec:
  hosts: [b]
  http: [{match: [{uri: {prefix: /c}}], delegate: {name: inner}}, {route: [{destination: {host: b}}]}]
`;
const delegate = (timeout: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inner, namespace: default}
spec:
  http: [{route: [{destination: {host: c}}], timeout: ${timeout}}]
`;

void t.test('a delegate changes: routes that have the host of its root', async (t) => {
  const more = { delegating, delegate: delegate('1s') };
  const { before, after } = await edited({ delegate: delegate('2s') }, more);
  t.strictSame(counts(before, after), { ...unchanged, routes: 2 });
  sameMaps(t, before, after, [CLUSTER, ENDPOINT, LISTENER]);
  const hosts = (resources: ResourcesByType) => {
    const route = resources.get(ROUTE)?.get('80') as { virtual_hosts?: { name: string }[] };
    return route.virtual_hosts ?? [];
  };
  const built = hosts(after).filter((host, i) => host !== hosts(before)[i]);
  t.strictSame(
    built.map(({ name }) => name),
    ['b.default.svc.cluster.local:80'],
    'and in them one virtual host',
  );
});

const selecting = (app: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: selecting, namespace: default}
spec:
  host: b
  workloadSelector: {matchLabels: {app: ${app}}}
  trafficPolicy: {loadBalancer: {simple: RANDOM}}
`;

void t.test(
  'a DestinationRule for selected workloads: clusters of its host, for them',
  async (t) => {
    const labels = { app: 'client' };
    const own = await edited({ selecting: selecting('client') }, {}, labels);
    t.strictSame(counts(own.before, own.after), { ...unchanged, clusters: 2 });
    const others = await edited({ selecting: selecting('other') }, {}, labels);
    t.strictSame(counts(others.before, others.after), unchanged);
  },
);

const filter = (policy: string) => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: filter, namespace: default}
spec:
  configPatches:
    - applyTo: CLUSTER
      match: {context: SIDECAR_OUTBOUND, cluster: {name: outbound|80||b.default.svc.cluster.local}}
      patch: {operation: MERGE, value: {lb_policy: ${policy}}}
`;

void t.test('an EnvoyFilter: what it matches, and it makes no other edit dearer', async (t) => {
  const come = await edited({ filter: filter('RANDOM') });
  t.strictSame(counts(come.before, come.after), { ...unchanged, clusters: 1 });
  const more = { filter: filter('RANDOM') };
  const changed = await edited({ filter: filter('RING_HASH') }, more);
  t.strictSame(counts(changed.before, changed.after), { ...unchanged, clusters: 1 });
  const endpoint = await edited({ 'a-1': workload('a-1', '10.0.0.7', 'a') }, more);
  t.strictSame(counts(endpoint.before, endpoint.after), { ...unchanged, endpoints: 4 });
  const weights = await edited({ route: route(50) }, more);
  t.strictSame(counts(weights.before, weights.after), { ...unchanged, routes: 2 });
});

const config = (seconds: number) => `
apiVersion: networking.istio.io/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {connectTimeout: ${seconds}s}
`;

void t.test(
  'MeshConfig: all is made anew, and what comes out equal keeps its version',
  async (t) => {
    const { before, after } = await edited({ config: config(2) }, { config: config(1) });
    const [old, next] = [buildSnapshot(before), buildSnapshot(after)];
    const changed = [...next.types].filter(
      ([typeUrl, { version }]) => old.types.get(typeUrl)?.version !== version,
    );
    t.strictSame(
      changed.map(([typeUrl]) => typeUrl),
      [CLUSTER],
    );
  },
);

const router = parseProxy({
  id: 'router~10.9.0.9~gw.default~default.svc.cluster.local',
  cluster: 'gw',
  metadata: { NAMESPACE: 'default', LABELS: { istio: 'ingressgateway' } },
});
const servers = new TestCa();
const secret = (name: string, { cert, key } = servers.issue({ names: [`${name}.test`] })) => `
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: default}
stringData: {tls.crt: ${JSON.stringify(cert)}, tls.key: ${JSON.stringify(key)}}
`;
const gateway = (name: string, hosts: string[], istio = 'ingressgateway') => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: default}
spec:
  selector: {istio: ${istio}}
  servers:
    - port: {number: 443, name: https-${name}, protocol: HTTPS}
      hosts: ${JSON.stringify(hosts)}
      tls: {mode: SIMPLE, credentialName: ${name}}
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ${JSON.stringify(hosts)}
`;
const bound = (name: string, to: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bound-${name}, namespace: default}
spec: {hosts: [${name}.test], gateways: [${name}], http: [{route: [{destination: {host: ${to}}}]}]}
`;
const edge: Readonly<Record<string, string>> = {
  ...start,
  one: gateway('one', ['one.test']),
  two: gateway('two', ['two.test']),
  'secret-one': secret('one'),
  'secret-two': secret('two'),
  'bound-one': bound('one', 'a'),
  'bound-two': bound('two', 'b'),
};

/** What a router is served anew after an edit: names by type. */
async function routerEdited(edit: Record<string, string | undefined>) {
  const mesh = new CaseMesh();
  const first = await mesh.read(Object.values(edge));
  t.strictSame(first.problems, []);
  const before = translate(viewOf(first.mesh, router)).resources;
  const texts = Object.values({ ...edge, ...edit }).filter((text) => text !== undefined);
  const second = await mesh.read(texts);
  const after = translate(viewOf(second.mesh, router)).resources;
  const of = (typeUrl: TypeUrl) =>
    [...(after.get(typeUrl) ?? [])]
      .filter(([name, message]) => before.get(typeUrl)?.get(name) !== message)
      .map(([name]) => name)
      .sort();
  return {
    ...{ clusters: of(CLUSTER), endpoints: of(ENDPOINT), listeners: of(LISTENER) },
    ...{ routes: of(ROUTE), secrets: of(SECRET) },
  };
}

const none = { clusters: [], endpoints: [], listeners: [], routes: [], secrets: [] };

void t.test('at a router: the order in which Gateways were first seen is nothing', async (t) => {
  const [first, second] = [new CaseMesh(), new CaseMesh()];
  const { one, two, ...rest } = edge;
  await first.read([...Object.values(rest), one!]);
  const later = await first.read(Object.values(edge));
  await second.read([...Object.values(rest), two!]);
  const other = await second.read(Object.values(edge));
  const versions = [later, other].map(({ mesh }) =>
    [...buildSnapshot(translate(viewOf(mesh, router)).resources).types].map(
      ([typeUrl, { version }]) => `${typeUrl} ${version}`,
    ),
  );
  t.strictSame(versions[0], versions[1]);
});

void t.test('at a router: what an edit makes anew', async (t) => {
  t.strictSame(await routerEdited({}), none, 'nothing');
  t.strictSame(
    await routerEdited({ 'secret-one': secret('one') }),
    { ...none, secrets: ['kubernetes://one'] },
    'a certificate: itself',
  );
  t.strictSame(
    await routerEdited({ 'bound-one': bound('one', 'c') }),
    { ...none, routes: ['http.80', 'https.443.https-one.one.default'] },
    'a rule: the routes of its Gateway',
  );
  t.strictSame(
    await routerEdited({ one: gateway('one', ['one.test', 'more.test']) }),
    { ...none, listeners: ['0.0.0.0_443'] },
    'hosts that no rule has: the listener that tells them apart',
  );
  t.strictSame(
    await routerEdited({ three: gateway('three', ['three.test'], 'other') }),
    none,
    'a Gateway of other routers',
  );
  t.strictSame(await routerEdited({ 'secret-more': secret('more') }), none, 'another Secret');
  t.strictSame(await routerEdited({ route: route(50) }), none, 'a rule of the mesh');
  t.strictSame(
    await routerEdited({ 'a-1': workload('a-1', '10.0.0.7', 'a') }),
    {
      ...none,
      endpoints: [80, 90].flatMap((port) =>
        ['v1', ''].map((subset) => `outbound|${port}|${subset}|a.default.svc.cluster.local`),
      ),
    },
    'endpoints: themselves',
  );
});
