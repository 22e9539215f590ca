// The scene of the behaviour tests of the Gateway API: backends of a name each, Services for them, and one real Envoy
// that has the label of the Gateway `web`. Resources are those that users write; listeners stand at ports of the
// test's own, since the API has no address to bind to.
import t from 'tap';
import type { ResourceStatus } from '../../src/status/state.js';
import { documents, Fleet } from './fleet.js';
import { type Answer, call, type HttpBackend, startBackend } from './http-backend.js';
import { LiveMesh, type Sidecar } from './live-mesh.js';

const GROUP = 'gateway.networking.k8s.io';

/** A resource of the Gateway API. */
export function api(kind: string, name: string, spec: object, namespace = 'default'): object {
  return { apiVersion: `${GROUP}/v1`, kind, metadata: { name, namespace }, spec };
}

/** The Gateway `web`. */
export function web(listeners: readonly object[], more: object = {}): object {
  return api('Gateway', 'web', { gatewayClassName: 'fairlead', listeners, ...more });
}

/** An HTTPRoute of the Gateway `web`, for one host. */
export function route(name: string, rules: readonly object[], more: object = {}): object {
  const parentRefs = [{ name: 'web' }];
  return api('HTTPRoute', name, { parentRefs, hostnames: [`${name}.test`], rules, ...more });
}

/** A Service and its endpoints at 127.0.0.1. */
export function kubernetesService(
  name: string,
  ports: readonly number[],
  { namespace = 'default', protocol = 'http', appProtocol = '' } = {},
): object[] {
  const metadata = { name, namespace };
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: {
        clusterIP: 'None',
        ports: [{ name: protocol, port: 8080, ...(appProtocol && { appProtocol }) }],
      },
    },
    ...ports.map((port, i) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        ...{ name: `${name}-${i}`, namespace },
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      ports: [{ name: protocol, port }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    })),
  ];
}

/** What a condition is, as `Type=True(Reason)`; of a resource's status, wherever it stands. */
export function conditions(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(conditions);
  if (value === null || typeof value !== 'object') return [];
  const { type, status, reason } = value as Record<string, unknown>;
  if (typeof status === 'string') return [`${type}=${status}(${reason})`];
  return Object.values(value).flatMap(conditions);
}

export class GatewayApiScene {
  readonly mesh = new LiveMesh({});
  readonly backends = new Map<string, HttpBackend>();
  readonly fleet = new Fleet();
  router!: Sidecar;

  /** Backends with a Service each. */
  static async start(names: readonly string[]): Promise<GatewayApiScene> {
    t.setTimeout(120_000);
    const scene = new GatewayApiScene();
    for (const name of names) scene.backends.set(name, await startBackend(name));
    t.teardown(async () => {
      await scene.mesh.stop();
      await Promise.all([...scene.backends.values()].map((backend) => backend.close()));
    });
    scene.mesh.write(
      'services.yaml',
      documents(
        ...[...scene.backends].flatMap(([name, { port }]) => kubernetesService(name, [port])),
      ),
    );
    return scene;
  }

  /** Starts the server and the router on what was written. */
  async serve(): Promise<void> {
    await this.mesh.startServer();
    const labels = { [`${GROUP}/gateway-name`]: 'web' };
    this.router = await this.mesh.sidecar(this.fleet.at(1), {
      type: 'router',
      name: 'web',
      labels,
    });
    await this.mesh.synced();
  }

  write(file: string, ...resources: readonly object[]): void {
    this.mesh.write(`${file}.yaml`, documents(...resources));
  }

  /** Writes and waits until it is in force. */
  async change(file: string, ...resources: readonly object[]): Promise<void> {
    await this.mesh.applied(() => this.write(file, ...resources));
  }

  /** Problems of severity error or warning, as `code Kind/name path`. */
  problems(): string[] {
    return this.mesh.server.controlPlane.state
      .problems()
      .filter(({ severity }) => severity !== 'info')
      .map(({ code, resource: at, path }) => `${code} ${at?.kind}/${at?.name} ${path}`);
  }

  status(kind: string, name: string, namespace = 'default'): ResourceStatus['status'] {
    const [found] = this.mesh.server.controlPlane.state.resources({ kind, name, namespace });
    return found?.status;
  }
}

/** Who answered, or the status; at a port of this machine. */
export async function who(
  port: number,
  url: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<string | number> {
  const { status, headers } = await call(port, url, options);
  return status === 200 ? String(headers['x-backend'] ?? '') : status;
}

/** `count` answers, a few at a time. */
export async function often(count: number, send: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < count) {
    answers.push(...(await Promise.all(Array.from({ length: 20 }, send))));
  }
  return answers;
}

/** How many answers each backend gave; others by their status. */
export function shares(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, headers } of answers) {
    const key = status === 200 ? String(headers['x-backend']) : String(status);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
