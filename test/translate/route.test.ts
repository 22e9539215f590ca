// Every field of a VirtualService's http rules, one table row each: what of the Envoy route it decides. Expectations
// are Istio's documented behaviour (istio.io, VirtualService reference) in Envoy's words (route_components.proto).
import t from 'tap';
import type { RouteMatch } from '../../src/envoy/gen/types/envoy/config/route/v3/RouteMatch.js';
import type { HttpMatch, HttpRule } from '../../src/mesh/rules.js';
import { proxy, routesUnder, service, settings, suffix, to, withRule } from './route-inputs.js';

const a = `a.default.${suffix}`;
const b = `b.default.${suffix}`;
const multi = `multi.default.${suffix}`;
const zero = { seconds: 0, nanos: 0 };

t.test('match', async (t) => {
  const sensitive = { case_sensitive: { value: true } };
  const table: [string, HttpMatch, RouteMatch][] = [
    ['uri exact', { uri: { exact: '/x' } }, { path: '/x', ...sensitive }],
    ['uri prefix', { uri: { prefix: '/x' } }, { prefix: '/x', ...sensitive }],
    ['uri regex', { uri: { regex: '/x.*' } }, { safe_regex: { regex: '/x.*' }, ...sensitive }],
    [
      'ignoreUriCase',
      { uri: { prefix: '/x' }, ignoreUriCase: true },
      { prefix: '/x', case_sensitive: { value: false } },
    ],
    ['method', { method: { exact: 'PUT' } }, header(':method', { exact: 'PUT' })],
    ['authority', { authority: { prefix: 'a.' } }, header(':authority', { prefix: 'a.' })],
    [
      'scheme',
      { scheme: { regex: 'https?' } },
      header(':scheme', { safe_regex: { regex: 'https?' } }),
    ],
    ['header', { headers: { 'x-user': { exact: 'test' } } }, header('x-user', { exact: 'test' })],
    [
      'header presence',
      { headers: { 'x-user': {} } },
      { prefix: '/', ...sensitive, headers: [{ name: 'x-user', present_match: true }] },
    ],
    [
      'header regex * is presence',
      { headers: { 'x-user': { regex: '*' } } },
      { prefix: '/', ...sensitive, headers: [{ name: 'x-user', present_match: true }] },
    ],
    [
      'all fields of a match, headers in order of their names',
      { method: { exact: 'GET' }, headers: { z: { exact: '1' }, b: { exact: '2' } } },
      {
        prefix: '/',
        ...sensitive,
        headers: [
          { name: 'b', string_match: { exact: '2' } },
          { name: 'z', string_match: { exact: '1' } },
          { name: ':method', string_match: { exact: 'GET' } },
        ],
      },
    ],
    [
      'withoutHeaders: a missing header is an empty one',
      { withoutHeaders: { 'x-user': { exact: 'test' } } },
      {
        prefix: '/',
        ...sensitive,
        headers: [
          {
            name: 'x-user',
            string_match: { exact: 'test' },
            invert_match: true,
            treat_missing_header_as_empty: true,
          },
        ],
      },
    ],
    [
      'withoutHeaders presence',
      { withoutHeaders: { 'x-user': {} } },
      {
        prefix: '/',
        ...sensitive,
        headers: [{ name: 'x-user', present_match: true, invert_match: true }],
      },
    ],
    [
      'queryParams',
      { queryParams: { v: { exact: '2' }, debug: {} } },
      {
        prefix: '/',
        ...sensitive,
        query_parameters: [
          { name: 'debug', present_match: true },
          { name: 'v', string_match: { exact: '2' } },
        ],
      },
    ],
    [
      'claims of a JWT',
      { headers: { '@request.auth.claims[group][id]': { exact: 'x' } } },
      {
        prefix: '/',
        ...sensitive,
        dynamic_metadata: [
          {
            filter: 'envoy.filters.http.jwt_authn',
            path: [{ key: 'payload' }, { key: 'group' }, { key: 'id' }],
            value: {
              or_match: {
                value_matchers: [
                  { list_match: { one_of: { string_match: { exact: 'x' } } } },
                  { string_match: { exact: 'x' } },
                ],
              },
            },
          },
        ],
      },
    ],
    [
      'an empty prefix and an empty regex, which Envoy refuses in a string matcher',
      { headers: { a: { prefix: '' }, b: { regex: '' } } },
      {
        prefix: '/',
        ...sensitive,
        headers: [
          { name: 'a', string_match: { safe_regex: { regex: '.*' } } },
          { name: 'b', string_match: { exact: '' } },
        ],
      },
    ],
  ];
  for (const [title, match, expected] of table) {
    t.same(routesUnder([to(b, { match: [match] })])[0]?.match, expected, title);
  }
  t.same(routesUnder([to(b)])[0]?.match, { prefix: '/' }, 'no match');

  function header(name: string, string_match: object): RouteMatch {
    return { prefix: '/', ...sensitive, headers: [{ name, string_match }] };
  }
});

