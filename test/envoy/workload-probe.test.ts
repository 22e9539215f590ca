// Real Envoys that run the probe of the WorkloadGroup in which they registered themselves (HDS): traffic goes to those that
// are well, without a failed request, and an edited probe is what counts. The newest Envoy and the oldest.
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { TestCa } from '../xds/certificates.js';
import { testedVersions } from './envoy-process.js';
import { countByName, documents, Fleet, resource } from './fleet.js';
import { LiveMesh, until } from './live-mesh.js';

t.setTimeout(240_000);

/** Services, and the group with this probe. */
function mesh(fleet: Fleet, port: number, probe: object): string {
  return documents(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'backend' },
      spec: {
        selector: { app: 'backend' },
        ports: [{ name: 'http', port: fleet.port, targetPort: port }],
      },
    },
    resource('DestinationRule', 'backend', {
      host: 'backend',
      trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } },
    }),
    resource('WorkloadGroup', 'backends', {
      metadata: { labels: { app: 'backend' } },
      template: {},
      probe: { periodSeconds: 1, ...probe },
    }),
    // The sidecar listens beside the app, on the same address.
    resource('Sidecar', 'backends', {
      workloadSelector: { labels: { app: 'backend' } },
      // Its own listener for the service would stand where the app does.
      egress: [{ hosts: ['~/*'] }],
      ingress: [
        {
          port: { number: port, name: 'http', protocol: 'HTTP' },
          defaultEndpoint: `0.0.0.0:${fleet.port}`,
        },
      ],
    }),
  );
}

class Scene {
  /** Which health endpoints say that all is well; others say 503. */
  readonly well = new Set<string>();
  readonly asked: { name: string; host: string | undefined; path: string | undefined }[] = [];
  private readonly servers: Server[] = [];

  private constructor(
    readonly fleet: Fleet,
    readonly live: LiveMesh,
    private readonly ports: { inbound: number; health: number },
  ) {}

  static async start(t: Test, names: readonly string[], probe: (port: number) => object) {
    const fleet = await Fleet.start(names);
    const ports = { inbound: await fleet.freePort(), health: await fleet.freePort() };
    const text = mesh(fleet, ports.inbound, probe(ports.health));
    const scene = new Scene(fleet, new LiveMesh({ 'mesh.yaml': text }), ports);
    t.teardown(async () => {
      await scene.live.stop();
      for (const server of scene.servers) server.close();
      await fleet.stop();
    });
    for (const name of names) await scene.healthEndpoint(name);
    await scene.live.startServer();
    return scene;
  }

  edit(probe: (port: number) => object): void {
    this.live.write('mesh.yaml', mesh(this.fleet, this.ports.inbound, probe(this.ports.health)));
  }

  instance(name: string, version: string | undefined) {
    return this.live.sidecar(this.fleet.address(name), {
      name,
      workloadGroup: 'backends',
      ...(version && { version }),
    });
  }

  client() {
    return this.live.sidecar(this.fleet.at(1), { name: 'client' });
  }

  /** `one: True` and so on, by the status of their WorkloadEntries. */
  health(): Record<string, string> {
    const entries = this.live.server.controlPlane.state.resources({ kind: 'WorkloadEntry' });
    return Object.fromEntries(
      entries
        .map(({ registeredBy, status }) => [nameOf(registeredBy), conditionOf(status).status])
        .sort(),
    );
  }

  message(name: string): string | undefined {
    const entries = this.live.server.controlPlane.state.resources({ kind: 'WorkloadEntry' });
    const found = entries.find(({ registeredBy }) => nameOf(registeredBy) === name);
    return conditionOf(found?.status).message;
  }

  async becomes(expected: Record<string, string>): Promise<void> {
    await until(10_000, () => JSON.stringify(this.health()) === JSON.stringify(expected)).catch(
      () => {
        throw new Error(`${JSON.stringify(this.health())}, not ${JSON.stringify(expected)}`);
      },
    );
    await this.live.synced();
  }

  async spread(count = 12): Promise<Record<string, number>> {
    const found = countByName(await this.fleet.askInTurn(count, 'backend'));
    return Object.fromEntries(Object.entries(found).sort());
  }

  private async healthEndpoint(name: string): Promise<void> {
    const server = createHttpServer((incoming, outgoing) => {
      this.asked.push({ name, host: incoming.headers.host, path: incoming.url });
      outgoing.writeHead(this.well.has(name) ? 204 : 503).end();
    });
    this.servers.push(server);
    await new Promise<void>((resolve) =>
      server.listen(this.ports.health, this.fleet.address(name), resolve),
    );
  }
}

function nameOf(nodeId = ''): string {
  return nodeId.split('~')[2]?.split('.')[0] ?? '';
}

function conditionOf(status: object | undefined): { status: string; message?: string } {
  const [condition] =
    (status as { conditions?: { status: string }[] } | undefined)?.conditions ?? [];
  return condition ?? { status: '-' };
}

