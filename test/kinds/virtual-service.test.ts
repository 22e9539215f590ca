// VirtualService: what its spec becomes, and each rule by a document that breaks it. Expectations are Istio's
// validation (pkg/config/validation) unless a comment says otherwise.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import type { VirtualServiceSpec } from '../../src/kinds/virtual-service.js';
import { documentOf, problemLines, specOf } from './check-document.js';

const to = (host = 'reviews') => [{ destination: { host } }];
const vs = (spec: object) => documentOf('VirtualService', { hosts: ['reviews'], ...spec });
const http = (route: object) => vs({ http: [{ route: to(), ...route }] });
const match = (fields: object) => http({ match: [fields] });

t.test('durations become milliseconds, and nothing is added', async (t) => {
  const spec = specOf<VirtualServiceSpec>(
    http({ timeout: '1h2m1.5s', retries: { attempts: 2, perTryTimeout: '100ms' } }),
  );
  t.strictSame(spec, {
    hosts: ['reviews'],
    http: [{ route: to(), timeout: 3_721_500, retries: { attempts: 2, perTryTimeout: 100 } }],
  });
});

t.test('null is a field not given', async (t) => {
  const spec = specOf<VirtualServiceSpec>(http({ timeout: null, match: [{ uri: null }] }));
  t.strictSame(spec.http, [{ route: to(), match: [{}] }]);
});

t.test('names of protobuf are read, and said', async (t) => {
  const doc = vs({
    http: [{ match: [{ uri: { prefix: '/a/' } }], redirect: { prefix_rewrite: '/' } }],
  });
  t.strictSame(specOf<VirtualServiceSpec>(doc).http?.[0]?.redirect, { prefixRewrite: '/' });
  t.strictSame(problemLines(doc), ['warning unknown-field spec.http[0].redirect.prefix_rewrite']);
  const both = vs({ http: [{ redirect: { prefix_rewrite: '/', prefixRewrite: '/' } }] });
  t.strictSame(problemLines(both), ['error unknown-field spec.http[0].redirect.prefix_rewrite']);
});

