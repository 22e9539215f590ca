// An xDS server for the Envoy whose node id is `my-envoy`: a listener that sends everything to one upstream. README.md
// says how to start an Envoy against it. Larger configurations use RDS and EDS; the messages are the same.
import * as xds from 'fairlead/xds';

const { XDS_PORT = 18000, LISTENER_PORT = 10000, UPSTREAM_PORT = 8080 } = process.env;
const any = (name) => `type.googleapis.com/envoy.extensions.filters.${name}`;
const loopback = (port) => ({
  socket_address: { address: '127.0.0.1', port_value: Number(port) },
});

const cluster = xds.resourceFromJson(xds.CLUSTER, {
  name: 'app',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: 'app',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(UPSTREAM_PORT) } }] }],
  },
});
const routes = [{ match: { prefix: '/' }, route: { cluster: 'app' } }];
const router = { name: 'router', typed_config: { '@type': any('http.router.v3.Router') } };
const connectionManager = {
  '@type': any('network.http_connection_manager.v3.HttpConnectionManager'),
  stat_prefix: 'ingress',
  route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
  http_filters: [router],
};
const listener = xds.resourceFromJson(xds.LISTENER, {
  name: 'ingress',
  address: loopback(LISTENER_PORT),
  filter_chains: [{ filters: [{ name: 'http', typed_config: connectionManager }] }],
});

const cache = new xds.SnapshotCache();
cache.set('my-envoy', xds.snapshotFrom([cluster, listener]));
const server = xds.createXdsServer({
  cache,
  callbacks: {
    onAck: ({ node }, type, version) => console.log(`${node.id} accepted ${type} ${version}`),
    onNack: ({ node }, type, { message }) => console.log(`${node.id} refused ${type}: ${message}`),
  },
});
const { port } = await server.listen({ host: '127.0.0.1', port: Number(XDS_PORT) });
console.log(`xDS on 127.0.0.1:${port}`);
process.once('SIGTERM', () => server.close());
