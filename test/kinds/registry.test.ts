// parseResource: which documents are recognised, their metadata and ids, and the words of its messages.
import t from 'tap';
import { kindTable } from '../../src/kinds/kind-table.js';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf, problemLines } from './check-document.js';

const entry = (metadata: unknown, apiVersion = 'networking.istio.io/v1') => ({
  apiVersion,
  kind: 'WorkloadEntry',
  metadata,
  spec: { address: '10.0.0.1' },
});

t.test('a resource', async (t) => {
  const { resource, id, problems } = parseResource(
    entry({
      name: 'vm.1',
      namespace: 'prod',
      labels: { app: 'web' },
      annotations: { note: 'x' },
      creationTimestamp: '2026-01-02T03:04:05.5+01:00',
      uid: 'u',
      generation: 3,
      managedFields: [{}],
    }),
  );
  t.strictSame(problems, []);
  t.strictSame(id, { kind: 'WorkloadEntry', namespace: 'prod', name: 'vm.1' });
  t.strictSame(resource, {
    ...id,
    apiVersion: 'networking.istio.io/v1',
    labels: { app: 'web' },
    annotations: { note: 'x' },
    spec: { address: '10.0.0.1' },
    creationTimestampMs: Date.UTC(2026, 0, 2, 2, 4, 5, 500),
    generation: 3,
  });
});

t.test('the namespace of a resource that names none', async (t) => {
  t.equal(parseResource(entry({ name: 'a' })).resource?.namespace, 'default');
  t.equal(parseResource(entry({ name: 'a' }), { namespace: 'x' }).resource?.namespace, 'x');
  t.equal(
    parseResource(entry({ name: 'a', namespace: 'y' }), { namespace: 'x' }).id?.namespace,
    'y',
  );
});

t.test('a refused document has an id', async (t) => {
  const { resource, id, problems } = parseResource({
    ...entry({ name: 'a', labels: { b: 1 } }),
    spec: { adress: 1 },
  });
  t.equal(resource, undefined);
  t.strictSame(id, { kind: 'WorkloadEntry', namespace: 'default', name: 'a' });
  t.strictSame(problems[0]?.resource, id);
});

for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
  t.test(`networking.istio.io/${version}`, async (t) => {
    t.ok(parseResource(entry({ name: 'a' }, `networking.istio.io/${version}`)).resource);
  });
}

const documents: [string, unknown, string[]][] = [
  ['null', null, ['error not-a-resource ']],
  ['text', 'hello', ['error not-a-resource ']],
  ['a list', [], ['error not-a-resource ']],
  ['no kind', { apiVersion: 'v1' }, ['error not-a-resource ']],
  ['kind is no text', { apiVersion: 'v1', kind: 5 }, ['error not-a-resource ']],
  ['no apiVersion', { kind: 'Service' }, ['error not-a-resource ']],
  ['no metadata', entry(undefined), ['error not-a-resource metadata']],
  ['metadata is no mapping', entry('a'), ['error wrong-type metadata']],
  ['no name', entry({ generateName: 'a-' }), ['error not-a-resource metadata']],
  ['name is a number', entry({ name: 5 }), ['error wrong-type metadata.name']],
  ['name', entry({ name: 'A_b' }), ['error invalid-value metadata.name']],
  ['namespace', entry({ name: 'a', namespace: 'a.b' }), ['error invalid-value metadata.namespace']],
  ['label', entry({ name: 'a', labels: { v: 1 } }), ['error wrong-type metadata.labels.v']],
  ['metadata field', entry({ name: 'a', label: {} }), ['error unknown-field metadata.label']],
  [
    'time',
    entry({ name: 'a', creationTimestamp: 'today' }),
    ['error wrong-type metadata.creationTimestamp'],
  ],
  [
    'time that is none',
    entry({ name: 'a', creationTimestamp: '2026-13-01T00:00:00Z' }),
    ['error wrong-type metadata.creationTimestamp'],
  ],
  ['time null, as kubectl prints it', entry({ name: 'a', creationTimestamp: null }), []],
  ['no spec', { ...entry({ name: 'a' }), spec: undefined }, ['error missing-field spec']],
  ['spec is no mapping', { ...entry({ name: 'a' }), spec: [] }, ['error wrong-type spec']],
  [
    'field beside spec',
    { ...entry({ name: 'a' }), address: 'x', spce: {} },
    ['error unknown-field address', 'error unknown-field spce'],
  ],
  ['another kind', { apiVersion: 'apps/v1', kind: 'Deployment' }, ['info unknown-kind kind']],
  ['another core kind', { apiVersion: 'v1', kind: 'Pod' }, ['info unknown-kind kind']],
  [
    'the Service of others',
    { apiVersion: 'serving.knative.dev/v1', kind: 'Service' },
    ['info unknown-kind kind'],
  ],
  [
    'unknown version',
    entry({ name: 'a' }, 'networking.istio.io/v9'),
    ['warning unknown-kind apiVersion'],
  ],
  ['group forgotten', entry({ name: 'a' }, 'v1'), ['warning unknown-kind apiVersion']],
  [
    'kind mistyped',
    { apiVersion: 'networking.istio.io/v1', kind: 'VirtualServce' },
    ['warning unknown-kind kind'],
  ],
];

