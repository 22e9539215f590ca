// The bootstrap: who the node says it is, where the control plane is looked for, and that a real
// Envoy accepts it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import {
  type BootstrapOptions,
  bootstrapText,
  buildBootstrap,
  buildNode,
  followedIstioVersion,
} from '../../src/cli/bootstrap.js';
import { ensureEnvoy } from '../../src/cli/envoy-binary.js';

// The runner's 30 s for a file are too few on a busy machine.
t.setTimeout(240_000);

const sidecar: BootstrapOptions = {
  type: 'sidecar',
  name: 'backend-v1',
  namespace: 'shop',
  ips: ['10.1.2.3', 'fd00::3'],
  labels: { app: 'backend', version: 'v1' },
  locality: 'eu/eu-1/rack-2',
  xds: '127.0.0.1:15010',
};

t.test('a sidecar node has the form that Istio gives it', async (t) => {
  t.same(buildNode(sidecar), {
    id: 'sidecar~10.1.2.3~backend-v1.shop~shop.svc.cluster.local',
    cluster: 'backend.shop',
    locality: { region: 'eu', zone: 'eu-1', sub_zone: 'rack-2' },
    metadata: {
      NAME: 'backend-v1',
      NAMESPACE: 'shop',
      INSTANCE_IPS: '10.1.2.3,fd00::3',
      LABELS: { app: 'backend', version: 'v1' },
      SERVICE_ACCOUNT: 'default',
      WORKLOAD_NAME: 'backend',
      CLUSTER_ID: 'Kubernetes',
      INTERCEPTION_MODE: 'REDIRECT',
      ISTIO_VERSION: followedIstioVersion,
    },
  });
  t.match(followedIstioVersion, /^1\.\d+\.\d+$/, 'as EnvoyFilters ask for it');
  const own = buildNode({ ...sidecar, metadata: { ISTIO_VERSION: '1.20.0' } });
  t.match(own.metadata, { ISTIO_VERSION: '1.20.0' }, 'unless the user says another');
});

t.test('a plain node is as the user says', async (t) => {
  const node = buildNode({ type: 'plain', name: 'edge-1', cluster: 'edge', xds: 'unix:/x' });
  t.match(node, { id: 'edge-1', cluster: 'edge', metadata: { NAMESPACE: 'default' } });
  t.notMatch(node.metadata, { INTERCEPTION_MODE: String });
  t.notMatch(node.metadata, { ISTIO_VERSION: String });
});

t.test(
  'a router is one that Gateways select, and sheds load before its memory is full',
  async (t) => {
    const router: BootstrapOptions = { type: 'router', name: 'gateway-1', xds: 'unix:/x' };
    const { metadata, id, cluster } = buildNode({ ...router, namespace: 'istio-system' });
    t.match(id, /^router~127\.0\.0\.1~gateway-1\.istio-system~istio-system\.svc/);
    t.equal(cluster, 'gateway-1.istio-system');
    t.match(metadata, { LABELS: { istio: 'ingressgateway' }, NAMESPACE: 'istio-system' });
    t.notOk('INTERCEPTION_MODE' in (metadata as object), 'nothing is intercepted for it');
    const own = buildNode({ ...router, labels: { app: 'egress' } });
    t.match(own, { metadata: { LABELS: { app: 'egress' } } });
    t.notMatch(
      own,
      { metadata: { LABELS: { istio: String } } },
      'labels of its own are all it has',
    );

    const overload = (options: Partial<BootstrapOptions>) =>
      buildBootstrap({ ...router, ...options })['overload_manager'] as Overload;
    const { resource_monitors, actions } = overload({});
    t.strictSame(
      resource_monitors.map(({ name, typed_config }) => [name, bound(typed_config)]),
      [
        ['envoy.resource_monitors.fixed_heap', '2147483648'],
        ['envoy.resource_monitors.global_downstream_max_connections', '50000'],
      ],
    );
    const shares = actions!.map(({ triggers }) => triggers[0]!.threshold.value);
    t.strictSame(shares, [...shares].sort(), 'the mildest first');
    t.match(actions!.at(-1)!.name, 'stop_accepting_requests');
    const wide = overload({ heapBytesMax: 0, downstreamConnectionsMax: 7 });
    t.strictSame(
      wide.resource_monitors.map(({ typed_config }) => bound(typed_config)),
      ['7'],
    );
    t.notOk(wide.actions, 'without a bound nothing asks for memory');
    t.strictSame(overload({ type: 'sidecar' }).resource_monitors.length, 1);
  },
);

interface Overload {
  resource_monitors: { name: string; typed_config: Record<string, string> }[];
  actions?: { name: string; triggers: { threshold: { value: number } }[] }[];
}

const bound = (config: Record<string, string>) => Object.values(config)[1];

t.test('the control plane by address, by name and by socket', async (t) => {
  const cluster = (xds: string) => {
    const { static_resources } = buildBootstrap({ ...sidecar, xds });
    return (static_resources as { clusters: Record<string, unknown>[] }).clusters[0]!;
  };
  t.match(cluster('10.0.0.1:15010'), { type: 'STATIC' });
  t.match(cluster('[fd00::1]:15010'), { type: 'STATIC' });
  t.match(cluster('control-plane:15010'), { type: 'STRICT_DNS' });
  const pipe = cluster('unix:/run/xds.sock');
  t.match(pipe, { type: 'STATIC' });
  t.match(JSON.stringify(pipe), '{"pipe":{"path":"/run/xds.sock"}}');
  t.notOk('upstream_connection_options' in pipe, 'TCP keepalive cannot be set on a unix socket');
  t.throws(() => cluster('no port'), RangeError);
  t.throws(() => cluster('host:99999'), RangeError);
});