t.test('the order of routes', async (t) => {
  const paths = (http: HttpRule[], some = {}) =>
    routesUnder(http, some).map((route) => route.match?.path ?? route.match?.prefix);
  t.same(
    paths([
      to(b, { match: [{ uri: { exact: '/1' } }, { uri: { prefix: '/2' } }] }),
      to(b, { match: [{ uri: { exact: '/3' } }] }),
      to(b),
    ]),
    ['/1', '/2', '/3', '/'],
    'as written; a list of matches is "or"',
  );
  t.same(
    paths([
      to(b, {
        match: [{ uri: { exact: '/1' } }, { uri: { prefix: '/' } }, { uri: { exact: '/2' } }],
      }),
      to(b, { match: [{ uri: { exact: '/3' } }] }),
    ]),
    ['/1', '/'],
    'nothing after a match of everything',
  );
  t.same(
    paths([
      to(b, { match: [{ uri: { prefix: '/' }, headers: { x: {} } }] }),
      to(b, { match: [{ queryParams: { x: {} } }] }),
      to(b, { match: [{ uri: { exact: '/3' } }] }),
    ]),
    ['/', '/', '/3'],
    'headers and query parameters make a match less than everything',
  );
});

t.test('matches that are decided for the client', async (t) => {
  const table: [string, HttpMatch, boolean][] = [
    ['port', { port: 80 }, true],
    ['another port', { port: 81 }, false],
    ['source labels', { sourceLabels: { app: 'front' } }, true],
    ['some of the source labels missing', { sourceLabels: { app: 'front', v: '1' } }, false],
    ['source namespace', { sourceNamespace: 'default' }, true],
    ['another source namespace', { sourceNamespace: 'other' }, false],
    ['gateways with mesh', { gateways: ['ns/gw', 'mesh'] }, true],
    ['gateways without mesh', { gateways: ['ns/gw'] }, false],
    ['gateways override source labels', { gateways: ['mesh'], sourceLabels: { app: 'x' } }, true],
  ];
  const client = proxy({ labels: { app: 'front', other: 'y' } });
  for (const [title, match, applies] of table) {
    const found = routesUnder([to(b, { name: 'n', match: [match] })], { proxy: client });
    t.equal(found[0]?.name, applies ? 'n' : 'default', title);
  }
});

t.test('names, operation, origin', async (t) => {
  const [first, second, third] = routesUnder([
    to(b, { name: 'r', match: [{ name: 'm', uri: { prefix: '/x' }, statPrefix: 's' }] }),
    {
      match: [{ uri: { regex: '/y.*' } }],
      route: [
        { destination: { host: a }, weight: 1 },
        { destination: { host: b }, weight: 1 },
      ],
    },
    { directResponse: { status: 200 } },
  ]);
  t.equal(first?.name, 'r.m');
  t.equal(first?.stat_prefix, 's');
  t.same(first?.decorator, { operation: `${b}:80/x*` });
  t.same(first?.metadata, {
    filter_metadata: {
      istio: {
        fields: {
          config: {
            stringValue: '/apis/networking.istio.io/v1/namespaces/default/virtual-service/a-rule',
          },
        },
      },
    },
  });
  t.notOk(second && 'name' in second, 'no name was given');
  t.same(second?.decorator, { operation: 'a-rule:80/y.*' }, 'several destinations: the rule');
  t.same(third?.decorator, { operation: 'a-rule:80/*' });
});

