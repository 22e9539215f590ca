// EnvoyFilter: each rule beyond its schema by a document that breaks it. Expectations are Istio's validation
// (pkg/config/validation/envoyfilter, and the CRD) unless a comment says otherwise.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf, problemLines } from './check-document.js';

const filter = (patch: object) => documentOf('EnvoyFilter', { configPatches: [patch] });
const manager = 'envoy.filters.network.http_connection_manager';
const router = { name: 'envoy.filters.http.router' };
const remove = (name: string, applyTo = 'HTTP_FILTER') =>
  filter({
    applyTo,
    match: { listener: { filterChain: { filter: { name, subFilter: router } } } },
    patch: { operation: 'REMOVE' },
  });
const at = 'spec.configPatches[0]';
const filterAt = `${at}.match.listener.filterChain.filter`;
const target = (fields: object) =>
  documentOf('EnvoyFilter', {
    targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge', ...fields }],
  });

const cases: [string, unknown, string[]][] = [
  ['a filter of HTTP', remove(manager), []],
  [
    'the name that Envoy once had for it',
    remove('envoy.http_connection_manager'),
    [`warning invalid-value ${filterAt}.name`],
  ],
  ['another filter', remove('envoy.tcp_proxy'), [`error invalid-value ${filterAt}.name`]],
  [
    'a filter of HTTP for something else',
    remove(manager, 'NETWORK_FILTER'),
    [`error invalid-value ${filterAt}.subFilter`],
  ],
  [
    'durations as Go writes them',
    filter({
      applyTo: 'CLUSTER',
      patch: { operation: 'MERGE', value: { dns_refresh_rate: '500ms' } },
    }),
    [],
  ],
  [
    'no durations',
    filter({ applyTo: 'CLUSTER', patch: { operation: 'MERGE', value: { connect_timeout: 5 } } }),
    [`error wrong-type ${at}.patch.value.connect_timeout`],
  ],
  ['a target', target({}), []],
  [
    'a target of another namespace',
    target({ namespace: 'a' }),
    [
      'error invalid-value spec.targetRefs[0].namespace',
      'info no-effect spec.targetRefs[0].namespace',
    ],
  ],
  ['a target without name', target({ name: '' }), ['error missing-field spec.targetRefs[0].name']],
  ['a target of waypoints', target({ group: '', kind: 'Service' }), []],
  ['no target', target({ kind: 'Foo' }), ['warning invalid-value spec.targetRefs[0].kind']],
  [
    'too many targets',
    documentOf('EnvoyFilter', {
      targetRefs: Array.from({ length: 17 }, (_, i) => ({ kind: 'Service', name: `a${i}` })),
    }),
    ['error invalid-value spec.targetRefs'],
  ],
  [
    'wildcards in a selector',
    documentOf('EnvoyFilter', { workloadSelector: { labels: { app: 'a*' } } }),
    ['error invalid-value spec.workloadSelector.labels.app'],
  ],
  [
    'a selector with no label of Kubernetes',
    documentOf('EnvoyFilter', { workloadSelector: { labels: { 'my app': 'a:b' } } }),
    ['warning invalid-value spec.workloadSelector.labels["my app"]'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}

t.test('spec may be left out where nothing of it is needed', async (t) => {
  for (const kind of ['EnvoyFilter', 'ProxyConfig']) {
    const { spec, ...doc } = documentOf(kind, undefined);
    t.ok(parseResource(doc).resource, kind);
  }
});