const errors: [string, unknown, string[]][] = [
  ['no routes', vs({}), ['missing-field spec']],
  ['host *', vs({ hosts: ['*'], http: [{ route: to() }] }), ['invalid-value spec.hosts[0]']],
  [
    'host * for the mesh beside a gateway',
    vs({ hosts: ['*'], gateways: ['mesh', 'ns/gw'], http: [{ route: to() }] }),
    ['invalid-value spec.hosts[0]'],
  ],
  [
    'claims of a JWT for the mesh beside a gateway',
    vs({
      gateways: ['mesh', 'ns/gw'],
      http: [{ match: [{ headers: { '@request.auth.claims.a': { exact: 'b' } } }], route: to() }],
    }),
    ['invalid-value spec.http[0].match[0].headers["@request.auth.claims.a"]'],
  ],
  [
    'server names of clusters, in the mesh',
    vs({
      hosts: ['outbound_.80_._.a.b'],
      tls: [{ match: [{ sniHosts: ['outbound_.80_._.a.b'] }], route: to() }],
    }),
    ['invalid-value spec.hosts[0]'],
  ],
  [
    'bytes that are not base64',
    vs({ http: [{ directResponse: { status: 200, body: { bytes: 'a-b' } } }] }),
    ['invalid-value spec.http[0].directResponse.body.bytes'],
  ],
  ['wrong host', vs({ hosts: ['a_b'], http: [{ route: to() }] }), ['invalid-value spec.hosts[0]']],
  [
    'wildcard inside',
    vs({ hosts: ['a.*.com'], http: [{ route: to() }] }),
    ['invalid-value spec.hosts[0]'],
  ],
  [
    'hosts that cover each other',
    vs({ hosts: ['*.com', '*.a.com'], http: [{ route: to() }] }),
    ['invalid-value spec.hosts[1]'],
  ],
  [
    'exportTo * and more',
    vs({ exportTo: ['*', 'a'], http: [{ route: to() }] }),
    ['invalid-value spec.exportTo'],
  ],
  [
    'exportTo twice, once by .',
    vs({ exportTo: ['.', 'default'], http: [{ route: to() }] }),
    ['invalid-value spec.exportTo[1]'],
  ],
  [
    'exportTo ~',
    vs({ exportTo: ['~'], http: [{ route: to() }] }),
    ['invalid-value spec.exportTo[0]'],
  ],
  ['no action', vs({ http: [{}] }), ['missing-field spec.http[0]']],
  ['route and redirect', http({ redirect: { uri: '/' } }), ['invalid-value spec.http[0].route']],
  [
    'route and directResponse',
    http({ directResponse: { status: 200 } }),
    ['invalid-value spec.http[0].route'],
  ],
  [
    'redirect and fault',
    vs({ http: [{ redirect: { uri: '/' }, fault: { abort: { httpStatus: 500 } } }] }),
    ['invalid-value spec.http[0].fault'],
  ],
  [
    'redirect to nothing',
    vs({ http: [{ redirect: {} }] }),
    ['missing-field spec.http[0].redirect'],
  ],
  [
    'redirect by uri and prefix',
    vs({ http: [{ redirect: { uri: '/', prefixRewrite: '/' } }] }),
    ['invalid-value spec.http[0].redirect.prefixRewrite'],
  ],
  [
    'redirect of a prefix that is none',
    vs({ http: [{ match: [{ uri: { exact: '/' } }], redirect: { prefixRewrite: '/' } }] }),
    ['invalid-value spec.http[0].redirect.prefixRewrite'],
  ],
  [
    'redirect code',
    vs({ http: [{ redirect: { uri: '/', redirectCode: 200 } }] }),
    ['invalid-value spec.http[0].redirect.redirectCode'],
  ],
  [
    'redirect scheme',
    vs({ http: [{ redirect: { scheme: 'ftp' } }] }),
    ['invalid-value spec.http[0].redirect.scheme'],
  ],
  [
    'redirect port and derivePort',
    vs({ http: [{ redirect: { port: 80, derivePort: 'FROM_REQUEST_PORT' } }] }),
    ['invalid-value spec.http[0].redirect.derivePort'],
  ],
  [
    'response status',
    vs({ http: [{ directResponse: { status: 99 } }] }),
    ['invalid-value spec.http[0].directResponse.status'],
  ],
  [
    'response without status',
    vs({ http: [{ directResponse: {} }] }),
    ['missing-field spec.http[0].directResponse.status'],
  ],
  [
    'response body twice',
    vs({ http: [{ directResponse: { status: 200, body: { string: '', bytes: '' } } }] }),
    ['invalid-value spec.http[0].directResponse.body.bytes'],
  ],
  [
    'response body not base64',
    vs({ http: [{ directResponse: { status: 200, body: { bytes: '!' } } }] }),
    ['invalid-value spec.http[0].directResponse.body.bytes'],
  ],
  [
    'response body too large',
    vs({ http: [{ directResponse: { status: 200, body: { string: 'x'.repeat(1_048_577) } } }] }),
    ['invalid-value spec.http[0].directResponse.body'],
  ],
  ['rewrite of nothing', http({ rewrite: {} }), ['missing-field spec.http[0].rewrite']],
  [
    'rewrite by uri and regex',
    http({ rewrite: { uri: '/', uriRegexRewrite: { match: 'a', rewrite: 'b' } } }),
    ['invalid-value spec.http[0].rewrite.uriRegexRewrite'],
  ],
  [
    'rewrite by half a regex',
    http({ rewrite: { uriRegexRewrite: { match: '(?<=a)b' } } }),
    [
      'missing-field spec.http[0].rewrite.uriRegexRewrite.rewrite',
      'invalid-value spec.http[0].rewrite.uriRegexRewrite.match',
    ],
  ],
  ['timeout 0', http({ timeout: '0s' }), ['invalid-value spec.http[0].timeout']],
  ['timeout below 1ms', http({ timeout: '1.5ms' }), ['invalid-value spec.http[0].timeout']],
  ['timeout negative', http({ timeout: '-1s' }), ['invalid-value spec.http[0].timeout']],
  ['timeout without unit', http({ timeout: '5' }), ['wrong-type spec.http[0].timeout']],
  ['timeout as a number', http({ timeout: 5 }), ['wrong-type spec.http[0].timeout']],
  [
    'weight negative',
    http({ route: [{ ...to()[0], weight: -1 }] }),
    ['invalid-value spec.http[0].route[0].weight'],
  ],
  [
    'weight as text',
    http({ route: [{ ...to()[0], weight: '1' }] }),
    ['wrong-type spec.http[0].route[0].weight'],
  ],
  [
    'weights all 0',
    http({ route: [...to('a'), ...to('b')] }),
    ['invalid-value spec.http[0].route'],
  ],
  [
    'no destination',
    http({ route: [{ weight: 1 }] }),
    ['missing-field spec.http[0].route[0].destination'],
  ],
  [
    'destination *',
    http({ route: to('*') }),
    ['invalid-value spec.http[0].route[0].destination.host'],
  ],
  [
    'destination empty',
    http({ route: to('') }),
    ['invalid-value spec.http[0].route[0].destination.host'],
  ],
  [
    'destination port and subset',
    http({ route: [{ destination: { host: 'a', port: { number: 0 }, subset: 'A_b' } }] }),
    ['invalid-value spec.http[0].route[0].destination.port.number'],
  ],
  [
    'subset name',
    http({ route: [{ destination: { host: 'a', subset: 'a_b' } }] }),
    ['invalid-value spec.http[0].route[0].destination.subset'],
  ],
  [
    'retries of nothing',
    http({ retries: { perTryTimeout: '1s', attempts: 0 } }),
    ['invalid-value spec.http[0].retries.perTryTimeout'],
  ],
  [
    'retries negative',
    http({ retries: { attempts: -1 } }),
    ['invalid-value spec.http[0].retries.attempts'],
  ],
  [
    'retryOn',
    http({ retries: { attempts: 1, retryOn: '5xx,sometimes' } }),
    ['invalid-value spec.http[0].retries.retryOn'],
  ],
  ['fault of nothing', http({ fault: {} }), ['missing-field spec.http[0].fault']],
  [
    'fault values',
    http({
      fault: {
        delay: { fixedDelay: '0s', percent: 101 },
        abort: { grpcStatus: 'BAD', percentage: { value: 0.00001 } },
      },
    }),
    [
      'invalid-value spec.http[0].fault.delay.percent',
      'invalid-value spec.http[0].fault.delay.fixedDelay',
      'invalid-value spec.http[0].fault.abort.percentage.value',
      'invalid-value spec.http[0].fault.abort.grpcStatus',
    ],
  ],
  [
    'fault percentage',
    http({ fault: { abort: { httpStatus: 500, percentage: { value: 101 } } } }),
    ['invalid-value spec.http[0].fault.abort.percentage.value'],
  ],
  [
    'fault status',
    http({ fault: { abort: { httpStatus: 700 } } }),
    ['invalid-value spec.http[0].fault.abort.httpStatus'],
  ],
  [
    'fault status twice',
    http({ fault: { abort: { httpStatus: 500, grpcStatus: 'OK' } } }),
    ['invalid-value spec.http[0].fault.abort.grpcStatus'],
  ],
  [
    'mirror and mirrors',
    http({ mirror: { host: 'a' }, mirrors: [{ destination: { host: 'b' } }] }),
    ['invalid-value spec.http[0].mirrors'],
  ],
  [
    'mirror percentage',
    http({ mirror: { host: 'a' }, mirrorPercentage: { value: -1 } }),
    ['invalid-value spec.http[0].mirrorPercentage.value'],
  ],
  [
    'cors',
    http({
      corsPolicy: {
        allowOrigins: [{}, { regex: '(' }],
        allowMethods: ['get'],
        allowHeaders: ['a b'],
        maxAge: '1500ms',
      },
    }),
    [
      'missing-field spec.http[0].corsPolicy.allowOrigins[0]',
      'invalid-value spec.http[0].corsPolicy.allowOrigins[1].regex',
      'invalid-value spec.http[0].corsPolicy.allowMethods[0]',
      'invalid-value spec.http[0].corsPolicy.allowHeaders[0]',
      'invalid-value spec.http[0].corsPolicy.maxAge',
    ],
  ],
  [
    'headers',
    http({
      headers: {
        request: { set: { ':path': '/' }, add: { x: '50% off' }, remove: ['Host'] },
        response: { set: { host: 'a' }, remove: [''] },
      },
    }),
    [
      'invalid-value spec.http[0].headers.request.set[":path"]',
      'invalid-value spec.http[0].headers.request.add.x',
      'invalid-value spec.http[0].headers.request.remove[0]',
      'invalid-value spec.http[0].headers.response.set.host',
      'invalid-value spec.http[0].headers.response.remove[0]',
    ],
  ],
  [
    'host rewritten twice',
    http({ rewrite: { authority: 'a' }, headers: { request: { set: { Host: 'b' } } } }),
    ['invalid-value spec.http[0].headers.request.set.Host'],
  ],
  [
    'two forms of match',
    match({ uri: { exact: '/', prefix: '/' } }),
    ['invalid-value spec.http[0].match[0].uri.prefix'],
  ],
  [
    'unknown form of match',
    match({ uri: { perfix: '/' } }),
    ['unknown-field spec.http[0].match[0].uri.perfix'],
  ],
  [
    'lookahead',
    match({ uri: { regex: '/(?!a)' } }),
    ['invalid-value spec.http[0].match[0].uri.regex'],
  ],
  [
    'empty regex',
    match({ headers: { a: { regex: '' } } }),
    ['invalid-value spec.http[0].match[0].headers.a.regex'],
  ],
  [
    'empty prefix',
    match({ method: { prefix: '' } }),
    ['invalid-value spec.http[0].match[0].method.prefix'],
  ],
  [
    'header name',
    match({ headers: { 'a b': { exact: 'x' } } }),
    ['invalid-value spec.http[0].match[0].headers["a b"]'],
  ],
  [
    'claims of a JWT at a sidecar',
    match({ headers: { '@request.auth.claims.sub': {} } }),
    ['invalid-value spec.http[0].match[0].headers["@request.auth.claims.sub"]'],
  ],
  ['port', match({ port: 70000 }), ['invalid-value spec.http[0].match[0].port']],
  ['port with a fraction', match({ port: 80.5 }), ['wrong-type spec.http[0].match[0].port']],
  [
    'source namespace',
    match({ sourceNamespace: 'a.b' }),
    ['invalid-value spec.http[0].match[0].sourceNamespace'],
  ],
  [
    'source labels',
    match({ sourceLabels: { 'a b': 'c', d: 'e f' } }),
    [
      'invalid-value spec.http[0].match[0].sourceLabels["a b"]',
      'invalid-value spec.http[0].match[0].sourceLabels.d',
    ],
  ],
  ['tcp without route', vs({ tcp: [{}] }), ['missing-field spec.tcp[0].route']],
  [
    'tcp subnet',
    vs({ tcp: [{ match: [{ destinationSubnets: ['10.0.0.0/33'] }], route: to() }] }),
    ['invalid-value spec.tcp[0].match[0].destinationSubnets[0]'],
  ],
  [
    'tls host that is not of the resource',
    vs({ tls: [{ match: [{ sniHosts: ['other'] }], route: to() }] }),
    ['invalid-value spec.tls[0].match[0].sniHosts[0]'],
  ],
  [
    'tls wildcard for a part of a label',
    vs({
      ...{ hosts: ['*'], gateways: ['g'] },
      tls: [{ match: [{ sniHosts: ['*-a.test'] }], route: to() }],
    }),
    ['invalid-value spec.tls[0].match[0].sniHosts[0]'],
  ],
  ['http is no list', vs({ http: { route: to() } }), ['wrong-type spec.http']],
  ['an entry is null', vs({ http: [null] }), ['wrong-type spec.http[0]']],
  // Without the entry, the match would hold for every request.
  [
    'a header of a match is null',
    http({ match: [{ headers: { 'x-test': null } }] }),
    ['wrong-type spec.http[0].match[0].headers.x-test'],
  ],
  [
    'a value of a header is null',
    http({ headers: { request: { set: { 'x-test': null } } } }),
    ['wrong-type spec.http[0].headers.request.set.x-test'],
  ],
];