t.test('destinations', async (t) => {
  const cluster = (http: HttpRule, services = [service('only', [7070])]) =>
    routesUnder([http], {}, services)[0]?.route?.cluster;
  const only = `only.default.${suffix}`;
  t.equal(cluster(to(b)), `outbound|80||${b}`);
  t.equal(cluster(to(multi)), `outbound|80||${multi}`, 'several ports: that of the listener');
  t.equal(cluster(to(only)), `outbound|7070||${only}`, 'the only port of the service');
  t.equal(
    cluster({ route: [{ destination: { host: multi, subset: 'v2', port: { number: 8080 } } }] }),
    `outbound|8080|v2|${multi}`,
    'as given',
  );
  t.equal(cluster(to('no.such.host')), 'outbound|80||no.such.host', 'unknown ones are named too');
  t.equal(
    cluster({ route: [{ destination: { host: b }, weight: 0 }] }),
    `outbound|80||${b}`,
    'a single destination needs no weight',
  );
  const weighted = routesUnder([
    {
      route: [
        { destination: { host: b, subset: 'v1' }, weight: 30 },
        { destination: { host: b, subset: 'v2' }, weight: 0 },
        { destination: { host: a }, weight: 90, headers: { request: { set: { host: 'c' } } } },
      ],
    },
  ])[0]?.route;
  t.same(
    weighted?.weighted_clusters,
    {
      clusters: [
        { name: `outbound|80|v1|${b}`, weight: { value: 30 } },
        { name: `outbound|80||${a}`, weight: { value: 90 }, host_rewrite_literal: 'c' },
      ],
    },
    'those without a weight get nothing; the sum need not be 100',
  );
  t.equal(
    cluster({ route: [{ destination: { host: b } }, { destination: { host: a } }] }),
    'BlackHoleCluster',
    'no weights at all must not spoil the whole configuration',
  );
});

t.test('redirect', async (t) => {
  const table: [string, NonNullable<HttpRule['redirect']>, object][] = [
    [
      'uri and authority',
      { uri: '/n', authority: 'h' },
      { host_redirect: 'h', path_redirect: '/n' },
    ],
    ['prefixRewrite', { uri: '/n', prefixRewrite: '/p' }, { prefix_rewrite: '/p' }],
    ['scheme', { scheme: 'https' }, { scheme_redirect: 'https' }],
    ['port', { port: 8443 }, { port_redirect: 8443 }],
    ['port of the scheme', { port: 443, scheme: 'https' }, { scheme_redirect: 'https' }],
    ['port of plain HTTP', { port: 80 }, {}],
    [
      'port 80 of https',
      { port: 80, scheme: 'https' },
      { scheme_redirect: 'https', port_redirect: 80 },
    ],
    [
      'port of the request',
      { derivePort: 'FROM_REQUEST_PORT', scheme: 'https' },
      { scheme_redirect: 'https', port_redirect: 80 },
    ],
    ['port of the protocol', { derivePort: 'FROM_PROTOCOL_DEFAULT' }, {}],
    ['code 301', { redirectCode: 301 }, {}],
    ['code 302', { redirectCode: 302 }, { response_code: 'FOUND' }],
    ['code 303', { redirectCode: 303 }, { response_code: 'SEE_OTHER' }],
    ['code 307', { redirectCode: 307 }, { response_code: 'TEMPORARY_REDIRECT' }],
    ['code 308', { redirectCode: 308 }, { response_code: 'PERMANENT_REDIRECT' }],
  ];
  for (const [title, redirect, expected] of table) {
    const route = routesUnder([{ redirect }])[0];
    t.same(route?.redirect, expected, title);
    t.notOk(route && 'route' in route);
  }
});

t.test('directResponse', async (t) => {
  const found = (response: HttpRule['directResponse']) =>
    routesUnder([{ directResponse: response }])[0]?.direct_response;
  t.same(found({ status: 503 }), { status: 503 });
  t.same(found({ status: 200, body: { string: 'hi' } }), {
    status: 200,
    body: { inline_string: 'hi' },
  });
  t.same(found({ status: 200, body: { bytes: 'aGk=' } }), {
    status: 200,
    body: { inline_bytes: Buffer.from('hi') },
  });
});

