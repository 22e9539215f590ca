// What each sort of edit makes anew in a mesh of forty services, virtual hosts counted one by one: nothing that an edit
// does not touch, so that no change quietly becomes a full rebuild.
import t from 'tap';
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourcesByType,
  ROUTE,
} from '../../src/envoy/resource.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import { encodeCounters } from '../../src/snapshot/encode.js';
import { rebuilt } from '../../src/translate/rebuilt.js';
import { translate } from '../../src/translate/translate.js';
import { CaseMesh } from './case-run.js';

const istio = 'apiVersion: networking.istio.io/v1';
const meta = (name: string, namespace: string) =>
  `metadata: {name: ${name}, namespace: ${namespace}}`;

interface Entry {
  namespace?: string;
  ports?: string;
  address?: string;
  hosts?: string;
}

function entry(name: string, { namespace = 'team-0', ports, address, hosts }: Entry = {}): string {
  return `
${istio}
kind: ServiceEntry
${meta(name, namespace)}
spec:
  hosts: [${hosts ?? `${name}.mesh`}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [${ports ?? '{number: 8080, name: http, protocol: HTTP}'}]
  endpoints: [{address: ${address ?? '10.1.0.1'}, labels: {version: v1}}, {address: 10.1.0.2, labels: {version: v2}}]
`;
}

const rule = (name: string, policy: string, subsets = '{name: v1, labels: {version: v1}}') => `
${istio}
kind: DestinationRule
${meta(name, 'team-0')}
spec: {host: ${name}.mesh, trafficPolicy: ${policy}, subsets: [${subsets}]}
`;
const route = (name: string, weight: number, hosts = `${name}.mesh`) => `
${istio}
kind: VirtualService
${meta(name, 'team-0')}
spec:
  hosts: [${hosts}]
  http:
    - route:
        - {destination: {host: ${name}.mesh, subset: v1}, weight: ${weight}}
        - {destination: {host: ${name}.mesh}, weight: ${100 - weight}}
`;
const tcpRoute = (to: string) => `
${istio}
kind: VirtualService
${meta('tcp', 'team-0')}
spec: {hosts: [tcp.mesh], tcp: [{route: [{destination: {host: ${to}.mesh}}]}]}
`;
const tcpPorts = '{number: 3306, name: tcp, protocol: TCP}';

const start: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`s${i}`, entry(`s${i}`, { namespace: `team-${i % 4}` })]),
  ),
  tcp: entry('tcp', { ports: tcpPorts }),
  other: entry('other', { ports: tcpPorts.replace('3306', '3307') }),
  rule: rule('s0', '{connectionPool: {tcp: {maxConnections: 5}}}'),
  route: route('s0', 10),
  'tcp-route': tcpRoute('tcp'),
};

let clients = 0;

/** Another namespace each time: the last result for equal proxies would be given in place of an equal one. */
function nextClient() {
  const namespace = `client-${clients++}`;
  const metadata = { NAMESPACE: namespace, LABELS: { app: 'client' } };
  return parseProxy({ id: `sidecar~10.9.0.1~client.${namespace}~x`, cluster: 'client', metadata });
}

interface Counts {
  clusters: number;
  endpoints: number;
  listeners: number;
  routes: number;
  hosts: number;
  /** Bytes made anew, of any type. */
  encoded: number;
}

async function counted(edit: Record<string, string | undefined>): Promise<Counts> {
  const mesh = new CaseMesh();
  const proxy = nextClient();
  const made = async (texts: Record<string, string | undefined>) => {
    const { mesh: now, problems } = await mesh.read(
      Object.values(texts).filter((it) => it !== undefined),
    );
    t.strictSame(problems, []);
    return translate(viewOf(now, proxy)).resources;
  };
  const before = await made(start);
  const snapshot = buildSnapshot(before);
  const after = await made({ ...start, ...edit });
  const encodings = encodeCounters.encodings;
  buildSnapshot(after, snapshot);
  const byType = rebuilt(before, after);
  const built = (type: string) => byType.get(type as never)?.built ?? 0;
  const known = new Set(virtualHosts(before));
  return {
    clusters: built(CLUSTER),
    endpoints: built(ENDPOINT),
    listeners: built(LISTENER),
    routes: built(ROUTE),
    hosts: virtualHosts(after).filter((host) => !known.has(host)).length,
    encoded: encodeCounters.encodings - encodings,
  };
}

