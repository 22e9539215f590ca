// The rules of Sidecar, after Istio's validation.
import t from 'tap';
import { parseDefaultEndpoint } from '../../src/kinds/sidecar-check.js';
import { documentOf, problemLines } from './check-document.js';

/** What is wrong; fields that are not implemented are left out. */
const lines = (spec: object) =>
  problemLines(documentOf('Sidecar', spec)).filter(
    (line) => !/not-implemented|no-effect/.test(line),
  );
const port = { number: 9080, protocol: 'HTTP', name: 'http' };
const ingress = (...more: object[]) => ({ ingress: more.map((one) => ({ port, ...one })) });
const egress = (...more: object[]) => ({ egress: more });
const hosts = ['./*'];

const cases: [name: string, spec: object, expected: string[]][] = [
  ['nothing', {}, ['error missing-field spec']],
  ['all of a namespace', egress({ hosts }), []],
  [
    'selector without labels',
    { workloadSelector: {}, ...egress({ hosts }) },
    ['warning invalid-value spec.workloadSelector'],
  ],
  ['ingress', ingress({ defaultEndpoint: '127.0.0.1:80' }), []],
  ['port twice', ingress({}, {}), ['error invalid-value spec.ingress[1].port.number']],
  [
    'a socket that is no file',
    ingress({ defaultEndpoint: 'unix:///' }),
    ['error invalid-value spec.ingress[0].defaultEndpoint'],
  ],
  [
    'a port beyond the last',
    egress({ port: { number: 65_536, protocol: 'HTTP' }, hosts }),
    ['error invalid-value spec.egress[0].port.number'],
  ],
  [
    'a wildcard for a part of a label',
    egress({ hosts: ['./*a.example.com'] }),
    ['error invalid-value spec.egress[0].hosts[0]'],
  ],
  [
    'revoked certificates where none are asked for',
    ingress({
      port: { number: 1, protocol: 'TLS' },
      tls: { mode: 'SIMPLE', serverCertificate: '/c', privateKey: '/k', caCrl: '/r' },
    }),
    ['error invalid-value spec.ingress[0].tls.caCrl'],
  ],
  ['bad bind', ingress({ bind: 'here' }), ['error invalid-value spec.ingress[0].bind']],
  [
    'endpoint elsewhere',
    ingress({ defaultEndpoint: '10.0.0.1:80' }),
    ['error invalid-value spec.ingress[0].defaultEndpoint'],
  ],
  [
    'no protocol of ours',
    ingress({ port: { number: 1, protocol: 'SMTP' } }),
    ['error invalid-value spec.ingress[0].port.protocol'],
  ],
  [
    'http limits on TCP',
    ingress({
      port: { number: 1, protocol: 'TCP' },
      connectionPool: { http: { http2MaxRequests: 1 }, tcp: { maxConnections: 1 } },
    }),
    ['warning invalid-value spec.ingress[0].connectionPool.http'],
  ],
  [
    'TLS',
    ingress({
      port: { number: 1, protocol: 'HTTPS' },
      tls: { mode: 'SIMPLE', serverCertificate: '/c', privateKey: '/k' },
    }),
    [],
  ],
  [
    'TLS on HTTP, by secret',
    ingress({ tls: { mode: 'ISTIO_MUTUAL', credentialName: 's' } }),
    [
      'error invalid-value spec.ingress[0].tls.credentialName',
      'error invalid-value spec.ingress[0].tls.mode',
      'error invalid-value spec.ingress[0].tls',
    ],
  ],
  [
    'mutual TLS without files',
    ingress({ port: { number: 1, protocol: 'TLS' }, tls: { mode: 'MUTUAL' } }),
    ['serverCertificate', 'privateKey', 'caCertificates'].map(
      (field) => `error missing-field spec.ingress[0].tls.${field}`,
    ),
  ],
  [
    'TLS without a mode',
    ingress({ port: { number: 1, protocol: 'TLS' }, tls: {} }),
    ['warning invalid-value spec.ingress[0].tls'],
  ],
  [
    'optional mutual TLS without CAs, an unknown cipher suite',
    ingress({
      port: { number: 1, protocol: 'HTTPS' },
      tls: {
        ...{ mode: 'OPTIONAL_MUTUAL', serverCertificate: '/c', privateKey: '/k' },
        cipherSuites: ['AES128-SHA', 'ROT13'],
      },
    }),
    [
      'error missing-field spec.ingress[0].tls.caCertificates',
      'warning invalid-value spec.ingress[0].tls.cipherSuites[1]',
    ],
  ],
  [
    'a listener that would call itself',
    ingress(
      { port: { number: 1, protocol: 'TCP' }, bind: '127.0.0.1', captureMode: 'NONE' },
      { port: { number: 2, protocol: 'TCP' }, bind: '127.0.0.1' },
      { port: { number: 3, protocol: 'TCP' }, bind: '0.0.0.0', defaultEndpoint: '127.0.0.1:3' },
      { port: { number: 4, protocol: 'TCP' }, bind: '127.0.0.1', captureMode: 'IPTABLES' },
      { port: { number: 5, protocol: 'TCP' }, bind: '0.0.0.0', defaultEndpoint: '127.0.0.1:6' },
      { port: { number: 7, protocol: 'TCP' }, bind: '0.0.0.0', defaultEndpoint: 'unix:///a' },
      { port: { number: 8, protocol: 'TCP' }, bind: '::1' },
    ),
    [
      'error invalid-value spec.ingress[0].bind',
      'warning invalid-value spec.ingress[1].bind',
      'warning invalid-value spec.ingress[2].bind',
      'warning invalid-value spec.ingress[6].bind',
    ],
  ],
  ['no hosts', egress({}), ['error missing-field spec.egress[0].hosts']],
  ['catch-all first', egress({ hosts }, { hosts }), ['error invalid-value spec.egress[0]']],
  [
    'port twice',
    egress({ port, hosts }, { port, hosts }),
    ['error invalid-value spec.egress[1].port.number'],
  ],
  [
    'a socket twice',
    egress(
      { port: { protocol: 'HTTP' }, bind: 'unix:///a', hosts },
      { port: { protocol: 'HTTP' }, bind: 'unix:///a', hosts },
    ),
    ['error invalid-value spec.egress[1].bind'],
  ],
  [
    'no port, no socket, and captured',
    egress({ port: { protocol: 'HTTP' }, captureMode: 'IPTABLES', hosts }),
    ['error invalid-value spec.egress[0].bind', 'error invalid-value spec.egress[0].captureMode'],
  ],
  [
    'a socket for all ports',
    egress({ bind: 'unix:///a', hosts }),
    ['error invalid-value spec.egress[0].bind'],
  ],
  ['an address for all ports', egress({ bind: '127.0.0.2', captureMode: 'NONE', hosts }), []],
  ['no namespace', egress({ hosts: ['a.com'] }), ['error invalid-value spec.egress[0].hosts[0]']],
  [
    'hosts twice',
    egress({ hosts: ['./a.com', 'default/a.com', './*'] }),
    [
      'warning invalid-value spec.egress[0].hosts[1]',
      'warning invalid-value spec.egress[0].hosts[0]',
      'warning invalid-value spec.egress[0].hosts[1]',
    ],
  ],
  [
    'all, and more',
    egress({ hosts: ['*/*', './a'] }),
    ['warning invalid-value spec.egress[0].hosts'],
  ],
  ['all but', egress({ hosts: ['*/*', '~far/*'] }), []],
  [
    'proxy for what is refused',
    { outboundTrafficPolicy: { egressProxy: { host: 'a.com', port: { number: 1 } } } },
    ['error invalid-value spec.outboundTrafficPolicy.egressProxy'],
  ],
  [
    'proxy without a port',
    { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'a.com' } } },
    ['error missing-field spec.outboundTrafficPolicy.egressProxy.port'],
  ],
];
for (const [name, spec, expected] of cases) {
  t.test(name, async (t) => t.strictSame(lines(spec), expected));
}

t.test('default endpoints', async (t) => {
  const table: [text: string, parsed: unknown][] = [
    ['127.0.0.1:80', { address: '127.0.0.1', port: 80 }],
    ['[::1]:80', { address: '::1', port: 80 }],
    ['0.0.0.0:80', { address: '', port: 80 }],
    [':80', { address: '', port: 80 }],
    ['unix:///a', { unixSocket: '/a' }],
    ['127.0.0.1', undefined],
    ['127.0.0.1:0', undefined],
    ['unix://a', undefined],
  ];
  for (const [text, parsed] of table) t.strictSame(parseDefaultEndpoint(text), parsed, text);
});