t.test('what is done to a request', async (t) => {
  const action = (http: Partial<HttpRule>) => routesUnder([to(b, http)])[0]?.route;
  t.match(action({ rewrite: { uri: '/new' } }), { prefix_rewrite: '/new' });
  t.match(action({ rewrite: { authority: 'h' } }), { host_rewrite_literal: 'h' });
  t.match(action({ rewrite: { uriRegexRewrite: { match: '/(.*)', rewrite: '/v1/\\1' } } }), {
    regex_rewrite: { pattern: { regex: '/(.*)' }, substitution: '/v1/\\1' },
  });
  t.match(action({}), { timeout: zero, max_grpc_timeout: zero }, 'no time-out');
  const second = { seconds: 1, nanos: 500_000_000 };
  t.match(action({ timeout: 1500 }), { timeout: second, max_grpc_timeout: second });
  t.match(
    action({ headers: { request: { set: { Host: 'set' }, add: { ':authority': 'add' } } } }),
    { host_rewrite_literal: 'set' },
  );
  t.match(
    action({ headers: { request: { set: { host: 'h' } } }, rewrite: { authority: 'rewrite' } }),
    { host_rewrite_literal: 'rewrite' },
    'rewrite goes before headers',
  );
});

t.test('mirror', async (t) => {
  const mirrors = (http: Partial<HttpRule>) =>
    routesUnder([to(b, http)])[0]?.route?.request_mirror_policies?.map(
      (policy) =>
        `${policy.cluster} ${Object.values(policy.runtime_fraction?.default_value ?? {}).join(' ')}`,
    );
  const mirror = { host: a };
  t.same(mirrors({ mirror }), [`outbound|80||${a} 100 HUNDRED`]);
  t.same(mirrors({ mirror, mirrorPercentage: { value: 0.5 } }), [`outbound|80||${a} 5000 MILLION`]);
  t.same(mirrors({ mirror, mirrorPercentage: { value: 0 } }), undefined, '0 is no mirror');
  t.same(mirrors({ mirror, mirrorPercent: 7 }), [`outbound|80||${a} 7 HUNDRED`]);
  t.same(mirrors({ mirror, mirror_percent: 0 }), undefined);
  t.same(
    mirrors({
      mirrors: [
        { destination: { host: a, subset: 'v1' } },
        { destination: { host: multi }, percentage: { value: 10 } },
        { destination: { host: multi }, percentage: { value: 0 } },
      ],
    }),
    [`outbound|80|v1|${a} 100 HUNDRED`, `outbound|80||${multi} 100000 MILLION`],
  );
  t.match(routesUnder([to(b, { mirror })])[0]?.route?.request_mirror_policies, [
    { trace_sampled: { value: false }, disable_shadow_host_suffix_append: true },
  ]);
});

t.test('headers', async (t) => {
  const [route] = routesUnder([
    {
      headers: {
        request: {
          set: { z: '1', a: '2', ':path': '/no' },
          add: { m: '3' },
          remove: ['q', 'Host'],
        },
        response: { add: { ':status': '500', r: '4' }, remove: ['s', ':status'] },
      },
      route: [
        {
          destination: { host: b },
          headers: { request: { set: { d: '5' } }, response: { remove: ['e'] } },
        },
      ],
    },
  ]);
  const option = (key: string, value: string, how: string) => ({
    header: { key, value },
    append_action: `${how}_IF_EXISTS_OR_ADD`,
  });
  t.same(
    route?.request_headers_to_add,
    [
      option('a', '2', 'OVERWRITE'),
      option('z', '1', 'OVERWRITE'),
      option('m', '3', 'APPEND'),
      option('d', '5', 'OVERWRITE'),
    ],
    'those of the destination last',
  );
  t.same(route?.request_headers_to_remove, ['q'], 'Host cannot be removed');
  t.same(route?.response_headers_to_add, [option('r', '4', 'APPEND')], 'no pseudo headers');
  t.same(route?.response_headers_to_remove, ['s', 'e']);
  const [bare] = routesUnder([to(b)]);
  t.notOk(bare && 'request_headers_to_add' in bare);
  const [weighted] = routesUnder([
    {
      route: [
        { destination: { host: b }, weight: 1, headers: { response: { set: { v: '1' } } } },
        { destination: { host: a }, weight: 1 },
      ],
    },
  ]);
  t.same(
    weighted?.route?.weighted_clusters?.clusters?.map((cluster) => cluster.response_headers_to_add),
    [[option('v', '1', 'OVERWRITE')], undefined],
    'per destination',
  );
});

