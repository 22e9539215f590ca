// Server reflection, asked as grpcurl does: the list of services, the file of a symbol with what it imports, errors.
// The descriptors are put together again by protobufjs.
import * as grpc from '@grpc/grpc-js';
import descriptorExtension from 'protobufjs/ext/descriptor/index.js';
import protobuf from 'protobufjs/light.js';
import t from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { discoveryServices } from '../../src/xds/services.js';

// Its types describe another module than what is exported.
const descriptor = descriptorExtension as unknown as Record<string, protobuf.Type>;

interface Answer {
  message_response: string;
  list_services_response: { service: { name: string }[] };
  file_descriptor_response: { file_descriptor_proto: Buffer[] };
  error_response: { error_code: number };
}

const server = createXdsServer({ cache: new SnapshotCache() });
const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
t.teardown(async () => {
  client.close();
  await server.close();
});

function open(service = 'grpc.reflection.v1.ServerReflection') {
  const same = (bytes: Buffer) => bytes;
  const stream = client.makeBidiStreamRequest(`/${service}/ServerReflectionInfo`, same, same);
  const errors: grpc.ServiceError[] = [];
  stream.on('error', (error: grpc.ServiceError) => errors.push(error));
  const ask = (request: object) =>
    new Promise<Answer>((resolve) => {
      stream.once('data', (bytes: Buffer) =>
        resolve(decode<Answer>('grpc.reflection.v1.ServerReflectionResponse', bytes)),
      );
      stream.write(encode('grpc.reflection.v1.ServerReflectionRequest', request));
    });
  return { ask, stream, errors };
}

const files = (answer: Answer) =>
  answer.file_descriptor_response.file_descriptor_proto.map(
    (bytes) =>
      descriptor['FileDescriptorProto']!.decode(bytes) as unknown as {
        name: string;
        dependency: string[];
      },
  );

t.test('every service that is offered is listed and described', async (t) => {
  for (const version of ['v1', 'v1alpha']) {
    const { ask, stream } = open(`grpc.reflection.${version}.ServerReflection`);
    const { service } = (await ask({ list_services: '*' })).list_services_response;
    const names = service.map(({ name }) => name);
    for (const { service } of discoveryServices) t.ok(names.includes(service), service);
    t.ok(names.includes('grpc.health.v1.Health'));
    t.ok(names.includes('envoy.service.status.v3.ClientStatusDiscoveryService'));
    for (const name of names) {
      const answer = await ask({ file_containing_symbol: name });
      t.equal(answer.message_response, 'file_descriptor_response', name);
    }
    stream.end();
  }
});

t.test(
  'a file comes with all that it imports, each once on a stream; together they load',
  async (t) => {
    const { ask, stream } = open();
    const found = files(await ask({ file_containing_symbol: 'envoy.config.listener.v3.Listener' }));
    const more = files(await ask({ file_containing_symbol: 'envoy.config.cluster.v3.Cluster' }));
    const names = [...found, ...more].map(({ name }) => name);
    t.equal(new Set(names).size, names.length, 'no file twice');
    for (const [at, { name, dependency }] of [...found, ...more].entries()) {
      for (const needed of dependency) {
        t.ok(names.indexOf(needed) >= 0 && names.indexOf(needed) < at, `${name} after ${needed}`);
      }
    }
    const set = descriptor['FileDescriptorSet']!.create({ file: [...found, ...more] as never });
    const root = (
      protobuf.Root as unknown as { fromDescriptor(set: object): protobuf.Root }
    ).fromDescriptor(set);
    const type = root.lookupType('envoy.config.cluster.v3.Cluster');
    const bytes = encode('envoy.config.cluster.v3.Cluster', {
      name: 'a',
      typed_extension_protocol_options: { x: { type_url: 'x/y' } },
    });
    t.match(type.toObject(type.decode(bytes)), { name: 'a' });
    stream.end();
  },
);

t.test('what is not there, and what cannot be read', async (t) => {
  const { ask, stream } = open();
  for (const request of [
    { file_containing_symbol: 'no.such.Thing' },
    { file_by_filename: 'no/such.proto' },
    { file_by_filename: '__proto__' },
    { file_containing_extension: { containing_type: 'a.B', extension_number: 3 } },
  ]) {
    t.match(await ask(request), { error_response: { error_code: grpc.status.NOT_FOUND } });
  }
  const method = 'envoy.service.discovery.v3.AggregatedDiscoveryService.DeltaAggregatedResources';
  t.match(await ask({ file_containing_symbol: method }), {
    message_response: 'file_descriptor_response',
  });
  t.match(await ask({}), { error_response: { error_code: grpc.status.INVALID_ARGUMENT } });
  stream.end();
  const bad = open();
  bad.stream.resume();
  bad.stream.write(Buffer.from([0xff, 0xff]));
  await new Promise((resolve) => bad.stream.once('status', resolve));
  t.match(bad.errors, [{ code: grpc.status.INVALID_ARGUMENT }]);
});

t.test('Fetch methods of discovery are not served, and say so', async (t) => {
  const same = (bytes: Buffer) => bytes;
  const error = await new Promise<grpc.ServiceError | null>((resolve) =>
    client.makeUnaryRequest(
      '/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters',
      same,
      same,
      Buffer.alloc(0),
      (e) => resolve(e),
    ),
  );
  t.match(error, { code: grpc.status.UNIMPLEMENTED });
});
