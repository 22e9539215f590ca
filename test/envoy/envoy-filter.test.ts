// What EnvoyFilters do to real requests, as users of Istio write them: a Lua filter, local and global rate limits (the
// tasks of Istio's documentation), clusters and routes patched, edits under traffic; and what becomes of patches that
// match nothing or that Envoy refuses.
import { Agent } from 'node:http';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { LiveMesh, until } from './live-mesh.js';
import { get, startLoad } from './load.js';
import { startRateLimitServer } from './rate-limit-server.js';

const ip = '127.0.71.1';
const MANAGER = 'envoy.filters.network.http_connection_manager';

t.setTimeout(90_000);

const mesh = new LiveMesh({});
const limits = await startRateLimitServer(({ entries }) => entries === 'PATH=/limited');
t.teardown(async () => {
  await mesh.stop();
  limits.stop();
});
const port = await mesh.backend('127.0.0.1', ({ headers }, response) => {
  response.end(JSON.stringify(headers));
});
const other = await mesh.backend('127.0.0.1', (_, response) => response.end('other'));

mesh.write(
  'mesh.yaml',
  `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: ${port}}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: server, namespace: default}
spec: {address: ${ip}, labels: {app: server}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec:
  hosts: [ratelimit.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{name: grpc, number: 8081, protocol: GRPC, targetPort: ${limits.port}}]
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: default}
spec:
  hosts: [other.test]
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP, targetPort: ${other}}]
  endpoints: [{address: 127.0.0.1}]
`,
);
await mesh.startServer();
const sidecar = await mesh.sidecar(ip, { name: 'server', labels: { app: 'server' } });
await mesh.synced();

/** A connection for each request: those of before stay with the listener of before. */
const agent = new Agent({ keepAlive: false });
/** Straight to the inbound listener. */
const inbound = (path = '/') => get(`http://${ip}:${port}${path}`, { agent });
/** Out of the workload by its HTTP proxy. */
const outbound = (host: string, path = '/') =>
  get(`http://${ip}:15001${path}`, { agent, headers: { host } });

type Patch = Record<string, unknown>;

/** Writes an EnvoyFilter with these patches in place of the one before and waits until it is in force. */
async function patch(...configPatches: Patch[]): Promise<void> {
  const filter = {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'patches', namespace: 'default' },
    spec: { workloadSelector: { labels: { app: 'server' } }, configPatches },
  };
  await mesh.applied(() => mesh.write('patches.yaml', stringify(filter)));
  await inForce();
}

/** Acknowledged listeners may still be warming. */
async function inForce(): Promise<void> {
  await until(5_000, async () => {
    const dump = await sidecar.admin('/config_dump?resource=dynamic_listeners');
    return !dump.includes('warming_state');
  });
}

async function unpatch(): Promise<void> {
  await mesh.applied(() => mesh.remove('patches.yaml'));
}

const yaml = (text: string): Patch => parse(text) as Patch;

const lua = (context: string, value: string) =>
  yaml(`
applyTo: HTTP_FILTER
match:
  context: ${context}
  listener:
    filterChain: {filter: {name: ${MANAGER}, subFilter: {name: envoy.filters.http.router}}}
patch:
  operation: INSERT_BEFORE
  value:
    name: envoy.filters.http.lua
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
      default_source_code:
        inline_string: |
          function envoy_on_request(handle)
            handle:headers():add("x-lua", "${value}")
          end
`);

t.test('a Lua filter, added, changed and removed under traffic', async (t) => {
  const load = startLoad(`http://${ip}:${port}/`);
  await patch(lua('SIDECAR_INBOUND', 'one'));
  await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === 'one');
  await patch(lua('SIDECAR_INBOUND', 'two'));
  await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === 'two');
  await unpatch();
  await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === undefined);
  const { failures, requests } = await load.stop();
  t.strictSame(failures, [], `none of ${requests} requests failed`);

  await patch(lua('SIDECAR_OUTBOUND', 'out'));
  await until(5_000, async () => {
    const { body } = await outbound('server.default.svc.cluster.local');
    return JSON.parse(body)['x-lua'] === 'out';
  });
  t.equal(JSON.parse((await inbound()).body)['x-lua'], undefined, 'not what comes in');
});