t.test('retries', async (t) => {
  const policy = (retries: HttpRule['retries'], some = {}) =>
    routesUnder([to(b, { retries })], some)[0]?.route?.retry_policy;
  const defaultOn = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
  t.match(policy(undefined), {
    num_retries: { value: 2 },
    retry_on: defaultOn,
    host_selection_retry_max_attempts: 5,
    retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
  });
  t.equal(policy({ attempts: 0 }), undefined, '0 is off');
  t.equal(policy({ perTryTimeout: 1000 }), undefined, 'no attempts is 0 attempts');
  t.match(policy({ attempts: 3, perTryTimeout: 250, backoff: 10 }), {
    num_retries: { value: 3 },
    retry_on: defaultOn,
    per_try_timeout: { seconds: 0, nanos: 250_000_000 },
    retry_back_off: { base_interval: { seconds: 0, nanos: 10_000_000 } },
  });
  const on = (retryOn: string) => {
    const found = policy({ attempts: 1, retryOn });
    return [found?.retry_on, found?.retriable_status_codes];
  };
  t.same(on('5xx, reset'), ['5xx,reset', undefined]);
  t.same(on('503,gateway-error,429'), ['gateway-error,retriable-status-codes', [503, 429]]);
  t.same(on('retriable-status-codes,503'), ['retriable-status-codes', [503]]);
  t.same(on('503'), ['retriable-status-codes', [503]]);
  t.match(policy({ attempts: 1, retryRemoteLocalities: true }), {
    retry_priority: {
      name: 'envoy.retry_priorities.previous_priorities',
      typed_config: { update_frequency: 2 },
    },
  });
  t.equal(
    policy({ attempts: 1, retryIgnorePreviousHosts: false })?.retry_host_predicate,
    undefined,
  );
  const meshDefault = settings({ config: { defaultHttpRetryPolicy: { attempts: 7 } } });
  t.match(policy(undefined, { settings: meshDefault }), { num_retries: { value: 7 } });
  t.match(policy({ attempts: 1 }, { settings: meshDefault }), { num_retries: { value: 1 } });
  const off = settings({ config: { defaultHttpRetryPolicy: { attempts: 0 } } });
  t.equal(policy(undefined, { settings: off }), undefined);
});

t.test('fault', async (t) => {
  const fault = (http: HttpRule['fault']) =>
    routesUnder([to(b, { fault: http })])[0]?.typed_per_filter_config;
  t.same(
    fault({
      delay: { fixedDelay: 5000, percentage: { value: 0.1 } },
      abort: { httpStatus: 503, percentage: { value: 100 } },
    }),
    {
      'envoy.filters.http.fault': {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
        delay: {
          fixed_delay: { seconds: 5, nanos: 0 },
          percentage: { numerator: 1000, denominator: 'MILLION' },
        },
        abort: { http_status: 503, percentage: { numerator: 1_000_000, denominator: 'MILLION' } },
      },
    },
  );
  const found = (http: HttpRule['fault']) => fault(http)?.['envoy.filters.http.fault'];
  t.match(found({ abort: { grpcStatus: 'UNAVAILABLE', percentage: { value: 50 } } }), {
    abort: { grpc_status: 14, percentage: { numerator: 500_000 } },
  });
  t.match(found({ delay: { fixedDelay: 1, percent: 20 } }), {
    delay: { percentage: { numerator: 20, denominator: 'HUNDRED' } },
  });
  t.match(
    found({ delay: { fixedDelay: 1 }, abort: { httpStatus: 400 } }),
    { delay: { percentage: { numerator: 0 } }, abort: { percentage: { numerator: 0 } } },
    'without a percentage nothing is hit',
  );
  t.equal(fault({ abort: { http2Error: 'x' } }), undefined);
});

