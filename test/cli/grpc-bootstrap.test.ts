// The bootstrap of a gRPC program: what it says, and that fairlead reads the node in it as a gRPC client's. That real
// clients take it is shown by test/grpc, which start with nothing else.
import t from 'tap';
import { buildGrpcBootstrap } from '../../src/cli/grpc-bootstrap.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { ProxyNode } from '../../src/mesh/proxy.js';

const options = { name: 'client', namespace: 'shop', ips: ['10.0.0.1'], xds: '127.0.0.1:15010' };

/** The one control plane that it names. */
function controlPlane(bootstrap: Record<string, unknown>): unknown {
  return (bootstrap['xds_servers'] as unknown[])[0];
}

await t.test('what Istio writes too', async (t) => {
  const bootstrap = buildGrpcBootstrap({ ...options, labels: { app: 'shop' } });
  t.strictSame(controlPlane(bootstrap), {
    server_uri: '127.0.0.1:15010',
    channel_creds: [{ type: 'insecure' }],
    server_features: ['xds_v3'],
  });
  t.equal(bootstrap['server_listener_resource_name_template'], 'xds.istio.io/grpc/lds/inbound/%s');
  const proxy = parseProxy(bootstrap['node'] as ProxyNode);
  t.match(proxy, {
    id: 'sidecar~10.0.0.1~client.shop~shop.svc.cluster.local',
    generator: 'grpc',
    name: 'client',
    namespace: 'shop',
    labels: { app: 'shop' },
    ips: ['10.0.0.1'],
    dnsDomain: 'shop.svc.cluster.local',
  });
});

await t.test('a node of any other form', async (t) => {
  const node = { id: 'anything', cluster: '', metadata: { generator: 'grpc', namespace: 'shop' } };
  const { generator, namespace, dnsDomain } = parseProxy(node);
  const expected = { generator: 'grpc', namespace: 'shop', dnsDomain: 'shop.svc.cluster.local' };
  t.strictSame({ generator, namespace, dnsDomain }, expected);
  t.equal(parseProxy({ ...node, metadata: { GENERATOR: 'grpc' } }).namespace, 'default');
});

await t.test('TLS by files, and what gRPC has no place for', async (t) => {
  const xdsTls = { caFile: '/ca.pem', certFile: '/cert.pem', keyFile: '/key.pem' };
  const config = {
    ca_certificate_file: '/ca.pem',
    certificate_file: '/cert.pem',
    private_key_file: '/key.pem',
  };
  t.match(controlPlane(buildGrpcBootstrap({ ...options, xdsTls })), {
    channel_creds: [{ type: 'tls', config }],
  });
  t.throws(() => buildGrpcBootstrap({ ...options, xdsTls: { token: 'x' } }), RangeError);
  t.throws(() => buildGrpcBootstrap({ ...options, xdsTls: { serverName: 'x' } }), RangeError);
});
