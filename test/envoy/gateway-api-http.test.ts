// What HTTPRoutes do to real requests, through a real Envoy as the router of a Gateway: each core and extended feature
// that the conformance suite of the Gateway API names, one host for each. The resources and expectations are those of the
// API's documentation.
import { createServer as createHttp2Server } from 'node:http2';
import t from 'tap';
import { freePort } from '../free-port.js';
import {
  api,
  conditions,
  GatewayApiScene,
  kubernetesService,
  often,
  route,
  shares,
  web,
  who,
} from './gateway-api-scene.js';
import { call } from './http-backend.js';

const scene = await GatewayApiScene.start(['v1', 'v2', 'v3']);
const [v1, , v3] = ['v1', 'v2', 'v3'].map((name) => scene.backends.get(name)!);
const port = await freePort();
const to = (name: string, more: object = {}) => ({ name, port: 8080, ...more });
const only = (name: string) => ({ backendRefs: [to(name)] });
const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } });
const get = (url: string, headers: Record<string, string> = {}) => call(port, url, { headers });

scene.write(
  'gateway',
  web([{ name: 'http', port, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }]),
);
scene.write(
  'matching',
  route('paths', [
    { matches: [path('/exact', 'Exact')], ...only('v1') },
    { matches: [path('/one')], ...only('v1') },
    { matches: [path('/one/two')], ...only('v2') },
    { matches: [path('/one/two/three/', 'Exact')], ...only('v3') },
    { matches: [path('/re/[0-9]+', 'RegularExpression')], ...only('v3') },
    only('v2'),
  ]),
  route('headers', [
    { matches: [{ headers: [{ name: 'X-A', value: '1' }] }], ...only('v1') },
    {
      matches: [
        {
          headers: [
            { name: 'x-a', value: '1' },
            { name: 'x-b', value: '2' },
            // Of two of one name the first counts.
            { name: 'X-B', value: '3' },
          ],
        },
        { headers: [{ name: 'x-c', type: 'RegularExpression', value: 'a+' }] },
      ],
      ...only('v2'),
    },
  ]),
  route('queries', [
    { matches: [{ queryParams: [{ name: 'a', value: '1' }] }], ...only('v1') },
    {
      matches: [
        {
          queryParams: [
            { name: 'a', value: '1' },
            { name: 'b', type: 'RegularExpression', value: '[0-9]' },
          ],
        },
      ],
      ...only('v2'),
    },
  ]),
  route('methods', [
    { matches: [{ ...path('/'), method: 'POST' }], ...only('v1') },
    { matches: [{ headers: [{ name: 'x-a', value: '1' }] }], ...only('v2') },
    { matches: [path('/longer')], ...only('v3') },
  ]),
);

const table: [string, string, { method?: string; headers?: Record<string, string> }?][] = [
  ['v1', 'paths.test/exact'],
  ['v2', 'paths.test/exact/not'],
  ['v1', 'paths.test/one'],
  ['v1', 'paths.test/one/'],
  ['v2', 'paths.test/onesie', undefined],
  ['v2', 'paths.test/one/two'],
  ['v1', 'paths.test/one/twofold'],
  ['v2', 'paths.test/one/two/three'],
  ['v3', 'paths.test/one/two/three/'],
  ['v3', 'paths.test/re/12?x=1'],
  ['v2', 'paths.test/re/1a'],
  ['v1', 'headers.test/', { headers: { 'x-a': '1' } }],
  ['v2', 'headers.test/', { headers: { 'x-a': '1', 'x-b': '2' } }],
  ['v1', 'headers.test/', { headers: { 'x-a': '1', 'x-b': '3' } }],
  ['v2', 'headers.test/', { headers: { 'x-c': 'aa' } }],
  ['404', 'headers.test/', { headers: { 'x-c': 'ab' } }],
  ['v1', 'queries.test/?a=1'],
  ['v2', 'queries.test/?a=1&b=7'],
  ['v1', 'queries.test/?a=1&b=x'],
  ['404', 'queries.test/?a=2'],
  ['v1', 'methods.test/', { method: 'POST', headers: { 'x-a': '1' } }],
  ['v2', 'methods.test/', { headers: { 'x-a': '1' } }],
  ['v3', 'methods.test/longer', { method: 'POST', headers: { 'x-a': '1' } }],
  ['404', 'methods.test/'],
  ['404', 'unknown.test/'],
];

