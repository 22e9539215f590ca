// MeshConfig: its two forms, and its rules.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf, problemLines } from './check-document.js';

const mesh = (spec: object) => documentOf('MeshConfig', spec);
const configMap = (data: unknown, metadata = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio', namespace: 'istio-system', ...metadata },
  data,
});
const parseYaml = (text: string): unknown => JSON.parse(text);
const id = { kind: 'MeshConfig', namespace: 'istio-system', name: 'istio' };

t.test('a document needs no metadata and no apiVersion', async (t) => {
  const { resource, problems } = parseResource({
    kind: 'MeshConfig',
    spec: { proxyListenPort: 1 },
  });
  t.strictSame(problems, []);
  t.match(resource, { ...id, apiVersion: 'mesh.istio.io/v1alpha1', spec: { proxyListenPort: 1 } });
});

t.test('a document may be empty', async (t) => {
  t.strictSame(parseResource({ kind: 'MeshConfig', spec: null }).resource?.spec, {});
});

t.test('a ConfigMap', async (t) => {
  const text = '{"connectTimeout":"5s","enableTracing":true}';
  const { resource, problems } = parseResource(configMap({ mesh: text }), { parseYaml });
  t.match(resource, { ...id, spec: { connectTimeout: 5_000, enableTracing: true } });
  t.match(problems, [
    {
      code: 'not-implemented',
      severity: 'warning',
      path: ['data', 'mesh', 'enableTracing'],
      resource: id,
    },
  ]);
  t.equal(problems.length, 1);
});

t.test('what is wrong within a ConfigMap', async (t) => {
  const lines = (data: unknown) => problemLines(configMap(data), { parseYaml });
  t.strictSame(lines({ mesh: '{"conectTimeout":"5s"}' }), [
    'warning unknown-field data.mesh.conectTimeout',
  ]);
  t.strictSame(lines({ mesh: '{' }), ['error yaml-syntax data.mesh']);
  t.strictSame(lines({ mesh: '[]' }), ['error wrong-type data.mesh']);
  t.strictSame(lines({ mesh: 5 }), ['error wrong-type data.mesh']);
  t.strictSame(lines({}), ['error missing-field data.mesh']);
  t.strictSame(parseResource(configMap({ mesh: '{' }), { parseYaml }).id, id);
});

t.test('other ConfigMaps are no MeshConfig', async (t) => {
  t.equal(parseResource(configMap({}, { name: 'other' })).id?.kind, 'ConfigMap');
  t.equal(parseResource(configMap({}, { namespace: 'default' })).id?.kind, 'ConfigMap');
});

const cases: [string, unknown, string[]][] = [
  [
    'mode',
    mesh({ outboundTrafficPolicy: { mode: 'ALLOW_SOME' } }),
    ['error invalid-value spec.outboundTrafficPolicy.mode'],
  ],
  [
    'an operator of no selector',
    mesh({
      serviceEntryVisibility: {
        policies: [
          { matchingRules: [{ namespaceSelector: { matchExpressions: [{ operator: 'Is' }] } }] },
        ],
      },
    }),
    [
      'error invalid-value spec.serviceEntryVisibility.policies[0].matchingRules[0].namespaceSelector.matchExpressions[0].operator',
    ],
  ],
  [
    'TLS of another mode',
    mesh({ outboundTrafficPolicy: { mode: 'ALLOW_ANY', tls: { mode: 'SIMPLE' } } }),
    ['warning invalid-value spec.outboundTrafficPolicy.tls'],
  ],
  ['connectTimeout', mesh({ connectTimeout: '2h' }), ['error invalid-value spec.connectTimeout']],
  ['connectTimeout 0', mesh({ connectTimeout: '0s' }), ['error invalid-value spec.connectTimeout']],
  [
    'protocolDetectionTimeout',
    mesh({ protocolDetectionTimeout: '-1s' }),
    ['error invalid-value spec.protocolDetectionTimeout'],
  ],
  ['port', mesh({ proxyListenPort: 0 }), ['error invalid-value spec.proxyListenPort']],
  ['trustDomain', mesh({ trustDomain: 'a b' }), ['error invalid-value spec.trustDomain']],
  [
    'exportTo',
    mesh({ defaultServiceExportTo: ['a b'] }),
    ['error invalid-value spec.defaultServiceExportTo[0]'],
  ],
  [
    'retries',
    mesh({ defaultHttpRetryPolicy: { attempts: 1, retryOn: 'never' } }),
    ['warning invalid-value spec.defaultHttpRetryPolicy.retryOn'],
  ],
  [
    'retries turned off',
    mesh({ defaultHttpRetryPolicy: { attempts: 0, retryOn: '5xx' } }),
    ['warning invalid-value spec.defaultHttpRetryPolicy.retryOn'],
  ],
  [
    'retries of calls to the application',
    mesh({ defaultInboundHttpRetryPolicy: { attempts: 1, perTryTimeout: '1s' } }),
    ['warning invalid-value spec.defaultInboundHttpRetryPolicy.perTryTimeout'],
  ],
  [
    'retries of calls to the application, turned off',
    mesh({ defaultInboundHttpRetryPolicy: { backoff: '1s', retryOn: 'never' } }),
    [
      'error invalid-value spec.defaultInboundHttpRetryPolicy.retryOn',
      'error invalid-value spec.defaultInboundHttpRetryPolicy.retryOn',
      'error invalid-value spec.defaultInboundHttpRetryPolicy.backoff',
    ],
  ],
  [
    'limits of connections',
    mesh({
      defaultConfig: {
        connectionSettings: { httpMaxConcurrentStreams: 0, http2InitialStreamWindowSize: 65_535 },
      },
    }),
    ['error invalid-value spec.defaultConfig.connectionSettings.httpMaxConcurrentStreams'],
  ],
  ['no HTTP proxy', mesh({ proxyHttpPort: 0 }), []],
  [
    'an entry of a list that has an unknown field, and a mistake',
    mesh({ extensionProviders: [{ name: 'a', zipkin: { servce: 'z', port: 0 } }] }),
    [
      'warning unknown-field spec.extensionProviders[0].zipkin.servce',
      'error invalid-value spec.extensionProviders[0].zipkin.port',
    ],
  ],
  [
    'providers',
    mesh({ extensionProviders: [{ name: 'a', zipkin: {}, datadog: {} }, { name: 'a' }] }),
    [
      'error invalid-value spec.extensionProviders[0].datadog',
      'warning invalid-value spec.extensionProviders[1].name',
      'warning invalid-value spec.extensionProviders[1]',
      'warning not-implemented spec.extensionProviders',
    ],
  ],
  [
    'defaultConfig',
    mesh({ defaultConfig: { concurrency: 2, tracing: { sampling: 1 }, holdApplication: true } }),
    [
      'warning unknown-field spec.defaultConfig.holdApplication',
      'warning not-implemented spec.defaultConfig.tracing',
      'info no-effect spec.defaultConfig.concurrency',
    ],
  ],
  [
    'marks in defaultConfig',
    mesh({ defaultConfig: { concurrency: 2, tracing: { sampling: 1 } } }),
    [
      'warning not-implemented spec.defaultConfig.tracing',
      'info no-effect spec.defaultConfig.concurrency',
    ],
  ],
  [
    'enableAutoMtls',
    mesh({ enableAutoMtls: false }),
    ['warning not-implemented spec.enableAutoMtls'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
