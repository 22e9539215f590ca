// The scene of the behaviour tests of gateways: a fleet of workloads and one real Envoy as a router, whose listeners
// stand at an address of the test's own; and HTTPS clients that say what they were shown.
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import t from 'tap';
import type { ProblemStatus } from '../../src/status/state.js';
import type { KeyPair } from '../xds/certificates.js';
import { documents, Fleet, resource } from './fleet.js';
import { LiveMesh, type Sidecar, until } from './live-mesh.js';

/** More of a resource than its spec. */
export interface Metadata {
  namespace?: string;
  annotations?: Record<string, string>;
  /** Which of two is older: the smaller one. */
  age?: number;
  /** Label `istio` of the routers of a Gateway. */
  istio?: string;
}

/** Resources of several routes: `age` orders them. */
export function dated(kind: string, name: string, spec: object, metadata: Metadata = {}): object {
  const { namespace = 'default', annotations, age } = metadata;
  const creationTimestamp = new Date(1_700_000_000_000 + (age ?? 0) * 60_000).toISOString();
  return {
    ...resource(kind, name, spec, namespace),
    metadata: {
      ...{ name, namespace },
      ...(annotations && { annotations }),
      ...(age !== undefined && { creationTimestamp }),
    },
  };
}

/** One server of a Gateway. */
export interface ServerSpec {
  port: number;
  protocol?: string;
  hosts?: readonly string[];
  tls?: object;
  /** Address of the listener; that of the scene when absent. */
  bind?: string;
  name?: string;
}

/** A v1 Secret for TLS: a pair, CAs of clients, revoked clients. */
export function secret(
  name: string,
  { cert, key, ca, crl }: Partial<KeyPair> & { ca?: string; crl?: string },
): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' } },
    type: 'Opaque',
    stringData: {
      ...(cert && { 'tls.crt': cert }),
      ...(key && { 'tls.key': key }),
      ...(ca && { 'ca.crt': ca }),
      ...(crl && { 'ca.crl': crl }),
    },
  };
}

/** What one HTTPS request came to. */
export interface SecureAnswer {
  /** 0 when there was no answer. */
  status: number;
  headers: IncomingHttpHeaders;
  /** The member that answered. */
  name: string;
  saw: IncomingHttpHeaders;
  /** Common name of the certificate that was shown. */
  shown: string;
  /** Why there was no answer. */
  error: string;
}

export class GatewayMesh {
  readonly fleet: Fleet;
  readonly mesh: LiveMesh;
  /** The address of the router's listeners. */
  readonly at: string;
  router!: Sidecar;
  #barrierPort = 0;

  private constructor(fleet: Fleet, mesh: LiveMesh) {
    this.fleet = fleet;
    this.mesh = mesh;
    this.at = fleet.at(1);
  }

