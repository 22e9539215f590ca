// What the kinds of the Gateway API refuse: what the API server of Kubernetes would, and what Envoy would not take.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';

function lines(kind: string, spec: object): string[] {
  const doc = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name: 'a' },
    spec,
  };
  return parseResource(doc).problems.map(
    ({ severity, code, path }) => `${severity} ${code} ${path?.join('.')}`,
  );
}

const listener = (more: object) => ({
  gatewayClassName: 'istio',
  listeners: [{ name: 'a', port: 80, protocol: 'HTTP', ...more }],
});
const rule = (more: object) => ({ rules: [{ backendRefs: [{ name: 'a', port: 1 }], ...more }] });
const filter = (type: string, more: object) => rule({ filters: [{ type, ...more }] });
const at = 'spec.rules.0';

const gateways: [string, object, string[]][] = [
  ['fine', listener({}), []],
  ['a protocol of its own is status', listener({ protocol: 'example.com/x' }), []],
  [
    'the same twice',
    { gatewayClassName: 'a', listeners: Array(2).fill({ name: 'a', port: 80, protocol: 'HTTP' }) },
    ['error invalid-value spec.listeners.1.name', 'error invalid-value spec.listeners.1'],
  ],
  [
    'TLS without certificates',
    listener({ protocol: 'HTTPS' }),
    ['error missing-field spec.listeners.0.tls'],
  ],
  [
    'a wildcard in the middle',
    listener({ hostname: 'a*.b' }),
    ['error invalid-value spec.listeners.0.hostname'],
  ],
  ['any host', listener({ hostname: '*' }), ['error invalid-value spec.listeners.0.hostname']],
  [
    'an address',
    listener({ hostname: '10.0.0.1' }),
    ['error invalid-value spec.listeners.0.hostname'],
  ],
  [
    'a selector that is missing',
    listener({ allowedRoutes: { namespaces: { from: 'Selector' } } }),
    ['error missing-field spec.listeners.0.allowedRoutes.namespaces.selector'],
  ],
  ['no class', { listeners: [] }, ['error missing-field spec.gatewayClassName']],
];
const httpRoutes: [string, object, string[]][] = [
  ['fine', rule({}), []],
  [
    'a path without a slash',
    rule({ matches: [{ path: { value: 'a' } }] }),
    [`error invalid-value ${at}.matches.0.path.value`],
  ],
  [
    'an expression that RE2 lacks',
    rule({ matches: [{ path: { type: 'RegularExpression', value: '(?=a)' } }] }),
    [`error invalid-value ${at}.matches.0.path.value`],
  ],
  [
    'a filter without its field',
    filter('URLRewrite', {}),
    [`error missing-field ${at}.filters.0.urlRewrite`],
  ],
  [
    'a filter with the field of another',
    filter('CORS', { cors: {}, urlRewrite: {} }),
    [`error invalid-value ${at}.filters.0.urlRewrite`],
  ],
  [
    'a redirect with backends',
    filter('RequestRedirect', { requestRedirect: {} }),
    [`error invalid-value ${at}.backendRefs`],
  ],
  [
    'a prefix replaced where there is none',
    rule({
      matches: [{ path: { type: 'Exact', value: '/a' } }],
      filters: [
        {
          type: 'URLRewrite',
          urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } },
        },
      ],
    }),
    [`error invalid-value ${at}.filters.0.urlRewrite.path`],
  ],
  [
    'a fraction of nothing',
    filter('RequestMirror', {
      requestMirror: { backendRef: { name: 'a' }, fraction: { numerator: 0, denominator: 0 } },
    }),
    [`error invalid-value ${at}.filters.0.requestMirror.fraction`],
  ],
  [
    'a header that is none',
    filter('RequestHeaderModifier', {
      requestHeaderModifier: { set: [{ name: ':path', value: '/' }], remove: ['a b'] },
    }),
    [
      `error invalid-value ${at}.filters.0.requestHeaderModifier.set.0.name`,
      `error invalid-value ${at}.filters.0.requestHeaderModifier.remove.0`,
    ],
  ],
  [
    'a try longer than all',
    rule({ timeouts: { request: '1s', backendRequest: '2s' } }),
    [`error invalid-value ${at}.timeouts.backendRequest`],
  ],
  [
    'a duration of Go that is none of the API',
    rule({ timeouts: { request: '1.5s' } }),
    [`error wrong-type ${at}.timeouts.request`],
  ],
  [
    'a cookie that is none',
    rule({ sessionPersistence: { cookie: { name: 'a;b', path: 'x' } } }),
    [
      `error invalid-value ${at}.sessionPersistence.cookie.name`,
      `error invalid-value ${at}.sessionPersistence.cookie.path`,
    ],
  ],
  [
    'what is not implemented says so',
    filter('ExtensionRef', { extensionRef: { kind: 'X', name: 'y' } }),
    [
      `warning not-implemented ${at}.filters.0.type`,
      `warning not-implemented ${at}.filters.0.extensionRef`,
    ],
  ],
];
const others: [string, string, object, string[]][] = [
  [
    'GRPCRoute',
    'a method that is nothing',
    { rules: [{ matches: [{ method: {} }] }] },
    [`error missing-field ${at}.matches.0.method`],
  ],
  [
    'BackendTLSPolicy',
    'no CAs at all',
    { targetRefs: [{ kind: 'Service', name: 'a' }], validation: { hostname: 'a.test' } },
    ['error invalid-value spec.validation'],
  ],
  [
    'UDPRoute',
    'is not acted on',
    { rules: [{ backendRefs: [{ name: 'a', port: 1 }] }] },
    ['warning not-implemented spec.rules'],
  ],
];

for (const [name, spec, expected] of gateways) {
  t.test(`Gateway: ${name}`, async (t) => t.strictSame(lines('Gateway', spec), expected));
}
for (const [name, spec, expected] of httpRoutes) {
  t.test(`HTTPRoute: ${name}`, async (t) => t.strictSame(lines('HTTPRoute', spec), expected));
}
for (const [kind, name, spec, expected] of others) {
  t.test(`${kind}: ${name}`, async (t) => t.strictSame(lines(kind, spec), expected));
}