t.test('patches for releases of Istio: a sidecar of ours says which one it follows', async () => {
  const forRelease = (proxyVersion: string, value: string) => {
    const made = lua('SIDECAR_INBOUND', value) as { match: object };
    return { ...made, match: { ...made.match, proxy: { proxyVersion } } };
  };
  await patch(
    forRelease(String.raw`^1\.31.*`, 'followed'),
    forRelease(String.raw`^1\.2\d.*`, 'old'),
  );
  await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === 'followed');
  await patch(forRelease(String.raw`^1\.2\d.*`, 'old'));
  await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === undefined);
  await unpatch();
});

const localLimit = (extra: string) => `
"@type": type.googleapis.com/udpa.type.v1.TypedStruct
type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
value:
  stat_prefix: http_local_rate_limiter
  ${extra}
`;
const bucket = (tokens: number) => `
  token_bucket: {max_tokens: ${tokens}, tokens_per_fill: ${tokens}, fill_interval: 60s}
  filter_enabled:
    runtime_key: local_rate_limit_enabled
    default_value: {numerator: 100, denominator: HUNDRED}
  filter_enforced:
    runtime_key: local_rate_limit_enforced
    default_value: {numerator: 100, denominator: HUNDRED}
  response_headers_to_add: [{append: false, header: {key: x-local-rate-limit, value: 'true'}}]
`;
const limitFilter = (config: string): Patch => ({
  applyTo: 'HTTP_FILTER',
  match: {
    context: 'SIDECAR_INBOUND',
    listener: { filterChain: { filter: { name: MANAGER } } },
  },
  patch: {
    operation: 'INSERT_BEFORE',
    value: { name: 'envoy.filters.http.local_ratelimit', typed_config: yaml(config) },
  },
});

async function statuses(count: number, path = '/'): Promise<number[]> {
  const answers: number[] = [];
  for (let i = 0; i < count; i++) answers.push((await inbound(path)).status);
  return answers;
}

t.test("a local rate limit, as Istio's task writes it", async (t) => {
  await patch(limitFilter(localLimit(bucket(4))));
  t.strictSame(await statuses(6), [200, 200, 200, 200, 429, 429]);
  t.equal((await inbound()).headers['x-local-rate-limit'], 'true');
  t.equal((await outbound('other.test')).body, 'other', 'what goes out has no limit');
});

t.test('a local rate limit of a route', async (t) => {
  const routePatch = {
    applyTo: 'HTTP_ROUTE',
    match: {
      context: 'SIDECAR_INBOUND',
      routeConfiguration: { vhost: { name: 'inbound|http|80', route: { action: 'ANY' } } },
    },
    patch: {
      operation: 'MERGE',
      value: {
        typed_per_filter_config: {
          'envoy.filters.http.local_ratelimit': yaml(localLimit(bucket(2))),
        },
      },
    },
  };
  await patch(limitFilter(localLimit('')), routePatch);
  t.strictSame(await statuses(4), [200, 200, 429, 429]);
});

t.test('a global rate limit', async (t) => {
  const filter = yaml(`
applyTo: HTTP_FILTER
match:
  context: SIDECAR_INBOUND
  listener:
    filterChain: {filter: {name: ${MANAGER}, subFilter: {name: envoy.filters.http.router}}}
patch:
  operation: INSERT_BEFORE
  value:
    name: envoy.filters.http.ratelimit
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
      domain: ratelimit
      failure_mode_deny: true
      timeout: 5s
      rate_limit_service:
        grpc_service:
          envoy_grpc: {cluster_name: outbound|8081||ratelimit.test, authority: ratelimit.test}
        transport_api_version: V3
`);
  const actions = yaml(`
applyTo: VIRTUAL_HOST
match:
  context: SIDECAR_INBOUND
  routeConfiguration: {vhost: {name: "inbound|http|80", route: {action: ANY}}}
patch:
  operation: MERGE
  value:
    rate_limits:
    - actions: [{request_headers: {header_name: ":path", descriptor_key: PATH}}]
`);
  await patch(filter, actions);
  t.equal((await inbound('/limited')).status, 429);
  t.equal((await inbound('/free')).status, 200);
  t.strictSame(limits.asked.slice(-2), [
    { domain: 'ratelimit', entries: 'PATH=/limited' },
    { domain: 'ratelimit', entries: 'PATH=/free' },
  ]);
});

