// What no generation uses any more is not held, whatever was edited and however often: tables of memos, of equal
// objects and of encoded resources are keyed by objects that would otherwise stay for ever.
import t from 'tap';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { buildSnapshot } from '../../src/snapshot/build-snapshot.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
import { translate } from '../../src/translate/translate.js';
import { collectGarbage } from '../collect-garbage.js';
import { CaseMesh } from './case-run.js';

const names = Array.from({ length: 12 }, (_, i) => `service-${i}`);
const service = (name: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.mesh]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: ${name}}}
`;
const workload = (name: string, address: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: default}
spec: {address: ${address}, labels: {app: ${name}, version: v1}}
`;
const rule = (name: string, connections: number) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: default}
spec:
  host: ${name}.mesh
  trafficPolicy: {connectionPool: {tcp: {maxConnections: ${connections}}}, outlierDetection: {}}
  subsets: [{name: v1, labels: {version: v1}}]
`;
const route = (name: string, weight: number) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.mesh]
  http:
    - route:
        - {destination: {host: ${name}.mesh, subset: v1}, weight: ${weight}}
        - {destination: {host: ${name}.mesh}, weight: ${100 - weight}}
`;
const config = (seconds: number) => `
apiVersion: networking.istio.io/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {connectTimeout: ${seconds}s}
`;
const sidecar = (host: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: limited}
spec: {egress: [{hosts: ["default/service-1.mesh", "default/${host}.mesh"]}]}
`;

const start: Readonly<Record<string, string>> = {
  ...Object.fromEntries(names.map((name) => [name, service(name)])),
  ...Object.fromEntries(names.map((name, i) => [`w-${name}`, workload(name, `10.0.0.${i}`)])),
  rule: rule('service-1', 5),
  route: route('service-1', 10),
  config: config(1),
  sidecar: sidecar('service-2'),
};

const edits: Readonly<Record<string, (round: number) => Record<string, string>>> = {
  MeshConfig: (round) => ({ config: config(2 + round) }),
  'a DestinationRule': (round) => ({ rule: rule('service-1', 10 + round) }),
  'a VirtualService': (round) => ({ route: route('service-1', 20 + round) }),
  'an endpoint': (round) => ({ 'w-service-1': workload('service-1', `10.1.0.${round}`) }),
  'a service more': (round) => ({ more: service(`more-${round}`) }),
  'a Sidecar': (round) => ({ sidecar: sidecar(`service-${3 + round}`) }),
};

const nodes = ['default', 'limited'].map((namespace) => ({
  id: `sidecar~10.9.0.1~client.${namespace}~x`,
  cluster: 'client',
  metadata: { NAMESPACE: namespace, LABELS: { app: 'client' } },
}));

class Pipe {
  readonly #mesh = new CaseMesh();
  readonly #proxies = nodes.map((node) => parseProxy(node));
  #snapshots: (Snapshot | undefined)[] = [];

  /** All objects of the generation that these texts make, settings to encoded resources. */
  async turn(texts: readonly string[]): Promise<Set<object>> {
    const { mesh } = await this.#mesh.read(texts);
    const views = this.#proxies.map((proxy) => viewOf(mesh, proxy));
    const objects = new Set<object>([mesh, mesh.settings, ...mesh.services, ...views]);
    for (const { services } of views.map(({ outbound }) => outbound)) {
      for (const view of services) objects.add(view);
    }
    this.#snapshots = views.map((view, i) => {
      const { resources } = translate(view);
      for (const messages of resources.values()) {
        for (const message of messages.values()) objects.add(message);
      }
      return buildSnapshot(resources, this.#snapshots[i]);
    });
    for (const type of this.#snapshots.flatMap((each) => [...(each?.types.values() ?? [])])) {
      objects.add(type);
      for (const resource of type.resources.values()) objects.add(resource);
    }
    return objects;
  }
}

for (const [name, edit] of Object.entries(edits)) {
  t.test(`many times ${name}`, async (t) => {
    const pipe = new Pipe();
    const made: WeakRef<object>[][] = [];
    let kept = new Set<object>();
    for (let round = 0; round < 8; round++) {
      const before = kept;
      kept = await pipe.turn(Object.values({ ...start, ...edit(round) }));
      const fresh = [...kept].filter((object) => !before.has(object));
      t.ok(fresh.length > 3, `round ${round} makes something anew`);
      made.push(fresh.map((object) => new WeakRef(object)));
      await collectGarbage();
    }
    const inUse = kept;
    await collectGarbage();
    await collectGarbage();
    // The generation before the present one is there to be compared with, the first one as the base of maps that
    // edits patched (lib/patched-map.ts).
    const left = made.slice(1, -2).map((refs) => {
      const alive = refs.map((ref) => ref.deref()).filter((object) => object !== undefined);
      return alive.filter((object) => !inUse.has(object)).length;
    });
    t.strictSame(
      left,
      left.map(() => 0),
      'objects left of each generation',
    );
  });
}
