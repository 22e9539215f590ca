// What EnvoyFilters cost and share: proxies with the same patches share what they shared without, resources that no
// patch is for stay the same objects, and an edit builds what it touches. What patches do is in test/cases/ef-*.
import t from 'tap';
import { toJson } from '../../../src/envoy/codec.js';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST } from '../../../src/envoy/resource.js';
import { layersOf } from '../../../src/lib/layered-map.js';
import type { Mesh } from '../../../src/mesh/build-mesh.js';
import { parseProxy } from '../../../src/mesh/parse-proxy.js';
import { viewOf } from '../../../src/mesh/view.js';
import { rebuilt } from '../../../src/translate/rebuilt.js';
import { sourcesOf } from '../../../src/translate/sources.js';
import { translate } from '../../../src/translate/translate.js';
import { CaseMesh } from '../case-run.js';

const service = (name: string, port = 80) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {selector: {app: ${name}}, ports: [{name: http, port: ${port}}]}
`;
const filter = (name: string, patches: string, selector = '') => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: default}
spec:
  ${selector}
  configPatches:
${patches}
`;
const mergeCluster = (host: string, value: string) => `
  - applyTo: CLUSTER
    match: {cluster: {service: ${host}.default.svc.cluster.local}}
    patch: {operation: MERGE, value: ${value}}
`;
const services = ['a', 'b', 'c'].map((name) => service(name));

/** One Proxy object for each name, as a connected proxy is one. */
const proxies = new Map<string, ReturnType<typeof parseProxy>>();
function proxy(name: string, metadata: object = {}, version = '') {
  const known = proxies.get(name);
  if (known) return known;
  const made = parseProxy({
    id: `sidecar~10.0.0.${proxies.size + 1}~${name}.default~default.svc.cluster.local`,
    cluster: name,
    metadata: { LABELS: { app: name }, ...metadata },
    version,
  });
  proxies.set(name, made);
  return made;
}

const viewed = (mesh: Mesh, name: string) => translate(viewOf(mesh, proxy(name))).resources;

t.test('only what a patch is for is another object', async (t) => {
  const live = new CaseMesh();
  const plain = viewed((await live.read(services)).mesh, 'x');
  const { mesh } = await live.read([
    ...services,
    filter('f', mergeCluster('a', '{connect_timeout: 3s}')),
  ]);
  const patched = viewed(mesh, 'x');
  const counts = rebuilt(plain, patched);
  t.match(counts.get(CLUSTER), { built: 1, removed: 0 });
  for (const type of [LISTENER, ROUTE, ENDPOINT]) {
    t.equal(patched.get(type), plain.get(type), `the same map of ${type}`);
  }
  const { mesh: next } = await live.read([
    ...services,
    filter('f', mergeCluster('a', '{connect_timeout: 4s}')),
  ]);
  t.match(rebuilt(patched, viewed(next, 'x')).get(CLUSTER), { built: 1, removed: 0 });
  const { mesh: more } = await live.read([
    ...services,
    service('d'),
    filter('f', mergeCluster('a', '{connect_timeout: 4s}')),
  ]);
  t.match(rebuilt(viewed(next, 'x'), viewed(more, 'x')).get(CLUSTER), { built: 1, removed: 0 });
  const { mesh: without } = await live.read(services);
  const again = viewed(without, 'x');
  t.equal(
    again.get(CLUSTER)?.get('outbound|80||b.default.svc.cluster.local'),
    plain.get(CLUSTER)?.get('outbound|80||b.default.svc.cluster.local'),
  );
  t.strictSame(
    [...(again.get(CLUSTER) ?? [])].map(([, message]) => toJson(CLUSTER, message)),
    [...(plain.get(CLUSTER) ?? [])].map(([, message]) => toJson(CLUSTER, message)),
    'and nothing is left of a filter that is gone',
  );
});

