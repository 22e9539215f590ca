// WorkloadGroup: each rule by a document that breaks it, after Istio's validation, and what of a probe Envoy cannot do.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf, problemLines } from './check-document.js';

const group = (spec: object) => documentOf('WorkloadGroup', { template: {}, ...spec });
const probed = (probe: object) => group({ probe });
const httpGet = (fields: object) => probed({ httpGet: { port: 80, ...fields } });
const header = (name: string, value: string) => httpGet({ httpHeaders: [{ name, value }] });

const cases: [string, unknown, string[]][] = [
  ['all is well', httpGet({ path: '/a b', host: '::1', scheme: 'HTTPS' }), []],
  [
    'zeros are defaults',
    probed({ tcpSocket: { port: 1 }, periodSeconds: 0, timeoutSeconds: 0 }),
    [],
  ],
  ['no way to ask', probed({ periodSeconds: 1 }), ['error missing-field spec.probe']],
  [
    'two ways',
    probed({ tcpSocket: { port: 1 }, grpc: { port: 1 } }),
    ['error invalid-value spec.probe.grpc'],
  ],
  [
    'negative times',
    probed({ tcpSocket: { port: 1 }, periodSeconds: -1, failureThreshold: -2 }),
    [
      'error invalid-value spec.probe.periodSeconds',
      'error invalid-value spec.probe.failureThreshold',
    ],
  ],
  ['no port', probed({ httpGet: {} }), ['error missing-field spec.probe.httpGet.port']],
  ['port 0', httpGet({ port: 0 }), ['error invalid-value spec.probe.httpGet.port']],
  ['gRPC without a port', probed({ grpc: {} }), ['error missing-field spec.probe.grpc.port']],
  ['a scheme', httpGet({ scheme: 'http' }), ['error invalid-value spec.probe.httpGet.scheme']],
  [
    'a header that is none',
    header('a b', ''),
    ['error invalid-value spec.probe.httpGet.httpHeaders[0].name'],
  ],
  [
    'a value of two lines',
    header('a', 'b\nc'),
    ['error invalid-value spec.probe.httpGet.httpHeaders[0].value'],
  ],
  [
    'a host with a name',
    probed({ tcpSocket: { port: 1, host: 'db.example' } }),
    ['warning not-implemented spec.probe.tcpSocket.host'],
  ],
  [
    'a host with a zone',
    httpGet({ host: 'fe80::1%eth0' }),
    ['warning not-implemented spec.probe.httpGet.host'],
  ],
  [
    'a command',
    probed({ exec: { command: ['true'] } }),
    ['warning not-implemented spec.probe.exec'],
  ],
  [
    'an empty command',
    probed({ exec: { command: [] } }),
    ['error missing-field spec.probe.exec.command', 'warning not-implemented spec.probe.exec'],
  ],
  [
    'a header that Kubernetes has not',
    header('a_b', 'c'),
    ['error invalid-value spec.probe.httpGet.httpHeaders[0].name'],
  ],
  [
    'a socket with ports',
    group({ template: { address: 'unix:///a', ports: { http: 80 } } }),
    ['error invalid-value spec.template.ports'],
  ],
  [
    'a socket that is no file',
    group({ template: { address: 'unix://a' } }),
    ['error invalid-value spec.template.address'],
  ],
  [
    'the name of a port',
    group({ template: { ports: { a_b: 80 } } }),
    ['error invalid-value spec.template.ports.a_b'],
  ],
  [
    'a label that Kubernetes has not',
    group({ template: { labels: { app: 'a b' } } }),
    ['warning invalid-value spec.template.labels.app'],
  ],
  [
    'address of the template',
    group({ template: { address: '10.0.0.1' } }),
    ['warning invalid-value spec.template.address'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}

t.test('what Envoy cannot do is in force but for that, and says why', async (t) => {
  const { resource, problems } = parseResource(probed({ exec: { command: ['true'] } }));
  t.ok(resource);
  t.match(problems[0]?.message, /without a probe.*Envoy, which runs no commands/);
});
