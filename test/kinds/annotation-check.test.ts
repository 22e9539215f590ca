// Annotations that do nothing where they stand.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { problemLines } from './check-document.js';

const specs: Readonly<Record<string, [apiVersion: string, fields: object]>> = {
  Service: ['v1', { spec: { ports: [{ port: 80 }] } }],
  Namespace: ['v1', {}],
  ServiceEntry: [
    'networking.istio.io/v1',
    { spec: { hosts: ['a.com'], ports: [{ number: 80, name: 'http' }], resolution: 'DNS' } },
  ],
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
  ['ServiceEntry', 'networking.istio.io/traffic-distribution', 'PreferClose'],
  ['ServiceEntry', 'istio.io/connect-strategy', 'race_first_tcp_connect'],
  ['ServiceEntry', 'istio.io/connect-strategy', 'x', 'warning invalid-value IST0125'],
  ['ServiceEntry', 'networking.istio.io/exportTo', '.', 'warning unknown-annotation IST0107'],
  ['Namespace', 'networking.istio.io/traffic-distribution', 'Any'],
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

// Labels, options of TLS, names of controllers, and what groups write.
const noAnnotations = new Set([
  'gateway.istio.io/managed',
  'gateway.istio.io/tls-terminate-mode',
  'gateway.istio.io/tls-cipher-suites',
  'istio.io/gateway-name',
  'istio.io/autoRegistrationGroup',
  'istio.io/gateway-controller',
  'fairlead.io/gateway-controller',
  'networking.istio.io/enable-autoallocate-ip',
  'topology.istio.io/network',
  'topology.istio.io/cluster',
  'topology.istio.io/subzone',
]);

t.test('what the mesh reads is known', async (t) => {
  const folder = new URL('../../src/mesh/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const text = files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(file, folder), 'utf8'))
    .join();
  const names = [...text.matchAll(/'((?:[a-z.]+\.)?(?:istio|fairlead)\.io\/[\w-]+)'/g)];
  const read = new Set(
    names.map(([, name = '']) => name).filter((name) => !noAnnotations.has(name)),
  );
  t.ok(read.has('networking.istio.io/exportTo'));
  for (const name of read) {
    const kinds = Object.keys(specs).filter((kind) => {
      const { problems } = parseResource(annotated(kind, { [name]: '' }));
      return kind !== 'Secret' && !problems.some(({ code }) => code === 'unknown-annotation');
    });
    t.not(kinds.length, 0, name);
  }
});

t.test('a slip is told', async (t) => {
  const { problems } = parseResource(annotated('Gateway', { 'fairlead.io/compresion': 'gzip' }));
  t.match(problems[0]?.message, 'did you mean fairlead.io/compression?');
  t.strictSame(problemLines(annotated('Service', { 'networking.istio.io/exportTo': '' })), []);
});
