// What a change may cost: which messages are the same objects after an edit, and which proxies share them. Counts are
// of objects made, whatever their content; equal bytes are the snapshot's business.
import t, { type Test } from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { layersOf } from '../../src/lib/layered-map.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { type Rebuilt, rebuilt } from '../../src/translate/rebuilt.js';
import { translate } from '../../src/translate/translate.js';
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
async function edited(edit: Record<string, string | undefined>) {
  const mesh = new CaseMesh();
  const first = await mesh.read(Object.values(start));
  t.strictSame(first.problems, [], 'the start is free of problems');
  const proxy = node();
  const before = translate(viewOf(first.mesh, proxy)).resources;
  const after = Object.values({ ...start, ...edit }).filter((text) => text !== undefined);
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
