// ServiceEntry and WorkloadEntry: each rule by a document that breaks it, after Istio's validation.
import t from 'tap';
import { documentOf, problemLines } from './check-document.js';

const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
const se = (spec: object) =>
  documentOf('ServiceEntry', { hosts: ['a.example.com'], ports, ...spec });
const fixed = (endpoint: object, spec = {}) =>
  se({ resolution: 'STATIC', endpoints: [endpoint], ...spec });
const we = (spec: object) => documentOf('WorkloadEntry', spec);

const cases: [string, unknown, string[]][] = [
  ['no hosts', documentOf('ServiceEntry', {}), ['error missing-field spec.hosts']],
  ['empty hosts', se({ hosts: [] }), ['error missing-field spec.hosts']],
  ['host *', se({ hosts: ['*'] }), ['error invalid-value spec.hosts[0]']],
  ['wrong host', se({ hosts: ['a_b'] }), ['error invalid-value spec.hosts[0]']],
  [
    'wildcard in part of a label',
    se({ hosts: ['*a.example.com'] }),
    ['warning invalid-value spec.hosts[0]'],
  ],
  [
    'wildcard with endpoints',
    se({
      hosts: ['*.example.com'],
      resolution: 'DNS',
      endpoints: [{ address: 'www.example.com' }],
    }),
    [],
  ],
  ['wildcard with NONE', se({ hosts: ['*.example.com'] }), []],
  [
    'wildcard with DNS',
    se({ hosts: ['*.example.com'], resolution: 'DNS' }),
    ['error invalid-value spec.hosts[0]'],
  ],
  [
    'wrong addresses',
    se({ addresses: ['1.2.3', '10.0.0.0/33', '::/129', '1.2.3.4/08'] }),
    [
      'error invalid-value spec.addresses[0]',
      'error invalid-value spec.addresses[1]',
      'error invalid-value spec.addresses[2]',
      'error invalid-value spec.addresses[3]',
    ],
  ],
  [
    'CIDR with DNS',
    se({ addresses: ['10.0.0.0/8'], resolution: 'DNS' }),
    ['error invalid-value spec.addresses[0]'],
  ],
  [
    'port without name',
    se({ ports: [{ number: 80 }] }),
    ['error missing-field spec.ports[0].name'],
  ],
  [
    'port 0',
    se({ ports: [{ number: 0, name: 'a' }] }),
    ['error invalid-value spec.ports[0].number'],
  ],
  [
    'ports twice',
    se({ ports: [...ports, ...ports] }),
    ['error invalid-value spec.ports[1].name', 'error invalid-value spec.ports[1].number'],
  ],
  [
    'protocol',
    se({ ports: [{ number: 80, name: 'a', protocol: 'HTP' }] }),
    ['error invalid-value spec.ports[0].protocol'],
  ],
  [
    'endpoints with NONE',
    se({ endpoints: [{ address: '1.1.1.1' }] }),
    ['error invalid-value spec.endpoints'],
  ],
  [
    'endpoints and selector',
    fixed({ address: '1.1.1.1' }, { workloadSelector: { labels: { a: 'b' } } }),
    ['error invalid-value spec.endpoints'],
  ],
  [
    'selector of all',
    se({ resolution: 'STATIC', workloadSelector: {} }),
    ['warning invalid-value spec.workloadSelector'],
  ],
  ['STATIC without endpoints', se({ resolution: 'STATIC' }), ['warning invalid-value spec']],
  [
    'host as endpoint of STATIC',
    fixed({ address: 'b.example.com' }),
    ['error invalid-value spec.endpoints[0].address'],
  ],
  [
    'endpoint of another network, to be looked up',
    se({ resolution: 'DNS', endpoints: [{ network: 'n' }] }),
    ['error missing-field spec.endpoints[0].address'],
  ],
  ['endpoint without address', fixed({}), ['error missing-field spec.endpoints[0].address']],
  [
    'unknown port of endpoint',
    fixed({ address: '1.1.1.1', ports: { grpc: 1 } }),
    ['error invalid-value spec.endpoints[0].ports.grpc'],
  ],
  [
    'socket with ports',
    fixed({ address: 'unix:///a', ports: { http: 1 } }),
    ['error invalid-value spec.endpoints[0].ports'],
  ],
  [
    'socket of a relative path',
    fixed({ address: 'unix://a' }),
    ['error invalid-value spec.endpoints[0].address'],
  ],
  [
    'socket with DNS',
    se({ resolution: 'DNS', endpoints: [{ address: 'unix:///a' }] }),
    ['error invalid-value spec.endpoints[0].address'],
  ],
  [
    'DNS_ROUND_ROBIN with two endpoints',
    se({ resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a' }, { address: 'b' }] }),
    ['error invalid-value spec.endpoints'],
  ],
  [
    'several hosts on TCP',
    se({
      hosts: ['a', 'b'],
      resolution: 'DNS',
      ports: [{ number: 1, name: 'tcp', protocol: 'TCP' }],
    }),
    ['error invalid-value spec.hosts'],
  ],
  ['DYNAMIC_DNS', se({ resolution: 'DYNAMIC_DNS', hosts: ['*.example.com'] }), []],
  [
    'DYNAMIC_DNS of one host',
    se({ resolution: 'DYNAMIC_DNS', addresses: ['1.1.1.1'] }),
    ['error invalid-value spec.addresses', 'error invalid-value spec.hosts[0]'],
  ],
  [
    'network and names of certificates',
    fixed({ address: '1.1.1.1', network: 'n' }, { subjectAltNames: ['a'] }),
    [],
  ],
  [
    'export to nobody and somebody',
    se({ exportTo: ['~', 'a'] }),
    ['error invalid-value spec.exportTo'],
  ],
  ['entry without address', we({}), ['error missing-field spec.address']],
  ['entry in a network', we({ network: 'n' }), ['warning invalid-value spec.address']],
  ['entry with a wrong address', we({ address: 'a b' }), ['error invalid-value spec.address']],
  [
    'entry with wrong ports',
    we({ address: 'a', ports: { a_b: 1, c: 0 } }),
    ['error invalid-value spec.ports.c'],
  ],
  [
    'name of a port',
    we({ address: 'a', ports: { a_b: 1 } }),
    ['error invalid-value spec.ports.a_b'],
  ],
  ['weight', we({ address: 'a', weight: -1 }), ['error invalid-value spec.weight']],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