  /** Starts everything, to be stopped at the end of the file. */
  static async start(
    members: readonly string[] = ['v1', 'v2'],
    options: { meshConfig?: object; metadata?: Record<string, unknown> } = {},
  ): Promise<GatewayMesh> {
    t.setTimeout(180_000);
    const scene = new GatewayMesh(await Fleet.start(members), new LiveMesh({}));
    const { fleet, mesh, at } = scene;
    t.teardown(async () => {
      await mesh.stop();
      await fleet.stop();
    });
    scene.#barrierPort = await fleet.freePort();
    scene.meshConfig(options.meshConfig ?? {});
    const barrier = { route: [{ destination: { host: 'v1.test' } }] };
    mesh.write(
      'barrier.yaml',
      documents(
        ...members.map((name) => scene.service(name, [name])),
        scene.gateway('barrier', [{ port: scene.#barrierPort, hosts: ['barrier.test'] }]),
        scene.rule('barrier', { hosts: ['barrier.test'], gateways: ['barrier'], http: [barrier] }),
      ),
    );
    await mesh.startServer();
    scene.router = await scene.addRouter(at, options.metadata);
    await mesh.synced();
    return scene;
  }

  /** A router with this label `istio`; `gateway` is told it and the address of the listeners. */
  addRouter(
    ip: string,
    metadata?: Record<string, unknown>,
    istio = 'ingressgateway',
  ): Promise<Sidecar> {
    const more = { ...(metadata && { metadata }) };
    return this.mesh.sidecar(ip, { type: 'router', name: istio, labels: { istio }, ...more });
  }

  meshConfig(spec: object): void {
    const metadata = { name: 'mesh', namespace: 'istio-system' };
    const head = { apiVersion: 'mesh.istio.io/v1alpha1', kind: 'MeshConfig', metadata };
    const accessLog = { accessLogFile: '/dev/stdout' };
    this.mesh.write('mesh.yaml', documents({ ...head, spec: { ...accessLog, ...spec } }));
  }

  /** Writes a file and waits until the router acts on it; throws for an error that the server finds. */
  async write(file: string, resources: readonly object[]): Promise<void> {
    const problems = await this.writeAnyhow(file, resources);
    const error = problems.find(({ severity }) => severity === 'error');
    if (error !== undefined) throw new Error(JSON.stringify(error));
  }

  /** The same where something is wrong and something else changes: the problems. */
  async writeAnyhow(file: string, resources: readonly object[]): Promise<readonly ProblemStatus[]> {
    await this.mesh.applied(() => this.mesh.write(`${file}.yaml`, documents(...resources)));
    // Envoy acknowledges when its workers have been told: a request that came back is later than that.
    await this.fleet.ask('barrier.test', { port: this.#barrierPort });
    return this.mesh.server.controlPlane.state.problems();
  }

  /** A file that the server refuses: its problems. */
  async writeRefused(
    file: string,
    resources: readonly object[],
  ): Promise<readonly ProblemStatus[]> {
    const { state } = this.mesh.server.controlPlane;
    const before = JSON.stringify(state.problems());
    this.mesh.write(`${file}.yaml`, documents(...resources));
    await until(5_000, () => JSON.stringify(state.problems()) !== before);
    return state.problems();
  }

  /** A ServiceEntry for NAME.test of members of the fleet. */
  service(name: string, members: readonly string[], protocol = 'HTTP'): object {
    return resource('ServiceEntry', name, {
      hosts: [`${name}.test`],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: this.fleet.port, name: protocol.toLowerCase(), protocol }],
      endpoints: members.map((member) => ({
        address: this.fleet.address(member),
        labels: { version: member },
      })),
    });
  }

  gateway(name: string, servers: readonly ServerSpec[], metadata?: Metadata): object {
    const spec = {
      selector: { istio: metadata?.istio ?? 'ingressgateway' },
      servers: servers.map(
        ({ port, protocol = 'HTTP', hosts = ['*'], tls, bind = this.at, name: own }) => ({
          // Part of the names of routes: not by its place in the list, which edits change.
          port: { number: port, protocol, name: `${protocol}-${port}-${hosts[0]}`.toLowerCase() },
          ...(bind !== '' && { bind }),
          hosts,
          ...(tls && { tls }),
          ...(own && { name: own }),
        }),
      ),
    };
    return dated('Gateway', name, spec, metadata);
  }

  rule(name: string, spec: object, metadata?: Metadata): object {
    return dated('VirtualService', name, spec, metadata);
  }

  /** One HTTPS request on a connection of its own; never throws. */
  askSecure(
    port: number,
    servername: string,
    options: ConnectionOptions & { headers?: Record<string, string>; path?: string } = {},
  ): Promise<SecureAnswer> {
    const { headers, path = '/', ...tls } = options;
    const none = { status: 0, headers: {}, name: '', saw: {}, shown: '', error: '' };
    return new Promise((resolve) => {
      let shown = '';
      const sent = request(
        {
          ...{ host: this.at, port, path, agent: false, timeout: 10_000 },
          ...{ servername, rejectUnauthorized: false, ...tls },
          headers: { host: servername, ...headers },
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            body += chunk;
          });
          response.on('end', () => {
            const { name = '', saw = {} } = body.startsWith('{') ? JSON.parse(body) : {};
            const { statusCode: status = 0, headers } = response;
            resolve({ ...none, status, headers, name, saw, shown });
          });
        },
      );
      sent.on('socket', (socket) => {
        socket.on('secureConnect', () => {
          shown = commonName(socket as TLSSocket);
        });
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
      sent.on('error', ({ code, message }: NodeJS.ErrnoException) =>
        resolve({ ...none, error: code ?? message }),
      );
      sent.end();
    });
  }

  /** One handshake: what was agreed on, and what came of `say`; never throws. */
  handshake(
    port: number,
    servername: string,
    options: ConnectionOptions & { say?: string } = {},
  ): Promise<Handshake> {
    const { say, ...tls } = options;
    return new Promise((resolve) => {
      const to = { host: this.at, port, rejectUnauthorized: false, ...tls };
      const named = servername === '' ? to : { ...to, servername };
      let agreed: Handshake = { ...noHandshake };
      const socket = connect(named, () => {
        agreed = {
          ...noHandshake,
          shown: commonName(socket),
          version: socket.getProtocol() ?? '',
          cipher: socket.getCipher().name,
          alpn: socket.alpnProtocol || '',
        };
        if (say === undefined) finish();
        else socket.write(say);
      });
      const finish = (error = '') => {
        socket.destroy();
        resolve({ ...agreed, error });
      };
      socket.setTimeout(5_000, () => finish('no answer in 5 s'));
      socket.on('data', (data) => {
        agreed = { ...agreed, said: String(data) };
        finish();
      });
      socket.on('close', () => finish('closed'));
      socket.on('error', ({ code, message }: NodeJS.ErrnoException) => finish(code ?? message));
    });
  }
}

/** What a handshake came to; empty texts for one that failed. */
export interface Handshake {
  shown: string;
  version: string;
  cipher: string;
  alpn: string;
  /** The first that the other side said. */
  said: string;
  error: string;
}

const noHandshake: Handshake = {
  ...{ shown: '', version: '', cipher: '', alpn: '', said: '', error: '' },
};

function commonName(socket: TLSSocket): string {
  return String(socket.getPeerCertificate().subject?.CN ?? '');
}

/** To a service of one member. */
export function to(name: string): { route: object[] } {
  return { route: [{ destination: { host: `${name}.test` } }] };
}