t.test('proxies with the same patches share their layers', async (t) => {
  const { mesh } = await new CaseMesh().read([
    ...services,
    filter('f', mergeCluster('a', '{connect_timeout: 3s}')),
    filter(
      'only-a',
      mergeCluster('b', '{connect_timeout: 1s}'),
      'workloadSelector: {labels: {app: a}}',
    ),
  ]);
  const layers = (name: string) => layersOf(viewed(mesh, name).get(CLUSTER)!);
  t.equal(layers('x')[0], layers('y')[0], 'one layer for two workloads');
  t.equal(layers('x')[0], layers('b')[0], 'also for one with inbound ports');
  t.not(layers('x')[0], layers('a')[0], 'another one for other patches');
  t.equal(viewed(mesh, 'a').get(ROUTE), viewed(mesh, 'x').get(ROUTE), 'routes are not patched');
  t.equal(viewOf(mesh, proxy('x')).envoyFilters, viewOf(mesh, proxy('y')).envoyFilters);
  t.not(viewOf(mesh, proxy('x')).key, viewOf(mesh, proxy('a')).key, 'views have other keys');
});

t.test('an EnvoyFilter is the first suspect of what it changed', async (t) => {
  const { mesh } = await new CaseMesh().read([
    ...services,
    filter('first', mergeCluster('a', '{connect_timeout: 3s}')),
    filter('second', mergeCluster('a', '{connect_timeout: 4s}')),
  ]);
  const view = viewOf(mesh, proxy('x'));
  const names = (cluster: string) =>
    sourcesOf(view, CLUSTER, `outbound|80||${cluster}.default.svc.cluster.local`).map(
      ({ kind, name }) => `${kind}/${name}`,
    );
  t.strictSame(names('a'), ['EnvoyFilter/second', 'EnvoyFilter/first', 'Service/a']);
  t.strictSame(names('b'), ['Service/b']);
});

t.test('virtual hosts that are resources of their own are patched too', async (t) => {
  const { mesh } = await new CaseMesh().read([
    ...services,
    filter(
      'f',
      `
  - applyTo: VIRTUAL_HOST
    match: {routeConfiguration: {vhost: {name: "a.default.svc.cluster.local:80"}}}
    patch: {operation: MERGE, value: {include_attempt_count_in_response: true}}
`,
    ),
  ]);
  proxy('vhds', { VIRTUAL_HOST_DISCOVERY: true }, '1.40.0');
  const hosts = viewed(mesh, 'vhds').get(VIRTUAL_HOST)!;
  const patched = [...hosts.values()].filter((host) => 'include_attempt_count_in_response' in host);
  t.match(patched, [{ name: /a\.default\.svc\.cluster\.local:80$/ }]);
});

t.test('gRPC clients are left alone', async (t) => {
  const { mesh } = await new CaseMesh().read([
    ...services,
    filter('f', mergeCluster('a', '{connect_timeout: 3s}')),
  ]);
  proxy('grpc', { GENERATOR: 'grpc' });
  t.equal(viewOf(mesh, proxy('grpc')).envoyFilters, undefined);
});

t.test('patches of all listeners are not for the one that answers DNS', async (t) => {
  const everywhere = `
  - applyTo: LISTENER
    patch: {operation: MERGE, value: {tcp_backlog_size: 7}}
  - applyTo: LISTENER_FILTER
    patch:
      operation: ADD
      value:
        name: proxy
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
`;
  const { mesh } = await new CaseMesh().read([service('a'), filter('f', everywhere)]);
  const { resources } = translate(viewOf(mesh, proxy('captured', { DNS_CAPTURE: 'true' })));
  const backlogs = [...(resources.get(LISTENER) ?? [])].map(([name, listener]) => [
    name,
    (toJson(LISTENER, listener) as { tcpBacklogSize?: number }).tcpBacklogSize,
  ]);
  t.strictSame(new Map(backlogs as [string, number][]).get('dns'), undefined);
  t.ok(backlogs.every(([name, size]) => name === 'dns' || size === 7));
  t.ok(backlogs.length > 2);
});