scene.write(
  'filters',
  route('modify', [
    {
      matches: [path('/request')],
      filters: [
        {
          type: 'RequestHeaderModifier',
          requestHeaderModifier: {
            set: [{ name: 'x-set', value: '100% %REQ(x-a)%' }],
            add: [{ name: 'x-add', value: 'more' }],
            remove: ['x-gone'],
          },
        },
      ],
      ...only('v1'),
    },
    {
      matches: [path('/response')],
      filters: [
        {
          type: 'ResponseHeaderModifier',
          responseHeaderModifier: {
            set: [{ name: 'x-attempt', value: 'set' }],
            add: [{ name: 'x-more', value: 'added' }],
            remove: ['x-backend'],
          },
        },
      ],
      ...only('v1'),
    },
    {
      matches: [path('/backend')],
      backendRefs: [
        to('v1', {
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: { set: [{ name: 'x-for', value: 'v1' }] },
            },
          ],
        }),
        to('v2', {
          filters: [
            {
              type: 'ResponseHeaderModifier',
              responseHeaderModifier: { set: [{ name: 'x-from', value: 'v2' }] },
            },
          ],
        }),
      ],
    },
  ]),
  route('rewrite', [
    rewrite('/host', { hostname: 'inner.test' }),
    rewrite('/full', { path: { type: 'ReplaceFullPath', replaceFullPath: '/a\\1b' } }),
    rewrite('/prefix', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } }),
    rewrite('/strip', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }),
    rewrite('/slash/', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/s/' } }),
    rewrite('/', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/all' } }),
  ]),
  route('redirect', [
    redirect('/host', { hostname: 'new.test' }),
    redirect('/code', { hostname: 'new.test', statusCode: 301 }),
    redirect('/303', { hostname: 'new.test', statusCode: 303 }),
    redirect('/307', { hostname: 'new.test', statusCode: 307 }),
    redirect('/308', { hostname: 'new.test', statusCode: 308 }),
    redirect('/scheme', { scheme: 'https' }),
    redirect('/plain', { scheme: 'http' }),
    redirect('/port', { port: 8443, scheme: 'https' }),
    redirect('/default-port', { port: 443, scheme: 'https' }),
    redirect('/full', { path: { type: 'ReplaceFullPath', replaceFullPath: '/there' } }),
    redirect('/prefix', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new/' } }),
    redirect('/strip', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }),
  ]),
);

function rewrite(from: string, urlRewrite: object) {
  return { matches: [path(from)], filters: [{ type: 'URLRewrite', urlRewrite }], ...only('v1') };
}

function redirect(from: string, requestRedirect: object) {
  return { matches: [path(from)], filters: [{ type: 'RequestRedirect', requestRedirect }] };
}

scene.write(
  'traffic',
  route('weights', [
    { backendRefs: [to('v1', { weight: 7 }), to('v2', { weight: 3 }), to('v3', { weight: 0 })] },
  ]),
  route('broken', [
    { matches: [path('/half')], backendRefs: [to('v1'), to('missing')] },
    { matches: [path('/kind')], backendRefs: [{ kind: 'Bucket', group: 'x.io', name: 'b' }] },
    { matches: [path('/port')], backendRefs: [{ name: 'v1', port: 1 }] },
    { matches: [path('/none')] },
    { matches: [path('/zero')], backendRefs: [to('v1', { weight: 0 })] },
    { matches: [path('/foreign')], backendRefs: [to('far', { namespace: 'other' })] },
    { matches: [path('/granted')], backendRefs: [to('near', { namespace: 'other' })] },
  ]),
  ...kubernetesService('far', [v3!.port], { namespace: 'other' }),
  ...kubernetesService('near', [v3!.port], { namespace: 'other' }),
  api(
    'ReferenceGrant',
    'near',
    {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
      to: [{ group: '', kind: 'Service', name: 'near' }],
    },
    'other',
  ),
  route('mirror', [
    {
      matches: [path('/all')],
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: to('v2') } },
        { type: 'RequestMirror', requestMirror: { backendRef: to('v3') } },
      ],
      ...only('v1'),
    },
    {
      matches: [path('/some')],
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: to('v2'), percent: 25 } },
        {
          type: 'RequestMirror',
          requestMirror: { backendRef: to('v3'), fraction: { numerator: 1, denominator: 2 } },
        },
      ],
      ...only('v1'),
    },
  ]),
  route('times', [
    { matches: [path('/request')], timeouts: { request: '200ms' }, ...only('v1') },
    { matches: [path('/backend')], timeouts: { backendRequest: '200ms' }, ...only('v1') },
    { matches: [path('/off')], timeouts: { request: '0s' }, ...only('v1') },
  ]),
  route('retry', [
    { matches: [path('/codes')], retry: { codes: [503, 504], attempts: 3 }, ...only('v1') },
    { matches: [path('/other')], retry: { codes: [504], attempts: 3 }, ...only('v1') },
    {
      matches: [path('/slow')],
      retry: { codes: [504], attempts: 2, backoff: '10ms' },
      timeouts: { backendRequest: '150ms', request: '2s' },
      ...only('v1'),
    },
    {
      matches: [path('/dead')],
      retry: { attempts: 3 },
      backendRefs: [to('half-dead')],
    },
  ]),
  ...kubernetesService('half-dead', [v1!.port, await freePort()]),
  route('cors', [
    {
      filters: [
        {
          type: 'CORS',
          cors: {
            allowOrigins: ['https://a.example', 'https://*.b.example'],
            allowMethods: ['GET', 'PUT'],
            allowHeaders: ['x-one'],
            exposeHeaders: ['x-two'],
            allowCredentials: true,
            maxAge: 600,
          },
        },
      ],
      ...only('v1'),
    },
  ]),
  route('own', [
    {
      matches: [path('/a')],
      backendRefs: [
        to('v1', {
          weight: 3,
          filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'one.test' } }],
        }),
        to('v2', {
          weight: 1,
          filters: [
            {
              type: 'URLRewrite',
              urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } },
            },
          ],
        }),
      ],
    },
    {
      matches: [path('/moved')],
      backendRefs: [
        to('v1', {
          filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'new.test' } }],
        }),
      ],
    },
  ]),
);

