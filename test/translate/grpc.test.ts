// What the cases do not show of gRPC clients' resources: that a change costs what it touches, and whose resources stand
// behind a name that a client refuses.
import t from 'tap';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../../src/envoy/resource.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { sourcesOf } from '../../src/translate/sources.js';
import { translate } from '../../src/translate/translate.js';
import { CaseMesh } from './case-run.js';

const entry = (address: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.test]
  ports: [{name: grpc, number: 8080, protocol: GRPC}]
  resolution: STATIC
  workloadSelector: {labels: {app: a}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a, namespace: default}
spec: {address: ${address}, labels: {app: a}}
`;
const rule = (weight: number) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec:
  hosts: [a.test]
  http:
    - route:
        - {destination: {host: a.test, subset: v1}, weight: ${weight}}
        - {destination: {host: a.test, subset: v2}, weight: ${100 - weight}}
`;
const client = parseProxy({ id: 'client', cluster: '', metadata: { generator: 'grpc' } });
const server = parseProxy({
  id: 'server',
  cluster: '',
  metadata: { generator: 'grpc', INSTANCE_IPS: '192.0.2.1' },
});

await t.test('a change makes anew what it touches', async (t) => {
  const mesh = new CaseMesh();
  const read = async (...documents: string[]) =>
    translate(viewOf((await mesh.read(documents)).mesh, client)).resources;
  const first = await read(entry('192.0.2.1'), rule(10));
  const moved = await read(entry('192.0.2.2'), rule(10));
  for (const type of [CLUSTER, LISTENER, ROUTE]) t.equal(moved.get(type), first.get(type), type);
  t.not(moved.get(ENDPOINT), first.get(ENDPOINT), 'endpoints');
  const shifted = await read(entry('192.0.2.2'), rule(20));
  for (const type of [CLUSTER, LISTENER, ENDPOINT]) {
    t.equal(shifted.get(type), moved.get(type), type);
  }
  t.not(shifted.get(ROUTE), moved.get(ROUTE), 'routes');
});

await t.test('the resources behind a name', async (t) => {
  const { mesh } = await new CaseMesh().read([entry('192.0.2.1'), rule(10)]);
  const kinds = (proxy: typeof client, type: TypeUrl, name: string) =>
    sourcesOf(viewOf(mesh, proxy), type, name).map(({ kind }) => kind);
  const both = ['VirtualService', 'ServiceEntry'];
  t.strictSame(kinds(client, LISTENER, 'a.test:8080'), both);
  t.strictSame(kinds(client, ROUTE, 'outbound|8080||a.test'), both);
  t.strictSame(kinds(client, CLUSTER, 'outbound|8080|v1|a.test'), both);
  const inbound = 'xds.istio.io/grpc/lds/inbound/[::]:8080';
  t.strictSame(kinds(server, LISTENER, inbound), ['ServiceEntry']);
  t.strictSame(kinds(client, LISTENER, 'unknown.test:8080'), []);
});
