// gRPC without Envoy: clients of @grpc/grpc-js-xds call `xds:///greeter`, and an xDS server tells them where that is. All
// clients see the same, so the resources are in a LinearCache. Server, two backends and a client are one process here;
// it prints who answered, moves all calls to the second backend, prints again, and ends.
import * as grpc from '@grpc/grpc-js';
import {
  CLUSTER,
  createXdsServer,
  ENDPOINT,
  LISTENER,
  LinearCache,
  resourceFromJson,
} from 'fairlead/xds';

const method = '/example.Greeter/Hello';
const bytes = (value) => value;

/** A backend that answers with its name; gives its port. */
async function backend(name) {
  const server = new grpc.Server();
  server.register(method, (_call, done) => done(null, Buffer.from(name)), bytes, bytes, 'unary');
  const insecure = grpc.ServerCredentials.createInsecure();
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', insecure, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, stop: () => server.forceShutdown() };
}

/** The endpoints of the greeter, on these ports. */
const endpoints = (...ports) =>
  resourceFromJson(ENDPOINT, {
    cluster_name: 'greeter',
    endpoints: [
      {
        locality: { zone: 'here' },
        load_balancing_weight: 1,
        lb_endpoints: ports.map((port_value) => ({
          endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
        })),
      },
    ],
  });

const [one, two] = await Promise.all([backend('one'), backend('two')]);
const cache = new LinearCache();
cache.update({
  set: [
    resourceFromJson(LISTENER, {
      name: 'greeter',
      api_listener: {
        api_listener: {
          '@type':
            'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
          route_config: {
            name: 'greeter',
            virtual_hosts: [
              {
                name: 'greeter',
                domains: ['*'],
                routes: [{ match: { prefix: '' }, route: { cluster: 'greeter' } }],
              },
            ],
          },
          http_filters: [
            {
              name: 'router',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
              },
            },
          ],
        },
      },
    }),
    resourceFromJson(CLUSTER, {
      name: 'greeter',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {} } },
      lb_policy: 'ROUND_ROBIN',
    }),
    endpoints(one.port, two.port),
  ],
});
const xds = createXdsServer({ cache });
const { port } = await xds.listen({ host: '127.0.0.1', port: 0 });

// A client of another process gets this from a file named in GRPC_XDS_BOOTSTRAP.
process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
  xds_servers: [
    {
      server_uri: `127.0.0.1:${port}`,
      channel_creds: [{ type: 'insecure' }],
      server_features: ['xds_v3'],
    },
  ],
  node: { id: 'greeter-client', locality: {} },
});
const { register } = await import('@grpc/grpc-js-xds');
register();
const client = new grpc.Client('xds:///greeter', grpc.credentials.createInsecure());
const call = () =>
  new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 10_000 };
    client.makeUnaryRequest(
      method,
      bytes,
      bytes,
      Buffer.of(),
      new grpc.Metadata(),
      options,
      (error, answer) => (error ? reject(error) : resolve(String(answer))),
    );
  });
/** Who answered 20 calls. */
async function answers() {
  const names = new Set();
  for (let i = 0; i < 20; i++) names.add(await call());
  return [...names].sort().join(', ');
}

// The second backend may take a moment to be connected to.
let both = await answers();
for (let tries = 0; both !== 'one, two' && tries < 100; tries++) both = await answers();
console.log(`answers from ${both}`);
cache.set(endpoints(two.port));
let moved = await answers();
for (let tries = 0; moved !== 'two' && tries < 100; tries++) moved = await answers();
console.log(`answers from ${moved}`);

client.close();
await xds.close();
one.stop();
two.stop();
process.exit(0);
