// The admin API against a control plane made of plain data, by inject: shapes, filters, errors, readiness, the page.
import t from 'tap';
import { createAdminServer } from '../../src/admin/server.js';
import type { ControlPlaneState, ProxyStatus } from '../../src/status/state.js';

const proxy: ProxyStatus = {
  id: 'sidecar~10.0.0.1~web-1.default~default.svc.cluster.local',
  name: 'web-1',
  namespace: 'default',
  type: 'sidecar',
  address: '127.0.0.1:4',
  envoyVersion: '1.40.0',
  variant: 'delta',
  connectedMs: 1000,
  view: 'v',
  types: {
    CDS: {
      state: 'ERROR',
      sentVersion: 'b',
      ackedVersion: 'a',
      resources: 3,
      lastNack: {
        message: 'no such filter',
        timeMs: 5,
        resources: ['outbound|80||a.default.svc.cluster.local'],
        causes: [
          {
            kind: 'Service',
            namespace: 'default',
            name: 'a',
            position: { file: 'a.yaml', line: 1, col: 1 },
          },
        ],
      },
    },
  },
};

const state = (ready = true): ControlPlaneState => ({
  ready: () => ready,
  resources: ({ kind, name }) =>
    kind === 'Service' && (name ?? 'a') === 'a'
      ? [
          {
            kind: 'Service',
            namespace: 'default',
            name: 'a',
            apiVersion: 'v1',
            labels: {},
            annotations: {},
            spec: { ports: [{ port: 80 }] },
          },
        ]
      : [],
  problems: () => [
    {
      code: 'unknown-field',
      severity: 'error',
      message: 'x',
      position: { file: 'a.yaml', line: 3, col: 5 },
    },
    { code: 'no-effect', severity: 'info', message: 'y' },
  ],
  proxies: () => [proxy],
  proxy: (id) => (id === proxy.id || id === 'web-1' ? proxy : undefined),
  proxyConfiguration: (id) =>
    id === proxy.id
      ? {
          clusters: [{ name: 'c1' }, { name: 'c2' }],
          endpoints: [{ clusterName: 'c1' }],
          listeners: [],
          routes: [],
        }
      : undefined,
  generations: () => [{ id: 1, timeMs: 1, added: ['Service/default/a'], updated: [], removed: [] }],
});

async function server(options: { ready?: boolean; token?: string } = {}) {
  const app = await createAdminServer({
    state: state(options.ready),
    metrics: async () => ({
      contentType: 'text/plain; version=0.0.4',
      text: 'fairlead_generation 1\n',
    }),
    token: options.token,
    version: '1.2.3',
  });
  return async (url: string, method: 'GET' | 'POST' = 'GET', headers = {}) => {
    const { statusCode, body, headers: got } = await app.inject({ url, method, headers });
    return { status: statusCode, type: got['content-type'], json: () => JSON.parse(body), body };
  };
}

t.test('health, readiness and metrics stand outside the API', async (t) => {
  const get = await server();
  t.equal((await get('/healthz')).status, 200);
  t.equal((await get('/readyz')).status, 200);
  t.equal((await get('/metrics')).body, 'fairlead_generation 1\n');
  const early = await server({ ready: false });
  t.equal((await early('/healthz')).status, 200);
  t.equal((await early('/readyz')).status, 503);
});

t.test('lists are objects with items, and filters work', async (t) => {
  const get = await server();
  t.strictSame((await get('/api/v1/resources?kind=Service')).json().items[0].spec, {
    ports: [{ port: 80 }],
  });
  t.strictSame((await get('/api/v1/resources?kind=Nothing')).json().items, []);
  t.equal((await get('/api/v1/problems')).json().items.length, 2);
  const errors = (await get('/api/v1/problems?severity=error')).json().items;
  t.strictSame(
    errors.map((p: { position: object }) => p.position),
    [{ file: 'a.yaml', line: 3, col: 5 }],
  );
  t.equal((await get('/api/v1/generations')).json().items[0].id, 1);
});

t.test('nothing of a proxy is lost on the way out', async (t) => {
  const get = await server();
  t.strictSame((await get('/api/v1/proxies')).json().items, [proxy]);
  t.strictSame((await get(`/api/v1/proxies/${encodeURIComponent(proxy.id)}`)).json(), proxy);
  t.strictSame((await get('/api/v1/proxies/web-1')).json(), proxy);
});

t.test('configuration by type and name', async (t) => {
  const get = await server();
  const path = `/api/v1/proxies/${encodeURIComponent(proxy.id)}/config`;
  t.strictSame(Object.keys((await get(path)).json()), [
    'clusters',
    'endpoints',
    'listeners',
    'routes',
  ]);
  t.strictSame((await get(`${path}?type=clusters&name=c2`)).json(), { clusters: [{ name: 'c2' }] });
  t.strictSame((await get(`${path}?type=endpoints&name=c1`)).json(), {
    endpoints: [{ clusterName: 'c1' }],
  });
  t.equal((await get(`${path}?type=nonsense`)).status, 400);
});

t.test('what is not there is 404 with a message', async (t) => {
  const get = await server();
  for (const path of [
    '/proxies/nobody',
    '/proxies/nobody/config',
    '/resources/Service/default/b',
  ]) {
    const { status, json } = await get(`/api/v1${path}`);
    t.equal(status, 404, path);
    t.match(json().message, /^no (proxy|resource) /);
  }
});

t.test('OpenAPI describes every route', async (t) => {
  const get = await server();
  t.equal((await get('/docs/')).status, 200);
  const { paths, info } = (await get('/docs/json')).json();
  t.equal(info.version, '1.2.3');
  t.match(Object.keys(paths), [
    '/healthz',
    '/readyz',
    '/metrics',
    '/api/v1/resources',
    '/api/v1/resources/{kind}/{namespace}/{name}',
    '/api/v1/problems',
    '/api/v1/proxies',
    '/api/v1/proxies/{id}',
    '/api/v1/proxies/{id}/config',
    '/api/v1/generations',
  ]);
});

t.test('with a token, writes need it and reads do not', async (t) => {
  const send = await server({ token: 'secret' });
  t.equal((await send('/api/v1/proxies')).status, 200);
  t.equal((await send('/api/v1/anything', 'POST')).status, 401);
  t.equal((await send('/api/v1/anything', 'POST', { authorization: 'Bearer wrong' })).status, 401);
  t.equal((await send('/api/v1/anything', 'POST', { authorization: 'Bearer secret' })).status, 404);
});

t.test('before the first read the API does not pretend that all is well', async (t) => {
  const get = await server({ ready: false });
  for (const path of ['/problems', '/proxies', '/resources']) {
    const { status, json } = await get(`/api/v1${path}`);
    t.equal(status, 503, path);
    t.match(json().message, 'not been read yet');
  }
});