let h2cVersion = '';
const h2c = createHttp2Server((incoming, outgoing) => {
  h2cVersion = incoming.httpVersion;
  outgoing.writeHead(200, { 'x-backend': 'h2c' });
  outgoing.end('{}');
});
await new Promise<void>((resolve) => h2c.listen(0, '127.0.0.1', resolve));
t.teardown(() => h2c.close());
const { port: h2cPort } = h2c.address() as { port: number };
const speaking = (name: string, at: number, appProtocol: string) =>
  kubernetesService(name, [at], { protocol: 'web', appProtocol });
scene.write(
  'protocols',
  ...speaking('h2c', h2cPort, 'kubernetes.io/h2c'),
  ...speaking('ws', v1!.port, 'kubernetes.io/ws'),
  route('protocols', [
    { matches: [path('/h2c')], ...only('h2c') },
    { matches: [path('/ws')], ...only('ws') },
  ]),
);

const pair = kubernetesService('pair', [v1!.port, v3!.port]);
scene.write(
  'sessions',
  ...pair,
  route('sessions', [
    {
      matches: [path('/cookie')],
      sessionPersistence: {
        absoluteTimeout: '1h',
        cookie: { name: 'stick', path: '/cookie', lifetimeType: 'Permanent' },
      },
      ...only('pair'),
    },
    {
      matches: [path('/named')],
      sessionPersistence: { sessionName: 'old-name' },
      ...only('pair'),
    },
    {
      matches: [path('/header')],
      sessionPersistence: { type: 'Header', header: { name: 'x-session' } },
      ...only('pair'),
    },
    { matches: [path('/none')], ...only('pair') },
  ]),
);

await scene.serve();

t.test('matches, and which goes first', async (t) => {
  for (const [expected, url, options = {}] of table) {
    const found = await who(port, url, options);
    t.equal(
      String(found),
      expected,
      `${options.method ?? 'GET'} ${url} ${JSON.stringify(options)}`,
    );
  }
});

t.test('headers of requests, responses, and for one backend', async (t) => {
  const { seen } = await get('modify.test/request', { 'x-gone': '1', 'x-add': 'some', 'x-a': 'b' });
  t.equal(seen.headers['x-set'], '100% %REQ(x-a)%', 'the value stands as it is written');
  t.equal(seen.headers['x-add'], 'some, more');
  t.equal(seen.headers['x-gone'], undefined);
  const { headers } = await get('modify.test/response');
  t.match(headers, { 'x-attempt': 'set', 'x-more': 'added' });
  t.equal(headers['x-backend'], undefined);
  const answers = await often(60, () => get('modify.test/backend'));
  for (const { seen, headers } of answers) {
    const isV1 = headers['x-backend'] === 'v1';
    t.equal(seen.headers['x-for'], isV1 ? 'v1' : undefined);
    t.equal(headers['x-from'], isV1 ? undefined : 'v2');
  }
  t.strictSame(Object.keys(shares(answers)).sort(), ['v1', 'v2']);
});

