// The scene of the tests of gRPC without proxies: a served directory with one service of two versions, real backends,
// and real clients.
import t from 'tap';
import { stringify } from 'yaml';
import { LiveMesh } from '../envoy/live-mesh.js';
import { GrpcBackend } from './grpc-backend.js';
import { GrpcClient, type Language, languages } from './grpc-client.js';

/** What every test calls, in full. */
export const target = 'xds:///backend.default.svc.cluster.local:8080';
const host = 'backend.default.svc.cluster.local';

export interface GrpcMesh {
  mesh: LiveMesh;
  v1: GrpcBackend;
  v2: GrpcBackend;
  clients: Readonly<Record<Language, GrpcClient>>;
  /** Puts a resource or several into a file of their own and waits until all clients have it. */
  write(file: string, ...resources: object[]): Promise<void>;
  /** Removes a file, and waits. */
  remove(file: string): Promise<void>;
  /** Every refusal that the server logged. */
  refusals(): readonly object[];
}

/** Starts everything; stopped at the end of the file. */
export async function startGrpcMesh(): Promise<GrpcMesh> {
  const v1 = await new GrpcBackend('v1').start('127.0.0.1');
  const v2 = await new GrpcBackend('v2').start('127.0.0.1');
  const mesh = new LiveMesh({
    'service.yaml': text([service('backend')]),
    'v1.yaml': text([workload('v1', v1.port)]),
    'v2.yaml': text([workload('v2', v2.port)]),
    'rule.yaml': text([destinationRule()]),
  });
  await mesh.startServer();
  const clients = Object.fromEntries(
    languages.map((language) => [
      language,
      new GrpcClient(language, mesh.directory, identity(mesh, language)),
    ]),
  ) as Record<Language, GrpcClient>;
  t.teardown(async () => {
    await Promise.all(Object.values(clients).map((client) => client.stop()));
    await mesh.stop();
    for (const backend of [v1, v2]) backend.stop();
  });
  return {
    mesh,
    v1,
    v2,
    clients,
    write: (file, ...resources) => inForce(mesh, () => mesh.write(`${file}.yaml`, text(resources))),
    remove: (file) => inForce(mesh, () => mesh.remove(`${file}.yaml`)),
    refusals: () =>
      mesh.log.filter(
        ({ level, message }) => level !== 'info' && /refuse|reject|nack/i.test(message),
      ),
  };
}

/** Makes a change and waits for it; where it does not come, says what each client was in want of. */
async function inForce(mesh: LiveMesh, change: () => unknown): Promise<void> {
  await mesh.applied(change).catch((cause: unknown) => {
    const held = mesh.server.controlPlane.state.proxies().map(({ id, types }) => ({ id, types }));
    throw new Error(`not in force: ${JSON.stringify({ held, log: mesh.log.slice(-5) })}`, {
      cause,
    });
  });
}

/** Who a client is, for its bootstrap. */
export function identity(
  mesh: LiveMesh,
  name: string,
  labels: Readonly<Record<string, string>> = {},
) {
  return { name, ips: ['127.0.0.1'], labels, xds: `unix:${mesh.directory}/xds.sock` };
}

/** A v1 Service with one gRPC port, 8080. */
export function service(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      selector: { app: name },
      ports: [{ name: 'grpc', port: 8080, targetPort: 'grpc' }],
    },
  };
}

/** An instance of a version of the service on this machine. */
export function workload(version: string, port: number, more: object = {}): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name: `backend-${version}-${port}`, namespace: 'default' },
    spec: {
      address: '127.0.0.1',
      ports: { grpc: port },
      labels: { app: 'backend', version },
      ...more,
    },
  };
}

/** Subsets v1 and v2, and a policy. */
export function destinationRule(trafficPolicy?: object, subsets = ['v1', 'v2']): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'backend', namespace: 'default' },
    spec: {
      host,
      ...(trafficPolicy && { trafficPolicy }),
      subsets: subsets.map((name) => ({ name, labels: { version: name.slice(0, 2) } })),
    },
  };
}

/** A rule for the service. */
export function virtualService(...http: object[]): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'backend', namespace: 'default' },
    spec: { hosts: [host], http },
  };
}

/** A destination of a rule. */
export function to(subset: string, weight?: number): object {
  return { destination: { host, subset }, ...(weight !== undefined && { weight }) };
}

function text(resources: readonly object[]): string {
  return resources.map((each) => stringify(each)).join('---\n');
}
