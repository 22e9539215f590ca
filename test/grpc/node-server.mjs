// A gRPC server in Node that takes its listener from the mesh: `node-server.mjs HOST:PORT NAME`; answers with its name.
import { ServerCredentials } from '@grpc/grpc-js';
import { register, XdsServer } from '@grpc/grpc-js-xds';

register();
const [address, name] = process.argv.slice(2);
const same = (bytes) => bytes;
const method = {
  path: '/demo.Backend/Call',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const server = new XdsServer();
server.addService({ Call: method }, { Call: (_call, done) => done(null, Buffer.from(name)) });
server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
