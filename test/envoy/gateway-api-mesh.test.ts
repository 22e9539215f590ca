// Routes of the Gateway API for traffic in the mesh (GAMMA), through the Envoys of two clients: the parent is a Service.
import t from 'tap';
import { api, conditions, GatewayApiScene } from './gateway-api-scene.js';
import { until } from './live-mesh.js';

const scene = await GatewayApiScene.start(['v1', 'v2', 'v3']);
const { fleet, mesh } = scene;
const to = (name: string) => [{ name, namespace: 'default', port: 8080 }];
const parentRefs = [{ group: '', kind: 'Service', name: 'v1', namespace: 'default' }];
const toHeaders = (value: string) => ({
  type: 'RequestHeaderModifier',
  requestHeaderModifier: { set: [{ name: 'x-route', value }] },
});
const path = (value: string) => [{ path: { value } }];

scene.write(
  'routes',
  api('HTTPRoute', 'producer', {
    parentRefs: [{ group: '', kind: 'Service', name: 'v1', port: 8080 }],
    rules: [
      { matches: path('/two'), filters: [toHeaders('producer')], backendRefs: to('v2') },
      {
        matches: path('/old'),
        filters: [
          {
            type: 'RequestRedirect',
            requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
          },
        ],
      },
      {
        matches: path('/away'),
        filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', port: 8443 } }],
      },
      {
        matches: path('/scheme'),
        filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }],
      },
      {
        matches: path('/backend'),
        backendRefs: [{ ...to('v2')[0], filters: [toHeaders('backend')] }],
      },
      {
        matches: path('/strip'),
        filters: [
          {
            type: 'URLRewrite',
            urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
          },
        ],
        backendRefs: to('v1'),
      },
      { matches: [{ queryParams: [{ name: 'v', value: '3' }] }], backendRefs: to('v3') },
      { matches: path('/none'), backendRefs: to('nobody') },
      { backendRefs: to('v1') },
    ],
  }),
  api(
    'HTTPRoute',
    'consumer',
    { parentRefs, rules: [{ filters: [toHeaders('consumer')], backendRefs: to('v3') }] },
    'other',
  ),
  api('HTTPRoute', 'lost', {
    parentRefs: [{ group: '', kind: 'Service', name: 'x' }],
    rules: [{}],
  }),
);
await mesh.startServer();
await mesh.sidecar(fleet.at(1), { name: 'here' });
await mesh.sidecar(fleet.at(2), { name: 'there', namespace: 'other' });
await mesh.synced(2);

const host = 'v1.default.svc.cluster.local';
const ask = async (via: string, path: string) => {
  const options = { via, port: 8080, path };
  const { status, headers } = await fleet.ask(host, options);
  return status === 200 ? headers['x-backend'] : status;
};

t.test(
  'routes of the namespace of the Service are for all, save where a client has its own',
  async (t) => {
    const here = (path: string) => ask(fleet.at(1), path);
    await until(5_000, async () => (await here('/two')) === 'v2');
    t.equal(await here('/two'), 'v2');
    t.equal(scene.backends.get('v2')!.seen.at(-1)?.headers['x-route'], 'producer');
    t.equal(await here('/?v=3'), 'v3');
    t.equal(await here('/'), 'v1');
    t.equal(await here('/old/a'), 302);
    const location = async (path: string) =>
      (await fleet.ask(host, { via: fleet.at(1), port: 8080, path })).headers.location;
    t.equal(await location('/old/a'), `http://${host}:8080/new/a`);
    t.equal(await location('/away'), `https://${host}:8443/away`);
    t.equal(await location('/scheme'), `https://${host}/scheme`);
    t.equal(await here('/backend'), 'v2');
    t.equal(scene.backends.get('v2')!.seen.at(-1)?.headers['x-route'], 'backend');
    t.equal(await here('/strip/a'), 'v1');
    t.equal(scene.backends.get('v1')!.seen.at(-1)?.url, '/a');
    t.equal(await here('/none'), 500);
    const there = (path: string) => ask(fleet.at(2), path);
    t.equal(await there('/two'), 'v3');
    t.equal(scene.backends.get('v3')!.seen.at(-1)?.headers['x-route'], 'consumer');
  },
);

t.test('what the routes are told', async (t) => {
  const of = (name: string, namespace?: string) =>
    conditions(scene.status('HTTPRoute', name, namespace));
  t.strictSame(of('producer'), ['Accepted=True(Accepted)', 'ResolvedRefs=False(BackendNotFound)']);
  t.strictSame(of('consumer', 'other'), [
    'Accepted=True(Accepted)',
    'ResolvedRefs=True(ResolvedRefs)',
  ]);
  t.strictSame(of('lost')[0], 'Accepted=False(NoMatchingParent)');
});
