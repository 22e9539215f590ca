// The health discovery service (HDS) as a client of gRPC sees it, and what its program is told: by the same hooks and
// bounds as discovery. And health that an agent tells on a discovery stream.
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { encode } from '../../src/envoy/codec.js';
import { CLUSTER } from '../../src/envoy/resource.js';
import {
  type CheckedEndpoint,
  createXdsServer,
  type HealthCheckStream,
  type HealthChecks,
  SnapshotCache,
  type XdsServerOptions,
} from '../../src/xds/server.js';
import { until } from '../envoy/live-mesh.js';
import { TestClient } from './client.js';
import { snapshot } from './resources.js';

const MESSAGE = 'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse';
const hello = { health_check_request: { node: { id: 'a', cluster: 'c' } } };
const endpoint = (port: number, health_status: string) => ({
  endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: port } } },
  health_status,
});
const report = (...endpoints_health: object[]) => ({
  endpoint_health_response: {
    endpoints_health,
    cluster_endpoints_health: [
      { cluster_name: 'probe', locality_endpoints_health: [{ endpoints_health }] },
    ],
  },
});

/** A program that notes all that it is told. */
class Program implements HealthChecks {
  readonly nodes: string[] = [];
  readonly streams: HealthCheckStream[] = [];
  readonly reports: (readonly CheckedEndpoint[])[] = [];
  closed = 0;

  onNode(stream: HealthCheckStream, { id }: { id: string }): void | Promise<void> {
    if (id === 'unwanted') throw new Error('not you');
    this.nodes.push(id);
    this.streams.push(stream);
    stream.send(Buffer.from('check this'));
    stream.send(Buffer.from('check this'));
  }

  onReport(_stream: HealthCheckStream, endpoints: readonly CheckedEndpoint[]): void {
    if (endpoints.some(({ port }) => port === 666)) throw new Error('a bug');
    this.reports.push(endpoints);
  }

  onClosed(): void {
    this.closed++;
  }
}

class Client {
  readonly received: string[] = [];
  end: { code: grpc.status; details: string } | undefined;
  private readonly client: grpc.Client;
  readonly stream: grpc.ClientDuplexStream<Buffer, Buffer>;

  constructor(address: string, metadata = new grpc.Metadata()) {
    const same = (bytes: Buffer) => bytes;
    this.client = new grpc.Client(address, grpc.credentials.createInsecure());
    const method = '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck';
    this.stream = this.client.makeBidiStreamRequest(method, same, same, metadata);
    this.stream.on('data', (bytes: Buffer) => this.received.push(bytes.toString()));
    this.stream.on('error', () => undefined);
    this.stream.on('status', ({ code, details }: grpc.StatusObject) => {
      this.end = { code, details };
    });
  }

  say(message: object): this {
    this.stream.write(encode(MESSAGE, message));
    return this;
  }

  async ended(): Promise<string> {
    await until(5000, () => this.end !== undefined);
    return `${grpc.status[this.end!.code]} ${this.end!.details}`;
  }

  close(): void {
    this.client.close();
  }
}

async function serve(t: Test, options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  cache.set('test', snapshot({ clusters: { a: 1 } }));
  const program = new Program();
  const server = createXdsServer({ cache, healthChecks: program, ...options });
  const bound = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  const address = `127.0.0.1:${bound.port}`;
  const clients: { close(): void }[] = [];
  t.teardown(async () => {
    for (const client of clients) client.close();
    await server.close();
  });
  const client = (metadata?: grpc.Metadata) => {
    const made = new Client(address, metadata);
    clients.push(made);
    return made;
  };
  return { server, program, client, address, clients };
}

t.test('it says who it is, is told what to check, and tells what it finds', async (t) => {
  const { server, program, client } = await serve(t);
  const one = client().say(hello);
  await until(5000, () => one.received.length > 0);
  t.same(program.nodes, ['a']);
  t.match(server.stats(), { streams: 0, healthStreams: 1, silentStreams: 0 });
  one.say(report(endpoint(80, 'HEALTHY'), endpoint(81, 'TIMEOUT')));
  await until(5000, () => program.reports.length === 1);
  const found = (port: number, status: string) => ({
    ...{ cluster: 'probe', address: '10.0.0.1', port, status },
  });
  t.same(program.reports[0], [found(80, 'HEALTHY'), found(81, 'TIMEOUT')]);
  one.say(report(endpoint(80, 'HEALTHY'), endpoint(81, 'TIMEOUT'))).say({});
  await until(5000, () => program.reports.length === 3);
  t.equal(program.reports[1], program.reports[0], 'the same array while nothing changes');
  t.same(program.reports[2], [], 'an empty message is a report of nothing');
  one.say({ endpoint_health_response: { endpoints_health: [endpoint(82, 'UNHEALTHY')] } });
  await until(5000, () => program.reports.length === 4);
  t.same(program.reports[3], [{ ...found(82, 'UNHEALTHY'), cluster: '' }], 'the old form');
  program.streams[0]?.send(Buffer.from('and this'));
  await until(5000, () => one.received.length === 2);
  t.same(one.received, ['check this', 'and this'], 'what is equal is not sent again');
  one.stream.end();
  t.equal(await one.ended(), 'OK OK');
  await until(5000, () => program.closed === 1);
  t.equal(server.stats().healthStreams, 0);
});

