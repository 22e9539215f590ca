// Service, EndpointSlice and Endpoints: each rule by a document that breaks it, after Kubernetes' API.
import t from 'tap';
import type { EndpointSliceSpec } from '../../src/kinds/endpoint-slice.js';
import { documentOf, problemLines, specOf } from './check-document.js';
import * as samples from './samples.js';

const svc = (spec: object) => documentOf('Service', { ports: [{ port: 80 }], ...spec });
const slice = (fields: object) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  ...samples.endpointSlice,
  ...fields,
});
const endpoints = (subset: object) => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: { name: 'web' },
  subsets: [subset],
});

t.test('the fields beside metadata are the spec of an EndpointSlice', async (t) => {
  t.strictSame(specOf<EndpointSliceSpec>(slice({})), samples.endpointSlice);
});

t.test('status is ignored', async (t) => {
  t.strictSame(problemLines({ ...svc({}), status: { loadBalancer: { ingress: 7 } } }), []);
});

t.test('a Service as a cluster prints it', async (t) => {
  const doc = svc({
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1'],
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30080 }],
    sessionAffinity: 'None',
    type: 'NodePort',
  });
  const expected = [
    'info no-effect spec.ports[0].nodePort',
    'info no-effect spec.sessionAffinity',
    'info no-effect spec.internalTrafficPolicy',
    'info no-effect spec.ipFamilies',
    'info no-effect spec.ipFamilyPolicy',
  ];
  t.strictSame(problemLines(doc), expected);
});

const cases: [string, unknown, string[]][] = [
  ['no ports', documentOf('Service', {}), ['error missing-field spec.ports']],
  ['headless without ports', documentOf('Service', { clusterIP: 'None' }), []],
  [
    'several ports without names',
    svc({ ports: [{ port: 1 }, { port: 2 }] }),
    ['error missing-field spec.ports[0].name', 'error missing-field spec.ports[1].name'],
  ],
  [
    'ports twice',
    svc({
      ports: [
        { name: 'a', port: 1 },
        { name: 'a', port: 1, protocol: 'TCP' },
        { name: 'b', port: 1, protocol: 'UDP' },
      ],
    }),
    ['error invalid-value spec.ports[1].name', 'error invalid-value spec.ports[1].port'],
  ],
  [
    'targetPort 0',
    svc({ ports: [{ port: 1, targetPort: 0 }] }),
    ['error invalid-value spec.ports[0].targetPort'],
  ],
  [
    'targetPort as text',
    svc({ ports: [{ port: 1, targetPort: '8080' }] }),
    ['error invalid-value spec.ports[0].targetPort'],
  ],
  [
    'targetPort of another type',
    svc({ ports: [{ port: 1, targetPort: [] }] }),
    ['error wrong-type spec.ports[0].targetPort'],
  ],
  ['port as text', svc({ ports: [{ port: '80' }] }), ['error wrong-type spec.ports[0].port']],
  [
    'clusterIP',
    svc({ clusterIP: 'none', clusterIPs: ['x'] }),
    ['error invalid-value spec.clusterIP', 'error invalid-value spec.clusterIPs[0]'],
  ],
  ['ExternalName', svc({ type: 'ExternalName' }), ['error missing-field spec.externalName']],
  [
    'protocol',
    svc({ ports: [{ port: 1, protocol: 'HTTP' }] }),
    ['error invalid-value spec.ports[0].protocol'],
  ],
  ['selector', svc({ selector: { a: true } }), ['error wrong-type spec.selector.a']],
  ['unknown field', svc({ slector: {} }), ['error unknown-field spec.slector']],
  ['no addressType', slice({ addressType: undefined }), ['error missing-field addressType']],
  [
    'address of another family',
    slice({ addressType: 'IPv6' }),
    ['error invalid-value endpoints[0].addresses[0]'],
  ],
  ['names', slice({ addressType: 'FQDN' }), []],
  [
    'no addresses',
    slice({ endpoints: [{ addresses: [] }] }),
    ['error missing-field endpoints[0].addresses'],
  ],
  ['no endpoints', slice({ endpoints: null, ports: null }), []],
  ['port', slice({ ports: [{ port: 0 }] }), ['error invalid-value ports[0].port']],
  ['field of a slice', slice({ endpoint: [] }), ['error unknown-field endpoint']],
  [
    'ip',
    endpoints({ addresses: [{ ip: 'x' }, {}] }),
    ['error missing-field subsets[0].addresses[1].ip'],
  ],
  [
    'form of ip',
    endpoints({ addresses: [{ ip: 'x' }] }),
    ['error invalid-value subsets[0].addresses[0].ip'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