t.test('clusters and routes', async (t) => {
  const cluster = yaml(`
applyTo: CLUSTER
match: {context: SIDECAR_OUTBOUND, cluster: {service: other.test}}
patch:
  operation: MERGE
  value: {circuit_breakers: {thresholds: [{max_requests: 0}]}}
`);
  const route = yaml(`
applyTo: HTTP_ROUTE
match:
  context: SIDECAR_OUTBOUND
  routeConfiguration: {vhost: {name: "other.test:80"}}
patch:
  operation: INSERT_FIRST
  value: {name: first, match: {path: /first}, direct_response: {status: 418}}
`);
  const inboundRoute = yaml(`
applyTo: HTTP_ROUTE
match:
  context: SIDECAR_INBOUND
  routeConfiguration: {portNumber: ${port}}
patch:
  operation: MERGE
  value: {request_headers_to_add: [{header: {key: x-route, value: patched}}]}
`);
  await patch({ ...cluster, patch: { operation: 'REMOVE' } }, route, inboundRoute);
  await until(5_000, async () => (await outbound('other.test')).status === 503);
  t.equal((await outbound('other.test', '/first')).status, 418, 'a route put first');
  t.equal(JSON.parse((await inbound()).body)['x-route'], 'patched', 'the inbound route');
  await patch(route);
  await until(5_000, async () => (await outbound('other.test')).body === 'other');
});

t.test('an extension of its own resource, which changes without the listener', async (t) => {
  const filter = yaml(`
applyTo: HTTP_FILTER
match: {context: SIDECAR_INBOUND}
patch:
  operation: INSERT_FIRST
  value:
    name: mutation
    config_discovery:
      config_source: {ads: {}, initial_fetch_timeout: 5s, resource_api_version: V3}
      type_urls: [type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation]
`);
  const extension = (value: string) =>
    yaml(`
applyTo: EXTENSION_CONFIG
patch:
  operation: ADD
  value:
    name: mutation
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
      mutations: {request_mutations: [{append: {header: {key: x-ecds, value: ${value}}}}]}
`);
  const header = async () => JSON.parse((await inbound()).body)['x-ecds'];
  await patch(filter, extension('one'));
  await until(5_000, async () => (await header()) === 'one');
  const updates = async () =>
    /listener_manager.lds.update_success: (\d+)/.exec(await sidecar.admin('/stats'))?.[1];
  const before = await updates();
  t.ok(before, 'listener updates are counted');
  await patch(filter, extension('two'));
  await until(5_000, async () => (await header()) === 'two');
  t.equal(await updates(), before, 'no listener was sent');
});

t.test('a cluster is merged, another one added and used', async (t) => {
  const merge = yaml(`
applyTo: CLUSTER
match: {context: SIDECAR_OUTBOUND, cluster: {service: other.test, portNumber: 80}}
patch: {operation: MERGE, value: {connect_timeout: 3s}}
`);
  const add = yaml(`
applyTo: CLUSTER
patch:
  operation: ADD
  value:
    name: mine
    type: STATIC
    load_assignment:
      cluster_name: mine
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${other}}}}
`);
  const route = yaml(`
applyTo: VIRTUAL_HOST
match: {context: SIDECAR_OUTBOUND, routeConfiguration: {name: http_proxy}}
patch:
  operation: ADD
  value:
    name: mine
    domains: [mine.test]
    routes: [{match: {prefix: /}, route: {cluster: mine}}]
`);
  await patch(merge, add, route);
  await until(5_000, async () => (await outbound('mine.test')).body === 'other');
  const dump = JSON.parse(await sidecar.admin('/config_dump?resource=dynamic_active_clusters'));
  const timeouts = new Map<string, string>(
    dump.configs.map(({ cluster }: { cluster: { name: string; connect_timeout?: string } }) => [
      cluster.name,
      cluster.connect_timeout,
    ]),
  );
  t.equal(timeouts.get('outbound|80||other.test'), '3s');
  t.equal(timeouts.get('outbound|8081||ratelimit.test'), '10s', 'no other');
});

