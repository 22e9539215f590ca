// From the name of an Envoy resource back to what users wrote: rules first, then services.
import t from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  ROUTE,
  SECRET,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { resourceKey } from '../../src/kinds/problem.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { sourcesOf } from '../../src/translate/sources.js';
import { translate } from '../../src/translate/translate.js';
import { CaseMesh } from './case-run.js';

const documents = [
  `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90}]
`,
  `
apiVersion: v1
kind: Service
metadata: {name: other, namespace: default}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}
`,
  `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web-rule, namespace: default}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
`,
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-http, namespace: default}
spec: {hosts: [web], http: [{route: [{destination: {host: web, port: {number: 80}}}]}]}
`,
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-tcp, namespace: default}
spec:
  hosts: [web]
  tcp: [{match: [{port: 90}], route: [{destination: {host: other, port: {number: 90}}}]}]
`,
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: default}
spec: {hosts: [outside.example.com], http: [{directResponse: {status: 404}}]}
`,
];

const web = 'Service/default/web';
const other = 'Service/default/other';
const rule = 'DestinationRule/default/web-rule';
const http = 'VirtualService/default/web-http';
const tcp = 'VirtualService/default/web-tcp';
const outside = 'VirtualService/default/outside';

const rows: readonly [TypeUrl, string, readonly string[]][] = [
  [CLUSTER, 'outbound|80||web.default.svc.cluster.local', [rule, web]],
  [CLUSTER, 'outbound|80|v1|web.default.svc.cluster.local', [rule, web]],
  [ENDPOINT, 'outbound|80|v1|web.default.svc.cluster.local', [rule, web]],
  [CLUSTER, 'outbound|80||other.default.svc.cluster.local', [other]],
  [CLUSTER, 'inbound|8080||', [rule, web]],
  [CLUSTER, 'PassthroughCluster', []],
  [ROUTE, '80', [http, tcp, outside, rule, other, web]],
  [LISTENER, '10.96.0.1_90', [tcp, rule, web]],
  [LISTENER, '10.96.0.2_90', [other]],
  [LISTENER, 'virtualInbound', [rule, web]],
  [LISTENER, 'virtualOutbound', []],
  [SECRET, 'default', []],
  [CLUSTER, 'outbound|80||nobody.default.svc.cluster.local', []],
  [ROUTE, 'no-such-route', []],
];

void t.test('sources', async (t) => {
  const { mesh, problems } = await new CaseMesh().read(documents);
  t.strictSame(problems, []);
  const proxy = parseProxy({
    id: 'sidecar~10.0.0.1~web.default~default.svc.cluster.local',
    cluster: 'web',
    metadata: { NAMESPACE: 'default', LABELS: { app: 'web' } },
  });
  const view = viewOf(mesh, proxy);
  for (const [typeUrl, name, expected] of rows) {
    t.strictSame(
      sourcesOf(view, typeUrl, name).map(resourceKey).sort(),
      [...expected].sort(),
      name,
    );
  }
  const route = sourcesOf(view, ROUTE, '80').map(({ kind }) => kind);
  t.ok(
    route.lastIndexOf('VirtualService') < route.indexOf('DestinationRule'),
    'rules of routes first',
  );
  t.ok(route.indexOf('DestinationRule') < route.indexOf('Service'), 'services last');
  const unexplained = [...translate(view).resources].flatMap(([typeUrl, messages]) =>
    [...messages.keys()].filter((name) => sourcesOf(view, typeUrl, name).length === 0),
  );
  t.strictSame(
    unexplained.sort(),
    ['BlackHoleCluster', 'InboundPassthroughCluster', 'PassthroughCluster', 'virtualOutbound'],
    'all others have a source',
  );
});
