// Workloads that register themselves in a group with a probe: over real streams to a control plane, what the others are told
// as their Envoys (HDS) or agents tell how they are, and what that costs. What reports come to is workload-health.test.ts.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { registrationsFile } from '../src/cli/registrations-file.js';
import { encode, toJson } from '../src/envoy/codec.js';
import { encodeCounters } from '../src/snapshot/encode.js';
import { PROBE_CLUSTER } from '../src/translate/names.js';
import { until } from './envoy/live-mesh.js';
import { group, memberId, Scene } from './registration-scene.js';

t.setTimeout(60_000);

const probed = (fields: string) => `${group}  probe: { ${fields} }\n`;
const tcp = probed('tcpSocket: { port: 9090 }');
const byEnvoy = { HEALTH_DISCOVERY: 'true' };
const METHOD = '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck';

/** The part of an Envoy that runs health checks. */
class Checker {
  readonly asked: (number | undefined)[] = [];
  end: string | undefined;
  readonly #client: grpc.Client;
  readonly #stream: grpc.ClientDuplexStream<Buffer, Buffer>;
  readonly #n: number;

  constructor(t: Test, scene: Scene, n: number, more: Record<string, string> = {}) {
    this.#n = n;
    const same = (bytes: Buffer) => bytes;
    this.#client = new grpc.Client(scene.address, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#stream = this.#client.makeBidiStreamRequest(METHOD, same, same);
    this.#stream.on('error', () => undefined);
    this.#stream.on('status', ({ details }) => {
      this.end = details;
    });
    this.#stream.on('data', (bytes: Buffer) => this.asked.push(portIn(bytes)));
    t.teardown(() => this.close());
    const metadata = { AUTO_REGISTER_GROUP: 'backends', ...byEnvoy, ...more };
    const fields = Object.entries(metadata).map(([key, stringValue]) => [key, { stringValue }]);
    const node = { id: memberId(n), metadata: { fields: Object.fromEntries(fields) } };
    this.#say({ health_check_request: { node } });
  }

  says(health_status: 'HEALTHY' | 'UNHEALTHY' | 'TIMEOUT', port = 9090): void {
    const address = { socket_address: { address: `10.0.1.${this.#n}`, port_value: port } };
    const health = { endpoint: { address }, health_status };
    const locality_endpoints_health = [{ endpoints_health: [health] }];
    const cluster_endpoints_health = [{ cluster_name: PROBE_CLUSTER, locality_endpoints_health }];
    this.#say({ endpoint_health_response: { cluster_endpoints_health } });
  }

  /** Says it once a second, as Envoy does, until the function given is called. */
  keepsSaying(status: 'HEALTHY' | 'UNHEALTHY'): () => void {
    this.says(status);
    const timer = setInterval(() => this.says(status), 300).unref();
    return () => clearInterval(timer);
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #say(message: object): void {
    const type = 'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse';
    this.#stream.write(encode(type, message));
  }
}

function portIn(bytes: Buffer): number | undefined {
  const json = JSON.stringify(toJson('envoy.service.health.v3.HealthCheckSpecifier', bytes));
  const found = /"portValue":(\d+)/.exec(json)?.[1];
  return found === undefined ? undefined : Number(found);
}

async function sceneOf(t: Test, text: string, options = {}): Promise<Scene> {
  const scene = new Scene(options);
  scene.source.set('group.yaml', text);
  await scene.start(t);
  return scene;
}

const condition = (scene: Scene, n: number) => {
  const status = scene.entry(`backends-10.0.1.${n}`)?.status as
    | { conditions: [{ status: string; message?: string }] }
    | undefined;
  const { status: is, message } = status?.conditions[0] ?? {};
  return is && `${is}${message ? ` ${message}` : ''}`;
};

t.test('one that is not known to be well is not called', async (t) => {
  const scene = await sceneOf(t, tcp);
  scene.member(1, byEnvoy);
  scene.member(2, {});
  await scene.settled(['10.0.1.2:9090']);
  t.equal(condition(scene, 2), undefined, 'an Envoy that runs no probes is well while it is there');
  await until(5000, () => condition(scene, 1) !== undefined);
  t.equal(condition(scene, 1), 'Unknown its probe has not succeeded yet');
  t.match(
    scene.plane.state.proxyConfiguration('backend-1')?.clusters,
    [{ name: /./ }],
    'it is served like any other',
  );
  const inbound = () =>
    JSON.stringify(scene.plane.state.proxyConfiguration('backend-1')?.clusters).includes(
      'inbound|9090||',
    );
  await until(5000, inbound);
  t.pass('and serves what selects it');
  const checker = new Checker(t, scene, 1);
  await until(5000, () => checker.asked.length > 0);
  t.same(checker.asked, [9090]);
  checker.says('HEALTHY');
  await scene.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  t.equal(condition(scene, 1), 'True');

  const before = new Map(encodeCounters.encodingsByType);
  const still = checker.keepsSaying('UNHEALTHY');
  await scene.settled(['10.0.1.2:9090']);
  still();
  const made = [...encodeCounters.encodingsByType]
    .map(([type, count]) => [type.split('.').at(-1), count - (before.get(type) ?? 0)])
    .filter(([, count]) => count !== 0);
  t.same(made, [['ClusterLoadAssignment', 1]], 'it costs one load assignment');
  t.equal(condition(scene, 1), 'False tcpSocket 10.0.1.1:9090: no connection');
  t.ok(inbound());
  t.same(
    scene.log
      .filter(({ message }) => /healthy/.test(message))
      .map(({ level, message }) => `${level} ${message}`),
    ['info healthy', 'warn unhealthy; it is not called'],
  );
  const { text } = await scene.plane.metrics.page();
  t.match(text, 'fairlead_registered_workloads{health="unhealthy"} 1');
  t.match(text, 'fairlead_registered_workloads{health="unprobed"} 1');
  t.match(text, 'fairlead_xds_health_streams 1');
});

