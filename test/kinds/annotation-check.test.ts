// Annotations that do nothing where they stand.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { problemLines } from './check-document.js';

const specs: Readonly<Record<string, [apiVersion: string, fields: object]>> = {
  Service: ['v1', { spec: { ports: [{ port: 80 }] } }],
  Namespace: ['v1', {}],
  Secret: ['v1', { type: 'Opaque', data: {} }],
  Gateway: [
    'networking.istio.io/v1',
    { spec: { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] } },
  ],
};

function annotated(kind: string, annotations: Record<string, string>) {
  const [apiVersion, fields] = specs[kind]!;
  return { apiVersion, kind, metadata: { name: 'a', annotations }, ...fields };
}

const table: [kind: string, name: string, value: string, expected?: string][] = [
  ['Service', 'networking.istio.io/exportTo', '.,other'],
  ['Service', 'networking.istio.io/exportTo', 'Not a name', 'warning invalid-value IST0125'],
  ['Service', 'networking.istio.io/exportThree', 'x', 'warning unknown-annotation IST0108'],
  ['Service', 'networking.istio.io/traffic-distribution', 'preferclose'],
  ['Service', 'networking.istio.io/traffic-distribution', 'near', 'warning invalid-value IST0125'],
  ['Service', 'sidecar.istio.io/inject', 'true', 'warning unknown-annotation IST0107'],
  ['Service', 'status.sidecar.istio.io/port', '1', 'warning unknown-annotation IST0107'],
  ['Service', 'traffic.istio.io/nodeSelector', '{}', 'info no-effect -'],
  ['Service', 'galley.istio.io/analyze-suppress', '*', 'info no-effect -'],
  ['Service', 'fairlead.io/http3', 'true', 'warning unknown-annotation IST0107'],
  ['Service', 'istio.io/rev', 'x'],
  ['Service', 'kubernetes.io/psp', 'x'],
  ['Service', 'notistio.io/x', 'x'],
  ['Service', 'constructor', 'x'],
  ['Service', 'istio.io/constructor', 'x', 'warning unknown-annotation IST0108'],
  ['Namespace', 'kubernetes.io/ingress.class', 'x', 'warning unknown-annotation IST0107'],
  ['Namespace', 'networking.istio.io/exportTo', 'x', 'warning unknown-annotation IST0107'],
  ['Gateway', 'fairlead.io/http3', 'true'],
  ['Gateway', 'fairlead.io/http3', 'on', 'warning invalid-value IST0125'],
  ['Gateway', 'fairlead.io/compression', 'gzip, zstd'],
  ['Gateway', 'fairlead.io/compression', 'gzip, lz4', 'warning invalid-value IST0125'],
  ['Gateway', 'fairlead.io/compresion', 'gzip', 'warning unknown-annotation IST0108'],
  ['Secret', 'networking.istio.io/cluster', 'x'],
];

for (const [kind, name, value, expected] of table) {
  t.test(`${name}: ${value} of a ${kind}`, async (t) => {
    const { resource, problems } = parseResource(annotated(kind, { [name]: value }));
    t.ok(resource, 'it is in force all the same');
    const lines = problems.map((p) => `${p.severity} ${p.code} ${p.istio ?? '-'}`);
    t.strictSame(lines, expected === undefined ? [] : [expected]);
    if (expected) t.strictSame(problems[0]?.path, ['metadata', 'annotations', name]);
  });
}

t.test('a slip is told', async (t) => {
  const { problems } = parseResource(annotated('Gateway', { 'fairlead.io/compresion': 'gzip' }));
  t.match(problems[0]?.message, 'did you mean fairlead.io/compression?');
  t.strictSame(problemLines(annotated('Service', { 'networking.istio.io/exportTo': '' })), []);
});
