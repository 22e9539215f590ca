import t from 'tap';
import { parseProxy } from '../../src/mesh/parse-proxy.js';

t.test("Istio's node", async (t) => {
  const proxy = parseProxy({
    id: 'sidecar~10.0.0.1~reviews-v1.prod~prod.svc.cluster.local',
    cluster: 'reviews.prod',
    metadata: {
      NAMESPACE: 'prod',
      LABELS: { app: 'reviews', bad: 3 },
      INSTANCE_IPS: '10.0.0.1,2001:db8::1',
      CLUSTER_ID: 'c1',
      NETWORK: 'n1',
      SERVICE_ACCOUNT: 'sa',
      WORKLOAD_NAME: 'reviews-v1',
      INTERCEPTION_MODE: 'TPROXY',
      GENERATOR: 'grpc',
      ISTIO_VERSION: '1.27.1',
      UNHEARD_OF: {},
    },
    locality: { region: 'r', zone: 'z', sub_zone: 's' },
    version: '1.40.0',
  });
  t.strictSame(proxy, {
    id: 'sidecar~10.0.0.1~reviews-v1.prod~prod.svc.cluster.local',
    type: 'sidecar',
    name: 'reviews-v1',
    namespace: 'prod',
    labels: { app: 'reviews' },
    ips: ['10.0.0.1', '2001:db8::1'],
    locality: { region: 'r', zone: 'z', subzone: 's' },
    network: 'n1',
    clusterId: 'c1',
    serviceAccount: 'sa',
    workloadName: 'reviews-v1',
    dnsDomain: 'prod.svc.cluster.local',
    interceptionMode: 'TPROXY',
    virtualHostDiscovery: false,
    generator: 'grpc',
    workloadGroup: '',
    dnsCapture: false,
    cluster: 'reviews.prod',
    service: '',
    envoyVersion: '1.40.0',
    istioVersion: '1.27.1',
    // What EnvoyFilters may ask about: strings only.
    metadata: {
      NAMESPACE: 'prod',
      INSTANCE_IPS: '10.0.0.1,2001:db8::1',
      CLUSTER_ID: 'c1',
      NETWORK: 'n1',
      SERVICE_ACCOUNT: 'sa',
      WORKLOAD_NAME: 'reviews-v1',
      INTERCEPTION_MODE: 'TPROXY',
      GENERATOR: 'grpc',
      ISTIO_VERSION: '1.27.1',
    },
  });
});

t.test('virtual hosts one by one: wanted, and by an Envoy that can', async (t) => {
  const takes = (version: string | undefined, wanted: unknown) =>
    parseProxy({
      id: 'x',
      cluster: '',
      metadata: { VIRTUAL_HOST_DISCOVERY: wanted },
      ...(version && { version }),
    }).virtualHostDiscovery;
  t.equal(takes('1.40.0', 'true'), true);
  t.equal(takes('1.37.0', true), true);
  t.equal(takes('2.0.0', 'true'), true);
  t.equal(takes('1.36.4', 'true'), false);
  t.equal(takes(undefined, 'true'), false);
  t.equal(takes('1.40.0', 'false'), false);
});

t.test('namespace and address from the id', async (t) => {
  const id = 'router~10.0.0.2~gateway.infra~infra.svc.cluster.local';
  const proxy = parseProxy({ id, cluster: '', metadata: {} });
  t.match(proxy, { type: 'router', name: 'gateway', namespace: 'infra', ips: ['10.0.0.2'] });
  t.equal(proxy.interceptionMode, 'REDIRECT');
});

t.test('any other node', async (t) => {
  const plain = parseProxy({ id: 'my-envoy', cluster: 'web', metadata: {} });
  t.match(plain, { type: 'sidecar', name: 'my-envoy', namespace: 'default', ips: [], labels: {} });
  t.equal(plain.dnsDomain, 'default.svc.cluster.local');
  t.equal(plain.service, 'web');
  const metadata = { namespace: 'shop', labels: { version: 'v1' }, INSTANCE_IPS: '10.0.0.1' };
  const lower = parseProxy({ id: 'my-envoy', cluster: 'web', metadata });
  t.match(lower, { namespace: 'shop', labels: { version: 'v1' }, ips: ['10.0.0.1'] });
  const both = parseProxy({ id: 'x', cluster: '', metadata: { namespace: 'a', NAMESPACE: 'b' } });
  t.equal(both.namespace, 'b', "Istio's spelling goes before");
  const nameless = parseProxy({ id: '', cluster: 'web', metadata: { NAMESPACE: 'prod' } });
  t.match(nameless, { name: 'web', namespace: 'prod', dnsDomain: 'prod.svc.cluster.local' });
  const broken = {
    id: 'sidecar~10.0.0.1~x',
    cluster: '',
    metadata: { NAMESPACE: 3, LABELS: [], INSTANCE_IPS: {}, INTERCEPTION_MODE: 'X' },
  };
  t.match(parseProxy(broken), { name: 'sidecar~10.0.0.1~x', namespace: 'default', ips: [] });
});

t.test('who runs the probe of its group', async (t) => {
  const healthFrom = (metadata: object) =>
    parseProxy({ id: 'a', cluster: 'a', metadata: metadata as Record<string, unknown> }).healthFrom;
  t.equal(healthFrom({}), undefined);
  t.equal(healthFrom({ HEALTH_DISCOVERY: 'true' }), 'envoy');
  t.equal(healthFrom({ HEALTH_DISCOVERY: true, PROXY_CONFIG: { readinessProbe: {} } }), 'envoy');
  t.equal(healthFrom({ PROXY_CONFIG: { readinessProbe: {} } }), 'agent');
  for (const config of [null, 'x', {}, { readinessProbe: null }, { readinessProbe: 'x' }]) {
    t.equal(healthFrom({ HEALTH_DISCOVERY: 'no', PROXY_CONFIG: config }), undefined);
  }
});