t.test('no more is taken in than one report in a tenth of a second', async (t) => {
  const { program, client } = await serve(t);
  const one = client().say(hello);
  for (let port = 1; port <= 50; port++) one.say(report(endpoint(port, 'HEALTHY')));
  await until(5000, () => program.reports.length >= 3);
  const startMs = performance.now();
  const before = program.reports.length;
  await until(5000, () => program.reports.length >= before + 5);
  t.ok(performance.now() - startMs > 400);
});

t.test('messages that end the stream', async (t) => {
  const { program, client } = await serve(t, { limits: { nodeBytesMax: 1000 } });
  const ends = async (...messages: (object | Buffer)[]) => {
    const one = client();
    for (const message of messages) {
      if (Buffer.isBuffer(message)) one.stream.write(message);
      else one.say(message);
    }
    return one.ended();
  };
  const first = 'INVALID_ARGUMENT the first message of a stream must be a health check request';
  t.match(await ends(report(endpoint(80, 'HEALTHY'))), first);
  t.match(await ends({ health_check_request: {} }), first);
  t.match(await ends(Buffer.from('rubbish')), 'INVALID_ARGUMENT the message cannot be read');
  const badNode = Buffer.from([0x0a, 0x04, 0x0a, 0x02, 0x0a, 0x7f]);
  t.match(await ends(badNode), 'INVALID_ARGUMENT the node cannot be read');
  const large = { health_check_request: { node: { id: 'x'.repeat(2000) } } };
  t.match(await ends(large), 'RESOURCE_EXHAUSTED a node of more than 1000 bytes');
  const unwanted = { health_check_request: { node: { id: 'unwanted' } } };
  t.match(await ends(unwanted), 'PERMISSION_DENIED not you');
  t.match(await ends(hello, report(endpoint(666, 'HEALTHY'))), 'INTERNAL a bug');
  t.equal(program.closed, 2, 'of those that were told');
});

t.test('who it is, is asked as of a discovery stream', async (t) => {
  const { program, client } = await serve(t, {
    authenticate: ({ metadata }) => {
      const [name] = metadata.get('authorization');
      if (name === undefined) throw new Error('who are you');
      return { name: String(name) };
    },
    authorize: async (identity, node) => {
      if (identity?.name !== node.id) throw new Error(`${identity?.name} may not be ${node.id}`);
    },
  });
  const as = (name: string) => {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', name);
    return metadata;
  };
  t.equal(await client().ended(), 'UNAUTHENTICATED who are you');
  t.equal(await client(as('b')).say(hello).ended(), 'PERMISSION_DENIED b may not be a');
  t.same(program.nodes, []);
  const one = client(as('a')).say(hello);
  await until(5000, () => one.received.length > 0);
  t.equal(program.streams[0]?.identity?.name, 'a');
  program.streams[0]?.end('enough');
  t.equal(await one.ended(), 'UNAVAILABLE enough');
});

t.test('bounds, and the end of the server', async (t) => {
  const scene = await serve(t, { limits: { streamsMax: 1 }, times: { firstRequestMs: 200 } });
  const silent = scene.client();
  t.equal(await silent.ended(), 'DEADLINE_EXCEEDED no request was sent');
  const one = scene.client().say(hello);
  await until(5000, () => one.received.length > 0);
  t.match(await scene.client().ended(), /RESOURCE_EXHAUSTED more than 1 streams/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(one.end, undefined, 'one that was let in has time');
  await scene.server.close();
  t.equal(await one.ended(), 'UNAVAILABLE the server is shutting down');

  const { client } = await serve(t, { healthChecks: undefined } as never);
  t.match(await client().ended(), /^UNIMPLEMENTED/, 'without a program for it');
});

t.test('an agent tells of its workload on a discovery stream', async (t) => {
  for (const variant of ['sotw', 'delta'] as const) {
    const told: string[] = [];
    const requests: string[] = [];
    const { address, clients } = await serve(t, {
      groupOf: () => 'test',
      callbacks: {
        onHealthInformation: (stream, error) => told.push(`${stream.node?.id} ${error ?? 'well'}`),
        onRequest: (_stream, typeUrl) => requests.push(typeUrl),
      },
    });
    const agent = new TestClient({ address, variant });
    clients.push(agent);
    const health = { type_url: 'type.googleapis.com/istio.v1.HealthInformation' };
    agent.send({ ...health, node: undefined });
    agent.send({ type_url: CLUSTER, node: { id: 'test' } });
    agent.send({ ...health, error_detail: { code: 13, message: 'status 503' } });
    agent.send(health);
    await until(5000, () => told.length === 2);
    t.same(
      told,
      ['test status 503', 'test well'],
      `${variant}: what comes before the node does not count`,
    );
    t.same([...new Set(requests)], [CLUSTER], 'it asks for nothing');
  }
});
