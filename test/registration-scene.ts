// A control plane in memory with a service of which the endpoints are the sidecars that register themselves, and sidecars
// that are simulated: what the others are told of them.
import type { Test } from 'tap';
import { MemorySource } from '../src/config/memory.js';
import { ControlPlane, type ControlPlaneOptions } from '../src/control-plane.js';
import { Fleet, SimulatedSidecar } from './bench/simulated-sidecar.js';
import { until } from './envoy/live-mesh.js';

const service = `apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { selector: { app: backend }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
/** A WorkloadGroup whose workloads serve at 9090. */
export const group = `apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: backends }
spec:
  metadata: { labels: { app: backend } }
  template: { serviceAccount: backend, weight: 3, ports: { http: 9090 } }
`;
const observer = 'sidecar~10.0.0.1~client.default~default.svc.cluster.local';

/** The control plane, its clients, and one that looks on. */
export class Scene {
  readonly source = new MemorySource();
  readonly plane: ControlPlane;
  readonly #clients = new Set<SimulatedSidecar>();
  address = '';
  readonly log: { level: string; message: string; fields: object }[] = [];

  constructor(options: Partial<ControlPlaneOptions> = {}) {
    const note = (level: string) => (fields: object, message: string) =>
      void this.log.push({ level, message, fields });
    const log = { info: note('info'), warn: note('warn'), error: note('error') };
    this.source.set('service.yaml', service);
    this.source.set('group.yaml', group);
    this.plane = new ControlPlane({
      source: this.source,
      log,
      registrationGraceMs: 300,
      ...options,
    });
  }

  async start(t: Test): Promise<void> {
    t.teardown(async () => {
      for (const client of this.#clients) client.close();
      await this.plane.stop();
    });
    await this.plane.start();
    const bound = (await this.plane.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    this.address = `127.0.0.1:${bound.port}`;
    this.connect(observer, {});
    await until(5000, () => this.plane.state.proxies().length === 1);
  }

  connect(id: string, metadata: Metadata, answers = true): SimulatedSidecar {
    const fields = Object.entries(metadata).map(([key, value]) => [
      key,
      typeof value === 'string' ? { stringValue: value } : value,
    ]);
    const node = { id, metadata: { fields: Object.fromEntries(fields) } };
    const client = new SimulatedSidecar(this.address, node, new Fleet(), answers);
    this.#clients.add(client);
    return client;
  }

  /** A sidecar of the group at 10.0.1.N. */
  member(n: number, metadata: Metadata = {}, answers = true): SimulatedSidecar {
    return this.connect(memberId(n), { AUTO_REGISTER_GROUP: 'backends', ...metadata }, answers);
  }

  /** Endpoints of the backend as the client is told, as `ADDRESS:PORT`. */
  endpoints(): string[] {
    const all = (this.plane.state.proxyConfiguration(observer)?.endpoints ?? []) as {
      clusterName: string;
      endpoints?: { lbEndpoints: { endpoint: { address: { socketAddress: Socket } } }[] }[];
    }[];
    const found = all.find(({ clusterName }) => clusterName.includes('backend.default'));
    return (found?.endpoints ?? [])
      .flatMap(({ lbEndpoints }) => lbEndpoints)
      .map(({ endpoint }) => endpoint.address.socketAddress)
      .map(({ address, portValue }) => `${address}:${portValue}`);
  }

  async settled(expected: readonly string[], timeoutMs = 5000): Promise<void> {
    await until(timeoutMs, () => this.endpoints().join() === expected.join()).catch(() => {
      throw new Error(`endpoints are ${this.endpoints()}, not ${expected}`);
    });
  }

  problems(): string[] {
    return this.plane.state
      .problems()
      .filter(({ code }) => code === 'not-registered')
      .map(({ message, proxy }) => `${proxy?.split('~')[2]}: ${message}`);
  }

  entry(name: string) {
    return this.plane.state.resources({ kind: 'WorkloadEntry', name })[0];
  }
}

interface Socket {
  address: string;
  portValue: number;
}

/** Strings, or values as google.protobuf.Struct has them. */
type Metadata = Record<string, string | object>;

/** node.id of the sidecar at 10.0.1.N. */
export function memberId(n: number): string {
  return `sidecar~10.0.1.${n}~backend-${n}.default~default.svc.cluster.local`;
}