for (const [name, doc, expected] of errors) {
  t.test(name, async (t) => {
    const found = problemLines(doc).filter((line) => line.startsWith('error '));
    t.strictSame(
      found,
      expected.map((line) => `error ${line}`),
    );
  });
}

const notes: [string, unknown, string[]][] = [
  [
    'a field without effect is reported once, one that is not implemented at each place',
    vs({
      http: [0, 1].map(() => ({
        match: [{ gateways: ['ns/gw'] }],
        route: to(),
        fault: { delay: { exponentialDelay: '1s' } },
      })),
    }),
    ['info no-effect spec.http[0].fault.delay.exponentialDelay'],
  ],
  ['host * of a gateway', vs({ hosts: ['*'], gateways: ['ns/gw'], http: [{ route: to() }] }), []],
  [
    'server names of clusters, at a gateway',
    vs({
      hosts: ['outbound_.80_._.a.b.svc.cluster.local'],
      gateways: ['ns/gw'],
      tls: [{ match: [{ sniHosts: ['outbound_.80_._.a.b.svc.cluster.local'] }], route: to() }],
    }),
    [],
  ],
  ['port 0 is none', match({ port: 0 }), []],
  ['uri may have an empty prefix', match({ uri: { prefix: '' } }), []],
  ['regex * is presence', match({ headers: { a: { regex: '*' } } }), []],
  [
    'weights need not sum to 100',
    http({
      route: [
        { ...to()[0], weight: 1 },
        { ...to()[0], weight: 7 },
      ],
    }),
    [],
  ],
  [
    'delegate',
    vs({
      http: [
        { delegate: { name: 'a' } },
        { delegate: { name: 'b' }, directResponse: { status: 200 } },
      ],
    }),
    [],
  ],
  ['gateways', vs({ gateways: ['mesh', 'ns/gw'], http: [{ route: to() }] }), []],
  [
    'exponentialDelay',
    http({ fault: { delay: { exponentialDelay: '1s' } } }),
    ['info no-effect spec.http[0].fault.delay.exponentialDelay'],
  ],
  [
    'http2Error',
    http({ fault: { abort: { http2Error: 'x' } } }),
    ['info no-effect spec.http[0].fault.abort.http2Error'],
  ],
  [
    'sourceSubnet',
    vs({ tcp: [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route: to() }] }),
    ['info no-effect spec.tcp[0].match[0].sourceSubnet'],
  ],
  [
    'abort without a status',
    http({ fault: { abort: {} } }),
    ['warning invalid-value spec.http[0].fault.abort'],
  ],
  [
    'an older form of a gateway',
    vs({ gateways: ['gw.infra.svc.cluster.local'], http: [{ route: to() }] }),
    ['warning deprecated spec.gateways[0]'],
  ],
  [
    'an address as SNI',
    vs({ hosts: ['10.0.0.1'], tls: [{ match: [{ sniHosts: ['10.0.0.1'] }], route: to() }] }),
    ['warning invalid-value spec.tls[0].match[0].sniHosts[0]'],
  ],
  [
    'mirrorPercent',
    http({ mirror: { host: 'a' }, mirrorPercent: 5 }),
    ['warning deprecated spec.http[0].mirrorPercent'],
  ],
];

t.test('names and claims with codes of Istio', async (t) => {
  const gateway = 'infra/gw~istio-autogenerated-k8s-gateway~http';
  const headers = { '@request.auth.claims.sub': { exact: 'x' } };
  const http = [{ match: [{ headers }], route: to() }];
  const table: [doc: Record<string, unknown>, istio: string, message: string][] = [
    [vs({ gateways: [gateway], http: [{ route: to() }] }), 'IST0165', 'infra/gw is that of the'],
    [vs({ gateways: ['ns/gw'], http }), 'IST0149', 'no request has this claim'],
  ];
  for (const [doc, istio, message] of table) {
    const { problems } = parseResource(doc);
    t.strictSame([problems.length, problems[0]?.istio], [1, istio]);
    t.match(problems[0]?.message, message);
  }
});

for (const [name, doc, expected] of notes) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
