// The scene of the behaviour tests of DestinationRules and ServiceEntries: a fleet of workloads, a watched directory, and
// two real Envoys without interception. The client in namespace default speaks delta, the one in namespace other sotw.
import t from 'tap';
import { documents, Fleet, resource } from './fleet.js';
import { LiveMesh, type Sidecar } from './live-mesh.js';

/** A service of three members, or of those named, and its rule when there is anything for one. */
export interface Described {
  policy?: object;
  subsets?: object[];
  members?: readonly string[];
  ports?: object[];
}

export interface FleetMesh {
  fleet: Fleet;
  mesh: LiveMesh;
  /** In namespace default at `fleet.at(1)`; the other one is at `fleet.at(2)`. */
  client: Sidecar;
  /** Puts a file into the directory and waits for both Envoys; throws for an error that the server finds. */
  write(file: string, resources: readonly object[]): Promise<void>;
  /** A ServiceEntry of members for NAME.test with HTTP on the port of the fleet, and a DestinationRule. */
  service(name: string, described: Described): object[];
  /** A statistic of the client's cluster for NAME.test. */
  stat(name: string, what: string, subset?: string): Promise<number>;
}

/** The members of a described service that names none. */
export const all = ['v1', 'v2', 'v3'] as const;

/** Starts everything, to be stopped at the end of the file. Unknown hosts get 502 (REGISTRY_ONLY). */
export async function startFleetMesh(members: readonly string[] = all): Promise<FleetMesh> {
  t.setTimeout(180_000);
  const fleet = await Fleet.start(members);
  const spec = { accessLogFile: '/dev/stdout', outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } };
  const apiVersion = 'mesh.istio.io/v1alpha1';
  const mesh = new LiveMesh({
    'mesh.yaml': documents({ apiVersion, kind: 'MeshConfig', metadata: { name: 'mesh' }, spec }),
  });
  t.teardown(async () => {
    await mesh.stop();
    await fleet.stop();
  });
  mesh.write('barrier.yaml', documents(...service(fleet, 'barrier', { members: ['v1'] })));
  await mesh.startServer();
  const [client] = await Promise.all([
    mesh.sidecar(fleet.at(1)),
    mesh.sidecar(fleet.at(2), { name: 'other', namespace: 'other', protocol: 'sotw' }),
  ]);
  await mesh.synced(2);
  const { port } = fleet;
  return {
    fleet,
    mesh,
    client,
    async write(file, resources) {
      const applied = mesh.applied(() => mesh.write(`${file}.yaml`, documents(...resources)));
      const thrown = await applied.catch((reason: unknown) => reason);
      // A refused document makes no generation, so look for the reason first.
      const problems = mesh.server.controlPlane.state.problems();
      const error = problems.find(({ severity }) => severity === 'error');
      if (error !== undefined) throw new Error(JSON.stringify(error));
      if (thrown !== undefined) throw thrown;
      // Envoy acknowledges when its workers have been told: a call that came back is later than that. It may have been
      // refused: a Sidecar may have left nothing at the port.
      await Promise.allSettled([1, 2].map((n) => fleet.ask('barrier.test', { via: fleet.at(n) })));
    },
    service: (name, described) => service(fleet, name, described),
    stat: (name, what, subset = '') =>
      client.stat(`cluster.outbound|${port}|${subset}|${name}.test;.${what}`),
  };
}

function service(fleet: Fleet, name: string, described: Described): object[] {
  const { policy, subsets, members = all, ports } = described;
  const host = `${name}.test`;
  const entry = resource('ServiceEntry', name, {
    hosts: [host],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    ports: ports ?? [{ number: fleet.port, name: 'http', protocol: 'HTTP' }],
    endpoints: members.map((member) => ({
      address: fleet.address(member),
      labels: { version: member, generation: member === 'v1' ? 'old' : 'new' },
    })),
  });
  if (policy === undefined && subsets === undefined) return [entry];
  return [entry, resource('DestinationRule', name, { host, trafficPolicy: policy, subsets })];
}

/** A policy that can be told from others at the workloads: a connection for every `requests` requests. */
export function perConnection(requests: number): object {
  return { connectionPool: { http: { maxRequestsPerConnection: requests } } };
}