t.test('what is known stays while the stream is away, and goes with the sidecar', async (t) => {
  const scene = await sceneOf(t, tcp);
  const sidecar = scene.member(1, byEnvoy);
  const checker = new Checker(t, scene, 1);
  checker.says('HEALTHY');
  await scene.settled(['10.0.1.1:9090']);
  checker.close();
  await sleep(500);
  t.same(scene.endpoints(), ['10.0.1.1:9090'], 'the stream alone says nothing');
  sidecar.close();
  await sleep(100);
  scene.member(1, byEnvoy).close();
  await sleep(100);
  const last = scene.member(1, byEnvoy);
  await sleep(400);
  t.same(scene.endpoints(), ['10.0.1.1:9090'], 'it came back in time');
  last.close();
  await scene.settled([]);
  scene.member(1, byEnvoy);
  await until(5000, () => condition(scene, 1)?.startsWith('Unknown') === true);
  t.same(scene.endpoints(), [], 'nothing is known of it any more');
});

t.test('a probe that comes, changes, and goes', async (t) => {
  const scene = await sceneOf(t, group);
  scene.member(1, byEnvoy);
  const checker = new Checker(t, scene, 1);
  await scene.settled(['10.0.1.1:9090']);
  const lost: string[] = [];
  const watch = setInterval(() => {
    if (scene.endpoints().length === 0) lost.push('lost');
  }, 5);
  scene.source.set('group.yaml', tcp);
  await until(5000, () => condition(scene, 1) === 'True');
  scene.source.set('group.yaml', probed('tcpSocket: { port: 7070 }'));
  await until(5000, () => checker.asked.length === 3);
  scene.source.set('group.yaml', probed('exec: { command: [ls] }'));
  await until(5000, () => condition(scene, 1) === undefined);
  scene.source.set('group.yaml', tcp);
  await until(5000, () => checker.asked.length === 5 && condition(scene, 1) === 'True');
  clearInterval(watch);
  t.same(checker.asked, [undefined, 9090, 7070, undefined, 9090]);
  t.same(lost, [], 'nobody was taken away before there was a result');
  checker.keepsSaying('UNHEALTHY');
  await scene.settled([]);
  scene.source.set('group.yaml', probed('exec: { command: [ls] }'));
  await scene.settled(['10.0.1.1:9090']);
  t.match(
    scene.plane.state.problems().filter(({ path }) => path === 'spec.probe.exec'),
    [{ code: 'not-implemented', severity: 'warning', position: { file: 'group.yaml', line: 7 } }],
  );
});

t.test('only the node itself tells how it is', async (t) => {
  const scene = await sceneOf(t, tcp, {
    checks: {
      authenticate: () => ({ name: 'somebody' }),
      authorize: (_identity: unknown, { namespace }: { namespace: string }) => {
        if (namespace !== 'default') throw new Error('not yours');
      },
    },
  });
  scene.member(1, { ...byEnvoy, SERVICE_ACCOUNT: 'backend' });
  const stranger = new Checker(t, scene, 1, { NAMESPACE: 'elsewhere' });
  await until(5000, () => stranger.end !== undefined);
  t.equal(stranger.end, 'not yours');
  const other = new Checker(t, scene, 2);
  other.says('HEALTHY');
  await sleep(300);
  t.same(scene.endpoints(), [], 'another one tells nothing of it');
  new Checker(t, scene, 1).says('HEALTHY');
  await scene.settled(['10.0.1.1:9090']);
});

t.test('with a file, health outlives the control plane', async (t) => {
  const file = join(t.testdir(), 'registrations.json');
  const note = () => undefined;
  const memory = () => ({
    registrationMemory: registrationsFile(file, { info: note, warn: note, error: note }),
  });
  const first = await sceneOf(t, tcp, memory());
  first.member(1, byEnvoy);
  first.member(2, byEnvoy);
  const [one, two] = [new Checker(t, first, 1), new Checker(t, first, 2)];
  one.says('HEALTHY');
  await first.settled(['10.0.1.1:9090']);
  two.keepsSaying('UNHEALTHY');
  await until(8000, () => condition(first, 2)?.startsWith('False') === true);
  await first.plane.stop();

  const second = await sceneOf(t, tcp, memory());
  await second.settled(['10.0.1.1:9090']);
  t.match(condition(second, 2), /^False/);
  second.member(1, byEnvoy);
  await sleep(300);
  t.same(second.endpoints(), ['10.0.1.1:9090']);
});

t.test('Istio’s agent tells how its workload is on the discovery stream', async (t) => {
  const scene = await sceneOf(t, group);
  const readinessProbe = { structValue: { fields: {} } };
  const agent = { PROXY_CONFIG: { structValue: { fields: { readinessProbe } } } };
  const one = scene.member(1, agent);
  scene.member(2, {}).tellHealth('not that it matters');
  await scene.settled(['10.0.1.2:9090']);
  await until(5000, () => condition(scene, 1)?.startsWith('Unknown') === true);
  one.tellHealth();
  await scene.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  one.tellHealth('status code 503');
  await scene.settled(['10.0.1.2:9090']);
  t.equal(condition(scene, 1), 'False status code 503');
});