function virtualHosts(resources: ResourcesByType): object[] {
  const routes = [...(resources.get(ROUTE)?.values() ?? [])] as { virtual_hosts?: object[] }[];
  return routes.flatMap(({ virtual_hosts = [] }) => virtual_hosts);
}

const none: Counts = { clusters: 0, endpoints: 0, listeners: 0, routes: 0, hosts: 0, encoded: 0 };
const hash = '{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}';

const edits: readonly [what: string, edit: Record<string, string | undefined>, Partial<Counts>][] =
  [
    ['nothing', {}, {}],
    [
      'an endpoint of a ServiceEntry',
      { s1: entry('s1', { namespace: 'team-1', address: '10.1.9.9' }) },
      { endpoints: 1, encoded: 1 },
    ],
    [
      'an endpoint of a subset: its assignment and that of the whole',
      { s0: entry('s0', { address: '10.1.9.9' }) },
      { endpoints: 2, encoded: 2 },
    ],
    ['weights', { route: route('s0', 60) }, { routes: 1, hosts: 1, encoded: 1 }],
    ['a rule less', { route: undefined }, { routes: 1, hosts: 1, encoded: 1 }],
    [
      'a rule more',
      { more: route('s4', 1).replaceAll('subset: v1', 'subset: ""') },
      { routes: 1, hosts: 1, encoded: 1 },
    ],
    [
      'another host of a rule',
      { route: route('s0', 10, 's0.mesh, s4.mesh') },
      { routes: 1, hosts: 2, encoded: 1 },
    ],
    [
      'a route of TCP: one listener',
      { 'tcp-route': tcpRoute('other') },
      { listeners: 1, encoded: 1 },
    ],
    [
      'limits',
      { rule: rule('s0', '{connectionPool: {tcp: {maxConnections: 6}}}') },
      { clusters: 2, encoded: 2 },
    ],
    [
      'a hash: the host that leads there, too',
      { rule: rule('s0', hash) },
      { clusters: 2, routes: 1, hosts: 1, encoded: 3 },
    ],
    [
      'a subset more: all clusters of the host',
      {
        rule: rule(
          's0',
          '{connectionPool: {tcp: {maxConnections: 5}}}',
          'v1, v2'.replaceAll(/v\d/g, '{name: $&, labels: {version: $&}}'),
        ),
      },
      { clusters: 3, endpoints: 1, encoded: 4 },
    ],
    [
      'a DestinationRule more',
      { more: rule('s4', '{connectionPool: {tcp: {maxConnections: 6}}}') },
      { clusters: 2, endpoints: 1, encoded: 3 },
    ],
    ['a DestinationRule less', { rule: undefined }, { clusters: 1, encoded: 1 }],
    [
      'a service more: its cluster, its assignment, its virtual host',
      { more: entry('more') },
      { clusters: 1, endpoints: 1, routes: 1, hosts: 1, encoded: 3 },
    ],
    ['a service less', { s5: undefined }, { routes: 1, encoded: 1 }],
    [
      'a service more on a port of its own: a listener and a route, too',
      { more: entry('more', { ports: '{number: 9999, name: http, protocol: HTTP}' }) },
      { clusters: 1, endpoints: 1, listeners: 1, routes: 1, hosts: 1, encoded: 4 },
    ],
    [
      'a TCP service more on the port of another',
      { more: entry('more', { ports: tcpPorts }) },
      { clusters: 1, endpoints: 1, encoded: 2 },
    ],
  ];

for (const [what, edit, expected] of edits) {
  t.test(what, async (t) => {
    t.strictSame(await counted(edit), { ...none, ...expected });
  });
}
