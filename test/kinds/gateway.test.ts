// The rules of Gateway and its TLS, after Istio's validation.
import t from 'tap';
import { documentOf, problemLines } from './check-document.js';

const lines = (...servers: object[]) => problemLines(documentOf('Gateway', { servers }));
const http = { number: 80, name: 'http', protocol: 'HTTP' };
const https = { number: 443, name: 'https', protocol: 'HTTPS' };
const server = (more: object = {}) => ({ port: http, hosts: ['*'], ...more });
const tls = (settings: object) => lines({ port: https, hosts: ['*'], tls: settings });
const files = { serverCertificate: '/c', privateKey: '/k' };
const at = 'spec.servers[0]';

const cases: [name: string, found: string[], expected: string[]][] = [
  ['plain', lines(server()), []],
  ['no servers', lines(), ['error missing-field spec.servers']],
  ['no hosts', lines(server({ hosts: [] })), [`error missing-field ${at}.hosts`]],
  [
    'no protocol of a gateway',
    lines(server({ port: { ...http, protocol: 'UDP' } })),
    [`error invalid-value ${at}.port.protocol`],
  ],
  ['protocols in any case', lines(server({ port: { ...http, protocol: 'http2' } })), []],
  [
    'a name of a port twice',
    lines(server(), server()),
    ['error invalid-value spec.servers[1].port.name'],
  ],
  [
    'a name of a server twice',
    lines(server({ name: 'a' }), server({ name: 'a', port: { ...http, name: 'b' } })),
    ['warning invalid-value spec.servers[1].name'],
  ],
  [
    'a port without a name',
    lines(server({ port: { number: 80, protocol: 'HTTP' } })),
    [`error missing-field ${at}.port.name`],
  ],
  ['hosts with namespaces', lines(server({ hosts: ['./a.test', '*/*', 'ns/*.a.test'] })), []],
  [
    'hosts that are none',
    lines(server({ hosts: ['a/b/c', 'A B', 'NS_/a.test', '*a*'] })),
    [0, 1, 2, 3].map((i) => `error invalid-value ${at}.hosts[${i}]`),
  ],
  [
    'bind',
    lines(
      server({ bind: '10.0.0.1' }),
      server({ bind: 'unix:///run/x', port: { ...http, name: 'b' } }),
    ),
    [],
  ],
  ['bind to a name', lines(server({ bind: 'localhost' })), [`error invalid-value ${at}.bind`]],
  ['redirect', lines(server({ tls: { httpsRedirect: true } })), []],
  [
    'redirect on HTTPS',
    tls({ ...files, mode: 'SIMPLE', httpsRedirect: true }),
    [`warning invalid-value ${at}.tls.httpsRedirect`],
  ],
  [
    'TLS on plain HTTP',
    lines(server({ tls: { mode: 'SIMPLE', ...files } })),
    [`error invalid-value ${at}.tls`],
  ],
  [
    'TLS on plain HTTP, without a mode',
    lines(server({ tls: { credentialName: 'a', httpsRedirect: true } })),
    [`warning invalid-value ${at}.tls.credentialName`],
  ],
  [
    'files of TLS on plain HTTP',
    lines(server({ tls: { serverCertificate: '/c' } })),
    [`error invalid-value ${at}.tls`],
  ],
  [
    'TLS on TCP',
    lines(server({ port: { ...http, protocol: 'TCP' }, tls: { mode: 'SIMPLE', ...files } })),
    [`error invalid-value ${at}.tls`],
  ],
  [
    'a wildcard for a part of a label',
    [
      ...lines(server({ hosts: ['*-a.example.com'] })),
      ...lines({
        ...{ port: https, hosts: ['*-a.example.com', '*.example.com', '*'] },
        tls: { mode: 'SIMPLE', ...files },
      }),
    ],
    [`error invalid-value ${at}.hosts[0]`, `error invalid-value ${at}.hosts[0]`],
  ],
  ['an address as host', lines(server({ hosts: ['10.1.2.3', './::1'] })), []],
  ['a host of one label', lines(server({ hosts: ['localhost'] })), []],
  ['databases', lines(server({ port: { ...http, protocol: 'MySQL' } })), []],
  [
    'a Unix socket has no port',
    lines(server({ bind: 'unix:///a', port: { ...http, number: 0 } })),
    [],
  ],
  [
    'a Unix socket is a file',
    lines(server({ bind: 'unix:///a/', port: { ...http, number: 0 } })),
    [`error invalid-value ${at}.bind`],
  ],
  [
    'port 0',
    lines(server({ port: { ...http, number: 0 } })),
    [`error invalid-value ${at}.port.number`],
  ],
  [
    'a Secret beside one file',
    tls({ mode: 'SIMPLE', credentialName: 'a', serverCertificate: '/c' }),
    [`warning invalid-value ${at}.tls.serverCertificate`],
  ],
  [
    'a Secret beside a pair of files',
    tls({ mode: 'SIMPLE', credentialName: 'a', ...files }),
    [`error invalid-value ${at}.tls.serverCertificate`],
  ],
  [
    'revoked certificates where none are asked for',
    tls({ mode: 'SIMPLE', ...files, caCrl: '/r' }),
    [`error invalid-value ${at}.tls.caCrl`],
  ],
  [
    'a selector with no label of Kubernetes',
    problemLines(documentOf('Gateway', { servers: [server()], selector: { app: 'a b' } })),
    ['warning invalid-value spec.selector.app'],
  ],
  [
    'a path that is too long for a socket',
    [
      ...lines(server({ bind: `unix:///${'a'.repeat(106)}` })),
      ...lines(server({ bind: `unix:///${'a'.repeat(107)}` })),
    ],
    [`error invalid-value ${at}.bind`],
  ],
  ['HTTPS without tls', lines({ port: https, hosts: ['*'] }), [`error missing-field ${at}.tls`]],
  ['SIMPLE by Secret', tls({ mode: 'SIMPLE', credentialName: 'a' }), []],
  ['SIMPLE by files', tls({ mode: 'SIMPLE', ...files }), []],
  ['SIMPLE by nothing', tls({ mode: 'SIMPLE' }), [`error missing-field ${at}.tls`]],
  [
    'no key',
    tls({ mode: 'SIMPLE', serverCertificate: '/c' }),
    [`error missing-field ${at}.tls.privateKey`],
  ],
  [
    'two sources',
    tls({ mode: 'SIMPLE', credentialName: 'a', credentialNames: ['b'] }),
    [`error invalid-value ${at}.tls.credentialNames`],
  ],
  [
    'three certificates',
    tls({ mode: 'SIMPLE', credentialNames: ['a', 'b', 'c'] }),
    [`error invalid-value ${at}.tls.credentialNames`],
  ],
  [
    'MUTUAL by files without CAs',
    tls({ mode: 'MUTUAL', ...files }),
    [`error missing-field ${at}.tls.caCertificates`],
  ],
  ['OPTIONAL_MUTUAL by Secret', tls({ mode: 'OPTIONAL_MUTUAL', credentialName: 'a' }), []],
  [
    'CAs from two sources',
    tls({ mode: 'MUTUAL', ...files, caCertificates: '/ca', caCertCredentialName: 'a' }),
    [`error invalid-value ${at}.tls.caCertCredentialName`],
  ],
  [
    'several files, one without its key',
    tls({ mode: 'SIMPLE', tlsCertificates: [files, { serverCertificate: '/c' }] }),
    [`error missing-field ${at}.tls.tlsCertificates[1].privateKey`],
  ],
  [
    'ISTIO_MUTUAL with a certificate',
    tls({ mode: 'ISTIO_MUTUAL', credentialName: 'a' }),
    [`error invalid-value ${at}.tls.credentialName`],
  ],
  [
    'PASSTHROUGH with a certificate',
    tls({ mode: 'PASSTHROUGH', credentialName: 'a' }),
    [`warning invalid-value ${at}.tls.credentialName`],
  ],
  [
    'versions the wrong way round',
    tls({
      mode: 'SIMPLE',
      credentialName: 'a',
      minProtocolVersion: 'TLSV1_3',
      maxProtocolVersion: 'TLSV1_2',
    }),
    [`error invalid-value ${at}.tls.minProtocolVersion`],
  ],
  [
    'a highest version below the lowest that is meant',
    tls({ mode: 'SIMPLE', credentialName: 'a', maxProtocolVersion: 'TLSV1_1' }),
    [`warning invalid-value ${at}.tls.maxProtocolVersion`],
  ],
  [
    'ciphers and curves',
    tls({
      mode: 'SIMPLE',
      credentialName: 'a',
      cipherSuites: ['X', 'AES128-SHA', 'AES128-SHA'],
      ecdhCurves: ['P-256', 'Y'],
    }),
    [
      `warning invalid-value ${at}.tls.cipherSuites[0]`,
      `warning invalid-value ${at}.tls.cipherSuites[2]`,
      `warning invalid-value ${at}.tls.ecdhCurves[1]`,
    ],
  ],
  [
    'hashes',
    tls({
      mode: 'MUTUAL',
      credentialName: 'a',
      verifyCertificateHash: ['ab'],
      verifyCertificateSpki: ['cd'],
    }),
    [
      `error invalid-value ${at}.tls.verifyCertificateHash[0]`,
      `error invalid-value ${at}.tls.verifyCertificateSpki[0]`,
    ],
  ],
];

for (const [name, found, expected] of cases) {
  t.test(name, async (t) => t.strictSame([...found].sort(), [...expected].sort()));
}