t.test('rewrites', async (t) => {
  const rows: [string, string, string?][] = [
    ['rewrite.test/host/a?b=c', '/host/a?b=c', 'inner.test'],
    ['rewrite.test/full/a?b=c', '/a\\1b?b=c'],
    ['rewrite.test/prefix', '/new'],
    ['rewrite.test/prefix/a/b?c', '/new/a/b?c'],
    ['rewrite.test/prefix/', '/new/'],
    ['rewrite.test/strip', '/'],
    ['rewrite.test/strip/', '/'],
    ['rewrite.test/strip/a/b', '/a/b'],
    ['rewrite.test/slash/a', '/s/a'],
    ['rewrite.test/slash', '/s'],
    ['rewrite.test/other/a', '/all/other/a'],
  ];
  for (const [url, expected, host = 'rewrite.test'] of rows) {
    const { seen } = await get(url);
    t.strictSame([seen.url, seen.headers.host], [expected, host], url);
  }
});

t.test('redirects', async (t) => {
  const here = `redirect.test:${port}`;
  const rows: [string, number, string][] = [
    ['/host/a', 302, `http://new.test:${port}/host/a`],
    ['/code', 301, `http://new.test:${port}/code`],
    ['/303', 303, `http://new.test:${port}/303`],
    ['/307', 307, `http://new.test:${port}/307`],
    ['/308', 308, `http://new.test:${port}/308`],
    ['/scheme/a?b=c', 302, 'https://redirect.test/scheme/a?b=c'],
    ['/plain', 302, 'http://redirect.test/plain'],
    ['/port', 302, 'https://redirect.test:8443/port'],
    ['/default-port', 302, 'https://redirect.test/default-port'],
    ['/full/a', 302, `http://${here}/there`],
    ['/prefix', 302, `http://${here}/new`],
    ['/prefix/a', 302, `http://${here}/new/a`],
    ['/strip/a', 302, `http://${here}/a`],
    ['/strip', 302, `http://${here}/`],
  ];
  for (const [from, code, location] of rows) {
    const { status, headers } = await get(`redirect.test${from}`);
    t.strictSame([status, headers.location], [code, location], from);
  }
});

t.test('weights', async (t) => {
  const counts = shares(await often(500, () => get('weights.test/')));
  // 350 and 150, with a standard deviation of 10.
  t.ok(counts['v1']! > 295 && counts['v1']! < 405, JSON.stringify(counts));
  t.strictSame(Object.keys(counts).sort(), ['v1', 'v2'], 'a weight of 0 gets nothing');
});

t.test('backends that are none get a 500 for their share', async (t) => {
  const counts = shares(await often(200, () => get('broken.test/half')));
  t.strictSame(Object.keys(counts).sort(), ['500', 'v1']);
  t.ok(counts['500']! > 60 && counts['500']! < 140, JSON.stringify(counts));
  for (const from of ['/kind', '/port', '/none', '/zero', '/foreign']) {
    t.equal(await who(port, `broken.test${from}`), 500, from);
  }
  t.equal(await who(port, 'broken.test/granted'), 'v3', 'by a ReferenceGrant');
  t.strictSame(conditions(scene.status('HTTPRoute', 'broken')), [
    'Accepted=True(Accepted)',
    'ResolvedRefs=False(BackendNotFound)',
  ]);
  t.strictSame(scene.problems(), ['unresolved-ref HTTPRoute/broken spec.rules[0].backendRefs[1]']);
});