for (const [name, doc, expected] of documents) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}

t.test('kinds known by name only are accepted with a note', async (t) => {
  for (const { kind, group, versions, schema, idKind } of kindTable) {
    if (schema) continue;
    const doc = {
      apiVersion: `${group}/${versions[0]}`,
      kind,
      metadata: { name: 'a' },
      spec: { b: 1 },
    };
    const { resource, id } = parseResource(doc);
    t.strictSame(problemLines(doc), ['warning not-implemented kind'], kind);
    t.equal(id?.kind, idKind ?? kind);
    t.strictSame(resource?.spec, { b: 1 });
  }
});

t.test('two kinds named Gateway do not meet', async (t) => {
  const gateway = (apiVersion: string) =>
    parseResource({ apiVersion, kind: 'Gateway', metadata: { name: 'a' }, spec: {} }).id?.kind;
  t.not(gateway('networking.istio.io/v1'), gateway('gateway.networking.k8s.io/v1'));
});

t.test('messages', async (t) => {
  const messages = (spec: unknown) =>
    parseResource(documentOf('DestinationRule', spec)).problems.map((p) => p.message);
  t.strictSame(messages({ hots: 'a' }), [
    'host must be given',
    'unknown field "hots" (did you mean host?)',
  ]);
  t.strictSame(messages({ host: 'a', trafficpolicy: {} }), [
    'unknown field "trafficpolicy" (did you mean trafficPolicy?)',
  ]);
  t.strictSame(messages({ host: 'a', zzzzzz: 1 }), ['unknown field "zzzzzz"']);
  t.strictSame(messages({ host: 5 }), ['expected a string, got the number 5; write it in quotes']);
  t.strictSame(messages({ host: ['a'] }), ['expected a string, got a list']);
  t.strictSame(messages({ host: 'a', trafficPolicy: { loadBalancer: { simple: 'random' } } }), [
    'the string "random" is not one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, ' +
      'LEAST_REQUEST (did you mean RANDOM?)',
  ]);
  t.strictSame(messages({ host: 'a', exportTo: [{}] }), ['expected a string, got a mapping']);
});

t.test('a flood of problems is counted, and no error is lost', async (t) => {
  const spec = {
    host: 'a',
    ...Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x${i}`, 1])),
  };
  const { resource, problems } = parseResource(documentOf('DestinationRule', spec));
  t.equal(resource, undefined);
  t.equal(problems.length, 101);
  t.match(problems.at(-1), {
    severity: 'error',
    message: 'and 400 more problems in this document',
  });
});