t.test('corsPolicy, beside a fault', async (t) => {
  const [route] = routesUnder([
    to(b, {
      fault: { abort: { httpStatus: 500 } },
      corsPolicy: {
        allowOrigins: [{ exact: 'https://x' }, { prefix: 'https://' }, { regex: '.*y' }],
        allowMethods: ['GET', 'PUT'],
        allowHeaders: ['x-a', 'x-b'],
        exposeHeaders: ['x-c'],
        maxAge: 86_400_000,
        allowCredentials: false,
        unmatchedPreflights: 'IGNORE',
      },
    }),
  ]);
  const perFilter = route?.typed_per_filter_config ?? {};
  t.same(Object.keys(perFilter), ['envoy.filters.http.fault', 'envoy.filters.http.cors']);
  t.same(perFilter['envoy.filters.http.cors'], {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
    allow_origin_string_match: [
      { exact: 'https://x' },
      { prefix: 'https://' },
      { safe_regex: { regex: '.*y' } },
    ],
    allow_methods: 'GET,PUT',
    allow_headers: 'x-a,x-b',
    expose_headers: 'x-c',
    max_age: '86400',
    allow_credentials: { value: false },
    filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
    forward_not_matching_preflights: { value: false },
  });
  const [old] = routesUnder([to(b, { corsPolicy: { allowOrigin: ['*'] } })]);
  t.match(old?.typed_per_filter_config?.['envoy.filters.http.cors'], {
    allow_origin_string_match: [{ exact: '*' }],
    forward_not_matching_preflights: { value: true },
  });
});

t.test('consistent hash of the destination', async (t) => {
  const header = (httpHeaderName: string) => ({
    loadBalancer: { consistentHash: { httpHeaderName } },
  });
  const view = withRule(service('b', [80, 8080]), {
    trafficPolicy: {
      ...header('host'),
      portLevelSettings: [{ port: { number: 8080 }, ...header('port') }],
    },
    subsets: [
      { name: 'v1', trafficPolicy: header('subset') },
      { name: 'v2' },
      {
        name: 'v3',
        trafficPolicy: {
          ...header('subset'),
          portLevelSettings: [{ port: { number: 8080 }, ...header('subset-port') }],
        },
      },
    ],
  });
  const hashed = (subset?: string, number?: number) =>
    routesUnder(
      [{ route: [{ destination: { host: b, subset, ...(number && { port: { number } }) } }] }],
      {},
      [view],
    )[0]?.route;
  t.same(hashed()?.hash_policy, [{ header: { header_name: 'host' } }]);
  t.same(hashed(undefined, 8080)?.hash_policy, [{ header: { header_name: 'port' } }]);
  t.same(hashed('v1', 8080)?.hash_policy, [{ header: { header_name: 'subset' } }]);
  t.same(hashed('v2', 8080)?.hash_policy, [{ header: { header_name: 'port' } }]);
  t.same(hashed('v3', 8080)?.hash_policy, [{ header: { header_name: 'subset-port' } }]);
  t.equal(
    hashed()?.retry_policy?.retry_host_predicate,
    undefined,
    'a retry stays with the host that the hash chose',
  );
  const policies = (hash: object) =>
    routesUnder([to(b)], {}, [
      withRule(service('b', [80]), { trafficPolicy: { loadBalancer: { consistentHash: hash } } }),
    ])[0]?.route?.hash_policy;
  t.same(
    policies({
      httpCookie: {
        name: 'c',
        ttl: 0,
        path: '/p',
        attributes: [{ name: 'SameSite', value: 'Lax' }],
      },
    }),
    [
      {
        cookie: {
          name: 'c',
          ttl: zero,
          path: '/p',
          attributes: [{ name: 'SameSite', value: 'Lax' }],
        },
      },
    ],
  );
  t.same(policies({ httpCookie: { name: 'c' } }), [{ cookie: { name: 'c' } }]);
  t.same(policies({ useSourceIp: true }), [{ connection_properties: { source_ip: true } }]);
  t.same(policies({ httpQueryParameterName: 'q' }), [{ query_parameter: { name: 'q' } }]);
  t.same(policies({ useSourceIp: false }), undefined);
});