t.test('mirrors', async (t) => {
  const copies = (name: string, url: string) =>
    scene.backends.get(name)!.seen.filter((each) => each.url === url).length;
  const counts = shares(await often(20, () => get('mirror.test/all/1')));
  t.strictSame(counts, { v1: 20 });
  await often(400, () => get('mirror.test/some/1'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.strictSame([copies('v2', '/all/1'), copies('v3', '/all/1')], [20, 20], 'to both');
  // 100 and 200 of 400, with standard deviations of 9 and 10.
  const [quarter, half] = [copies('v2', '/some/1'), copies('v3', '/some/1')];
  t.ok(quarter > 50 && quarter < 150, `${quarter} of 400`);
  t.ok(half > 145 && half < 255, `${half} of 400`);
});

t.test('times', async (t) => {
  const wait = (ms: number) => ({ 'x-wait': String(ms) });
  t.equal((await get('times.test/request', wait(600))).status, 504);
  t.equal((await get('times.test/request', wait(0))).status, 200);
  t.equal((await get('times.test/backend', wait(600))).status, 504);
  t.equal((await get('times.test/off', wait(600))).status, 200);
});

t.test('retries', async (t) => {
  const tries = (id: string) => v1!.seen.filter((each) => each.headers['x-id'] === id).length;
  const failing = (id: string, times: number) => ({ 'x-id': id, 'x-fail-first': String(times) });
  t.equal((await get('retry.test/codes', failing('a', 2))).status, 200);
  t.equal(tries('a'), 3);
  t.equal((await get('retry.test/codes', failing('b', 9))).status, 503);
  t.equal(tries('b'), 4, 'three more than the first');
  t.equal((await get('retry.test/other', failing('c', 9))).status, 503);
  t.equal(tries('c'), 1, 'another code');
  const slow = await get('retry.test/slow', { 'x-id': 'd', 'x-wait': '500' });
  t.equal(slow.status, 504);
  t.equal(tries('d'), 3, 'each try has its time, and is tried again when that is over');
  for (let i = 0; i < 20; i++) t.equal((await get('retry.test/dead')).status, 200, 'elsewhere');
});

t.test('CORS', async (t) => {
  const preflight = (origin: string) =>
    call(port, 'cors.test/', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT' },
    });
  for (const origin of ['https://a.example', 'https://x.y.b.example']) {
    const { status, headers } = await preflight(origin);
    t.equal(status, 200);
    t.match(headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-one',
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '600',
    });
  }
  const refused = await preflight('https://b.example.evil');
  t.equal(refused.headers['access-control-allow-origin'], undefined);
  const { headers } = await get('cors.test/', { origin: 'https://a.example' });
  t.match(headers, {
    'access-control-allow-origin': 'https://a.example',
    'access-control-expose-headers': 'x-two',
  });
  const other = await get('cors.test/', { origin: 'https://c.example' });
  t.equal(other.headers['access-control-allow-origin'], undefined);
});

t.test('filters of one backend that clusters have not: rewrites and redirects', async (t) => {
  const answers = await often(400, () => get('own.test/a/x'));
  for (const { headers, seen } of answers) {
    const expected = headers['x-backend'] === 'v1' ? ['/a/x', 'one.test'] : ['/b/x', 'own.test'];
    t.strictSame([seen.url, seen.headers.host], expected);
  }
  const counts = shares(answers);
  // 300 and 100, with a standard deviation of 9.
  t.ok(counts['v1']! > 250 && counts['v1']! < 350, JSON.stringify(counts));
  const moved = await get('own.test/moved');
  t.strictSame([moved.status, moved.headers.location], [302, `http://new.test:${port}/moved`]);
});

t.test('sessions, by cookie and by header', async (t) => {
  const backends = async (url: string, headers?: Record<string, string>) => {
    const found = new Set<string>();
    for (let i = 0; i < 12; i++) found.add(String(await who(port, url, { headers })));
    return [...found].sort();
  };
  t.strictSame(await backends('sessions.test/none'), ['v1', 'v3']);
  const first = await get('sessions.test/cookie');
  const [cookie = ''] = first.headers['set-cookie'] ?? [];
  t.match(cookie, /^stick="[^"]+"; Max-Age=3600; Path=\/cookie; HttpOnly$/);
  const sent = { cookie: cookie.split(';')[0]! };
  t.strictSame(await backends('sessions.test/cookie', sent), [first.headers['x-backend']]);
  const named = await get('sessions.test/named');
  t.match(named.headers['set-cookie']?.[0], /^old-name="[^"]+"; Path=\/; HttpOnly$/);
  const { headers } = await get('sessions.test/header');
  const again = { 'x-session': String(headers['x-session']) };
  t.strictSame(await backends('sessions.test/header', again), [headers['x-backend']]);
});

t.test('protocols of backends: HTTP/2 without TLS, WebSocket', async (t) => {
  t.equal(await who(port, 'protocols.test/h2c'), 'h2c');
  t.equal(h2cVersion, '2.0');
  const upgrade = { connection: 'upgrade', upgrade: 'websocket' };
  t.equal((await get('protocols.test/ws', upgrade)).status, 101);
  t.equal((await get('paths.test/exact', upgrade)).status, 101);
});

t.test('the status of the Gateway says that a router has it', async (t) => {
  const found = scene.status('Gateway.gateway.networking.k8s.io', 'web');
  t.match(found, {
    addresses: [{ type: 'IPAddress', value: scene.router.ip }],
    listeners: [{ name: 'http', attachedRoutes: 16 }],
  });
  t.ok(conditions(found).includes('Programmed=True(Programmed)'), JSON.stringify(found));
});