t.test("a cluster of the workload's own peers", async (t) => {
  const built = buildBootstrap({ ...sidecar, peers: true, mark: 7 });
  t.match(built, {
    node: { metadata: { LOCAL_CLUSTER: 'true' } },
    cluster_manager: { local_cluster_name: 'local_cluster', upstream_bind_config: {} },
  });
  const { clusters } = built['static_resources'] as { clusters: { name: string }[] };
  t.ok(clusters.some(({ name }) => name === 'local_cluster'));
  t.notOk('cluster_manager' in buildBootstrap(sidecar), 'only where it is asked for');
});

t.test('a workload of a group runs its probe, by the same way to the control plane', async (t) => {
  const xdsTls = { caFile: '/ca.pem', token: 'secret' };
  const built = buildBootstrap({ ...sidecar, workloadGroup: 'backends', xdsTls });
  t.match(built, {
    node: { metadata: { AUTO_REGISTER_GROUP: 'backends', HEALTH_DISCOVERY: 'true' } },
    hds_config: { api_type: 'GRPC', transport_api_version: 'V3' },
  });
  const { hds_config, dynamic_resources } = built as unknown as {
    hds_config: { grpc_services: object[] };
    dynamic_resources: { ads_config: { grpc_services: object[] } };
  };
  t.same(hds_config.grpc_services, dynamic_resources.ads_config.grpc_services);
  t.match(JSON.stringify(hds_config), /secret/, 'its token, too');
  t.notOk('hds_config' in buildBootstrap(sidecar), 'no other one does');
});

t.test('delta unless sotw is asked for', async (t) => {
  const apiType = (xdsProtocol?: 'delta' | 'sotw') => {
    const { dynamic_resources } = buildBootstrap({ ...sidecar, xdsProtocol });
    return (dynamic_resources as { ads_config: { api_type: string } }).ads_config.api_type;
  };
  t.equal(apiType(), 'DELTA_GRPC');
  t.equal(apiType('sotw'), 'GRPC');
});

t.test('stat names are cut at the semicolon, and host names keep their dots', async (t) => {
  const tags = buildBootstrap(sidecar)['stats_config'] as {
    stats_tags: { tag_name: string; regex: string }[];
  };
  // Envoy removes group 1 from the name and takes group 2 as the value; every expression is applied
  // to the full name.
  const cut = (stat: string) => {
    const found: Record<string, string> = {};
    for (const { tag_name, regex } of tags.stats_tags) {
      const match = new RegExp(regex).exec(stat);
      if (match?.[1] !== undefined) found[tag_name] = match[2] ?? match[1];
    }
    return found;
  };
  t.same(cut('cluster.outbound|80|v1|b.shop.svc.cluster.local;.upstream_rq_200'), {
    cluster_name: 'outbound|80|v1|b.shop.svc.cluster.local',
    response_code: '200',
  });
  t.same(cut('http.outbound_0.0.0.0_80;.downstream_rq_5xx'), {
    http_conn_manager_prefix: 'outbound_0.0.0.0_80',
    response_code_class: '5xx',
  });
  t.same(cut('listener.0.0.0.0_15001.downstream_cx_total'), { listener_address: '0.0.0.0_15001' });
  t.same(cut('listener.[__]_15006.downstream_cx_total'), { listener_address: '[__]_15006' });
});

t.test('a real Envoy accepts every form', { timeout: 120_000 }, async (t) => {
  const envoy = await ensureEnvoy();
  const dir = t.testdir({});
  const forms: Record<string, BootstrapOptions> = {
    sidecar,
    sotw: { ...sidecar, xdsProtocol: 'sotw', xds: 'control-plane:15010' },
    peers: { ...sidecar, peers: true },
    marked: {
      ...sidecar,
      mark: 1337,
      xds: `unix:${dir}/xds.sock`,
      admin: `unix:${dir}/admin.sock`,
    },
    router: { type: 'router', name: 'gateway-1', xds: 'control-plane:15010' },
    bare: { ...sidecar, type: 'router', metricsPort: 0, healthPort: 0, heapBytesMax: 2 ** 28 },
    plain: { type: 'plain', name: 'edge-1', xds: '[::1]:15010', downstreamConnectionsMax: 1000 },
  };
  for (const [name, options] of Object.entries(forms)) {
    for (const format of ['json', 'yaml'] as const) {
      const file = join(dir, `${name}.${format}`);
      writeFileSync(file, bootstrapText(options, format));
      const args = ['--mode', 'validate', '-l', 'warn', '-c', file];
      const check = spawnSync(envoy.path, args, { encoding: 'utf8', timeout: 30_000 });
      t.equal(check.status, 0, `${name}.${format}: ${check.stderr}`);
      t.equal(check.stderr, '', `${name}.${format}: no warning, so nothing deprecated`);
    }
  }
  const yaml = parse(bootstrapText(sidecar, 'yaml'));
  t.same(yaml, JSON.parse(bootstrapText(sidecar, 'json')), 'YAML and JSON say the same');
});