for (const version of testedVersions) {
  t.test(`traffic goes to those that are well, Envoy ${version ?? 'newest'}`, async (t) => {
    const httpGet = (port: number) => ({ failureThreshold: 2, httpGet: { path: '/health', port } });
    const scene = await Scene.start(t, ['one', 'two'], httpGet);
    const { well } = scene;
    well.add('one');
    await Promise.all([
      scene.client(),
      scene.instance('one', version),
      scene.instance('two', version),
    ]);
    await scene.becomes({ one: 'True', two: 'False' });
    t.match(scene.message('two'), /^httpGet 127\.[\d.]+:\d+: no connection, or no status from 200/);
    t.match(scene.asked[0], { host: /^127\.[\d.]+:\d+$/, path: '/health' });
    t.same(await scene.spread(), { one: 12 }, 'one that was never well is not called');

    well.add('two');
    await scene.becomes({ one: 'True', two: 'True' });
    t.same(await scene.spread(), { one: 6, two: 6 });

    const answers: Record<string, number> = {};
    const ask = async () => {
      for (const [name, count] of Object.entries(await scene.spread(4))) {
        answers[name] = (answers[name] ?? 0) + count;
      }
    };
    well.delete('one');
    while (scene.health()['one'] !== 'False') await ask();
    await scene.live.synced();
    t.same(Object.keys(answers).sort(), ['one', 'two'], 'no call fails meanwhile');
    t.same(await scene.spread(), { two: 12 }, 'all calls are the other one’s');
    t.match(scene.live.log.filter(({ message }) => message.startsWith('unhealthy')).at(-1), {
      level: 'warn',
      fields: { workload: /backends-/, proxy: /one/, message: /httpGet/ },
    });
    t.equal(
      scene.live.server.controlPlane.state.generations().length,
      1,
      'no generation of configuration',
    );

    scene.edit((port) => ({ tcpSocket: { port } }));
    await scene.becomes({ one: 'True', two: 'True' });
    t.same(await scene.spread(), { one: 6, two: 6 }, 'the edited probe counts');
    scene.edit(httpGet);
    await scene.becomes({ one: 'False', two: 'True' });
    well.add('one');
    await scene.becomes({ one: 'True', two: 'True' });
    t.same(await scene.spread(), { one: 6, two: 6 }, 'and welcome again');
  });

  t.test(`each way to ask, Envoy ${version ?? 'newest'}`, async (t) => {
    const ca = new TestCa('nobody knows it');
    const pair = ca.issue({ names: ['elsewhere.example'] });
    let wellAtAll = true;
    const https = createHttpsServer(pair, (_incoming, outgoing) =>
      outgoing.writeHead(wellAtAll ? 302 : 404).end(),
    );
    await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve));
    const rpc = new grpc.Server();
    const questions: string[] = [];
    rpc.register(
      '/grpc.health.v1.Health/Check',
      (call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>) => {
        questions.push(call.request.subarray(2).toString());
        reply(null, Buffer.from([8, wellAtAll ? 1 : 2]));
      },
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      'unary',
    );
    const insecure = grpc.ServerCredentials.createInsecure();
    const rpcPort = await new Promise<number>((resolve, reject) =>
      // At the workload's own address, too.
      rpc.bindAsync('0.0.0.0:0', insecure, (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    t.teardown(() => {
      https.close();
      rpc.forceShutdown();
    });
    const { port: httpsPort } = https.address() as { port: number };
    const local = { host: 'localhost', port: httpsPort };
    const secure = { ...local, scheme: 'HTTPS', httpHeaders: [{ name: 'x-load', value: '50%' }] };
    const scene = await Scene.start(t, ['one'], () => ({ httpGet: secure }));
    const envoy = await scene.instance('one', version);
    const failsAndHeals = async (message: RegExp) => {
      await scene.becomes({ one: 'True' });
      wellAtAll = false;
      await scene.becomes({ one: 'False' });
      t.match(scene.message('one'), message);
      wellAtAll = true;
      await scene.becomes({ one: 'True' });
    };
    await failsAndHeals(/^httpGet 127\.0\.0\.1:/);
    // One that takes connections, and then none.
    scene.edit(() => ({ tcpSocket: { ...local, port: 1 } }));
    await scene.becomes({ one: 'False' });
    t.match(scene.message('one'), /^tcpSocket 127\.0\.0\.1:1: no connection$/);
    scene.edit(() => ({ tcpSocket: local }));
    await scene.becomes({ one: 'True' });
    scene.edit(() => ({ grpc: { port: rpcPort, service: 'web' } }));
    await until(10_000, () => questions.length > 0);
    await failsAndHeals(/^grpc 127\.[\d.]+:\d+: no connection, or not SERVING$/);
    t.same([...new Set(questions)], ['web']);
    t.equal(await envoy.stat('hds_delegate.errors'), 0, 'nothing was refused');
  });
}
