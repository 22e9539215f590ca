// Where WasmPlugins stand in chains, by phase and priority, direction and port, and what their filters are made of.
import t from 'tap';
import { verify } from '../../../src/envoy/codec.js';
import type { Listener } from '../../../src/envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { LISTENER } from '../../../src/envoy/resource.js';
import { parseProxy } from '../../../src/mesh/parse-proxy.js';
import { viewOf } from '../../../src/mesh/view.js';
import { managerOf } from '../../../src/translate/envoy-filter/filter-kinds.js';
import { translate } from '../../../src/translate/translate.js';
import { CaseMesh } from '../case-run.js';

const plugin = (name: string, spec: object, namespace = 'default') =>
  JSON.stringify({
    apiVersion: 'extensions.istio.io/v1alpha1',
    kind: 'WasmPlugin',
    metadata: { name, namespace },
    spec: { url: `file:///opt/${name}.wasm`, ...spec },
  });
const server = { mode: 'SERVER' };
const ports = [{ number: 8080 }];

const { mesh, problems } = await new CaseMesh().read(
  [
    `apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec:
  clusterIP: 10.96.0.1
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 9090}, {name: http-2, port: 91, targetPort: 9091}]`,
    plugin('authz', { phase: 'AUTHZ', match: [server] }),
    plugin('authn-low', { phase: 'AUTHN', match: [{ ...server, ports }] }),
    plugin('authn-high', {
      selector: { matchLabels: { app: 'server' } },
      phase: 'AUTHN',
      priority: 10,
      pluginName: 'auth',
      pluginConfig: { issuer: 'here' },
      failStrategy: 'FAIL_OPEN',
      vmConfig: {
        env: [
          { name: 'ZONE', value: 'a' },
          { name: 'HOME', valueFrom: 'HOST' },
        ],
      },
      match: [
        { ...server, ports },
        { ...server, ports },
      ],
    }),
    plugin('last', { match: [{ mode: 'CLIENT' }] }, 'istio-system'),
    plugin('stats', { phase: 'STATS', match: [{ mode: 'CLIENT' }] }),
    plugin('network', { type: 'NETWORK', match: [{ ...server, ports: [{ number: 9090 }] }] }),
    plugin('reloads', {
      failStrategy: 'FAIL_RELOAD',
      match: [{ ...server, ports: [{ number: 9091 }] }],
    }),
    plugin('not-theirs', { selector: { matchLabels: { app: 'other' } } }),
    plugin('remote', { url: 'oci://registry.test/filter:1' }),
  ].map((document) => `${document}\n`),
);
const node = {
  id: 'sidecar~10.0.0.1~client.default~default.svc.cluster.local',
  cluster: 'client',
  metadata: { LABELS: { app: 'server' } },
};
const { resources } = translate(viewOf(mesh, parseProxy(node)));
const listeners = resources.get(LISTENER) as ReadonlyMap<string, Listener>;

/** The filters of the chains for a port (all chains, without one), by short names. */
function filters(name: string, port?: number): string[] {
  const short = (filter: { name?: string }) => filter.name?.replace(/^.*[./]/, '') ?? '';
  return (listeners.get(name)?.filter_chains ?? [])
    .filter(
      (chain) => port === undefined || chain.filter_chain_match?.destination_port?.value === port,
    )
    .flatMap((chain) => chain.filters ?? [])
    .map((filter) => (managerOf(filter)?.http_filters ?? [filter]).map(short).join(' '));
}

t.test('places', async (t) => {
  const ours = 'grpc_stats fault cors';
  t.strictSame(filters('virtualInbound', 8080), [`authn-high authn-low authz ${ours} router`]);
  t.strictSame(filters('virtualInbound', 9090), ['network', 'tcp_proxy']);
  t.strictSame(filters('0.0.0.0_80'), [`stats last ${ours} router`]);
});

t.test('a module that is loaded again', async (t) => {
  const chain = listeners
    .get('virtualInbound')
    ?.filter_chains?.find((each) => each.filter_chain_match?.destination_port?.value === 9091);
  t.match(managerOf(chain?.filters?.[0] ?? {})?.http_filters?.at(-5), {
    typed_config: { config: { failure_policy: 'FAIL_RELOAD' } },
  });
});

t.test('the filter', async (t) => {
  const chain = listeners
    .get('virtualInbound')
    ?.filter_chains?.find((each) => each.filter_chain_match?.destination_port?.value === 8080);
  const filter = managerOf(chain?.filters?.[0] ?? {})?.http_filters?.[0];
  t.strictSame(filter, {
    name: 'extensions.istio.io/wasmplugin/default.authn-high',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm',
      config: {
        name: 'default.authn-high',
        root_id: 'auth',
        configuration: {
          '@type': 'type.googleapis.com/google.protobuf.StringValue',
          value: '{"issuer":"here"}',
        },
        fail_open: true,
        vm_config: {
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: '/opt/authn-high.wasm' } },
          environment_variables: { host_env_keys: ['HOME'], key_values: { ZONE: 'a' } },
        },
      },
    },
  });
  for (const [name, listener] of listeners) t.strictSame(verify(LISTENER, listener), [], name);
});

t.test('a module from elsewhere is not loaded yet, and that is said', async (t) => {
  t.match(problems, [{ code: 'not-implemented', resource: { name: 'remote' } }]);
});