t.test('patches that match nothing are said, and mended ones no more', async (t) => {
  const clusterPatch = (service: string) =>
    yaml(`
applyTo: CLUSTER
match: {context: SIDECAR_OUTBOUND, cluster: {service: ${service}}}
patch: {operation: MERGE, value: {connect_timeout: 1s}}
`);
  const said = () =>
    mesh.server.controlPlane.state
      .problems()
      .filter(({ code }) => code === 'patch-matches-nothing');
  await patch(clusterPatch('nobody.test'), clusterPatch('other.test'));
  t.match(said(), [
    {
      severity: 'warning',
      path: 'spec.configPatches[0]',
      resource: { kind: 'EnvoyFilter', name: 'patches' },
      position: { file: /patches\.yaml$/ },
    },
  ]);
  await until(2_000, () =>
    mesh.log.some(({ message }) => /^\S+ warning patch-matches-nothing/.test(message)),
  );
  await patch(clusterPatch('other.test'));
  t.strictSame(said(), []);
});

t.test(
  'a patch that Envoy refuses is traced to its EnvoyFilter; nothing else suffers',
  async (t) => {
    await patch(lua('SIDECAR_INBOUND', 'good'));
    const broken = yaml(`
applyTo: HTTP_FILTER
match: {context: SIDECAR_INBOUND}
patch:
  operation: INSERT_FIRST
  value:
    name: envoy.filters.http.lua
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
      default_source_code: {inline_string: "this is no Lua"}
`);
    mesh.write(
      'patches.yaml',
      stringify({
        apiVersion: 'networking.istio.io/v1alpha3',
        kind: 'EnvoyFilter',
        metadata: { name: 'broken', namespace: 'default' },
        spec: { configPatches: [broken] },
      }),
    );
    const refused = () =>
      mesh.server.controlPlane.state.problems().find(({ code }) => code === 'refused-by-envoy');
    await until(10_000, () => refused() !== undefined);
    t.match(refused(), {
      resource: { kind: 'EnvoyFilter', name: 'broken' },
      position: { file: /patches\.yaml$/ },
    });
    t.equal(JSON.parse((await inbound()).body)['x-lua'], 'good', 'the last good listener');
    await patch(lua('SIDECAR_INBOUND', 'mended'));
    await until(5_000, async () => JSON.parse((await inbound()).body)['x-lua'] === 'mended');
    await until(5_000, () => refused() === undefined);
  },
);

t.test('an Envoy that comes while a patch is refused goes without that patch alone', async (t) => {
  const late = '127.0.71.2';
  const brokenLua = yaml(`
applyTo: HTTP_FILTER
match: {context: ANY, listener: {filterChain: {filter: {name: ${MANAGER}}}}}
patch:
  operation: INSERT_FIRST
  value:
    name: broken
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
      default_source_code: {inline_string: "this is no Lua"}
`);
  const filter = (...configPatches: Patch[]) =>
    stringify({
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'late', namespace: 'default' },
      spec: { configPatches },
    });
  mesh.remove('patches.yaml');
  mesh.write(
    'late.yaml',
    `
apiVersion: v1
kind: Service
metadata: {name: late, namespace: default}
spec:
  selector: {app: late}
  ports: [{name: http, port: 80, targetPort: ${port}}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: late, namespace: default}
spec: {address: ${late}, labels: {app: late}}
`,
  );
  mesh.write('late-filter.yaml', filter(lua('SIDECAR_INBOUND', 'good'), brokenLua));
  await mesh.sidecar(late, { name: 'late', labels: { app: 'late' } });
  const header = async () => {
    const { body } = await get(`http://${late}:${port}/`, { agent });
    return JSON.parse(body)['x-lua'];
  };
  await until(20_000, () =>
    header()
      .then((value) => value === 'good')
      .catch(() => false),
  );
  t.equal(await header(), 'good', 'the other patch is there');
  const problems = () =>
    mesh.server.controlPlane.state.problems().filter(({ code }) => code === 'refused-by-envoy');
  await until(5_000, () => problems().some(({ message }) => /without the patch/.test(message)));
  for (const problem of problems()) {
    t.match(problem, { resource: { name: 'late' }, position: { file: /late-filter\.yaml$/ } });
  }
  // What changes meanwhile is in force.
  mesh.write('late-filter.yaml', filter(lua('SIDECAR_INBOUND', 'better'), brokenLua));
  await until(20_000, async () => (await header()) === 'better');
  mesh.write('late-filter.yaml', filter(lua('SIDECAR_INBOUND', 'mended')));
  await until(10_000, async () => (await header()) === 'mended');
  await until(5_000, () => problems().length === 0);
});
