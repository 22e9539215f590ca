// Encoding once, sharing what did not change, versions by content, references, and differences.
import t from 'tap';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../../src/envoy/resource.js';
import { buildSnapshot, emptyTypeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { checkSnapshot } from '../../src/snapshot/check.js';
import { diffTypes } from '../../src/snapshot/diff.js';
import { encodeCounters, encodeResource } from '../../src/snapshot/encode.js';
import { selectNames, unionTypes } from '../../src/snapshot/select.js';
import { nameSet } from '../../src/xds/name-set.js';
import { snapshot } from '../xds/resources.js';

t.test('the same message, and the same content, are encoded to one object', async (t) => {
  const message = { name: 'once', type: 'STATIC' };
  const before = { ...encodeCounters };
  const first = encodeResource(CLUSTER, 'once', message);
  t.equal(encodeResource(CLUSTER, 'once', message), first);
  t.same(encodeCounters.encodings - before.encodings, 1);
  t.equal(encodeResource(CLUSTER, 'once', { ...message }), first, 'equal bytes');
  t.same(encodeCounters.sameBytes - before.sameBytes, 1);
  t.not(encodeResource(CLUSTER, 'another name', message), first);
  t.match(first.version, /^[0-9a-f]{16}$/);
});

t.test('versions depend on content only, not on order', async (t) => {
  const one = snapshot({ clusters: { a: 1, b: 1 } }).types.get(CLUSTER)!;
  const other = snapshot({ clusters: { b: 1, a: 1 } }).types.get(CLUSTER)!;
  t.equal(one.version, other.version);
  t.not(one.version, snapshot({ clusters: { a: 1, b: 2 } }).types.get(CLUSTER)!.version);
  t.not(one.version, snapshot({ clusters: { a: 1 } }).types.get(CLUSTER)!.version);
});

t.test('a snapshot shares what did not change with the one before', async (t) => {
  const world = { clusters: { a: 1 }, endpoints: { a: 1 } };
  const first = snapshot(world);
  t.equal(snapshot(world, first), first, 'nothing changed: the same object');
  const second = snapshot({ ...world, endpoints: { a: 2 } }, first);
  t.equal(second.types.get(CLUSTER), first.types.get(CLUSTER));
  t.not(second.types.get(ENDPOINT), first.types.get(ENDPOINT));
  t.not(buildSnapshot(new Map(), first), first, 'a type that went is a change');
});

t.test('differences are computed once for the same two states', async (t) => {
  const a = snapshot({ clusters: { x: 1, y: 1, z: 1 } }).types.get(CLUSTER)!;
  const b = snapshot({ clusters: { x: 1, y: 2, w: 1 } }).types.get(CLUSTER)!;
  const diff = diffTypes(a, b);
  t.same([[...diff.changed].map((r) => r.name), diff.removed], [['y', 'w'], ['z']]);
  t.equal(diffTypes(a, b), diff);
  t.equal(diffTypes(b, b).changed.length, 0);
  t.same(diffTypes(b, b).removed, []);
  t.equal(diffTypes(undefined, b).changed.length, 3);
});

t.test('selection and union', async (t) => {
  const a = snapshot({ clusters: { x: 1, y: 1 } }).types.get(CLUSTER)!;
  const b = snapshot({ clusters: { y: 2, z: 1 } }).types.get(CLUSTER)!;
  const both = unionTypes(a, b);
  t.same([...both.resources.keys()].sort(), ['x', 'y', 'z']);
  t.equal(both.resources.get('y'), b.resources.get('y'), 'the newer one');
  t.equal(unionTypes(a, b), both);
  t.equal(unionTypes(emptyTypeSnapshot, b), b, 'nothing is left over');
  t.equal(unionTypes(both, b).version, both.version);
  const names = nameSet(['x', 'none']);
  t.equal(nameSet(['none', 'x', 'x']), names, 'one object for one set');
  const view = selectNames(a, names);
  t.same([...view.resources.keys()], ['x']);
  t.equal(selectNames(a, names), view);
  t.not(view.version, selectNames(a, nameSet(['x'])).version, 'the missing name counts');
});

t.test('what is named must be there', async (t) => {
  t.same(
    checkSnapshot(
      snapshot({
        clusters: { a: 1 },
        endpoints: { a: 1 },
        listeners: { l: 1 },
        routes: { 'route-of-l': 1 },
      }),
    ),
    [],
  );
  t.same(
    checkSnapshot(snapshot({ clusters: { a: 1 }, endpoints: { b: 1 }, listeners: { l: 1 } })),
    [
      { code: 'missing', typeUrl: ENDPOINT, name: 'a', by: { typeUrl: CLUSTER, name: 'a' } },
      { code: 'missing', typeUrl: ROUTE, name: 'route-of-l', by: { typeUrl: LISTENER, name: 'l' } },
      { code: 'unused', typeUrl: ENDPOINT, name: 'b' },
    ],
  );
});

t.test(
  'references in routes, TCP proxies, TLS contexts and route tables inside listeners',
  async (t) => {
    const any = (type: string, fields: object) => ({
      '@type': `type.googleapis.com/${type}`,
      ...fields,
    });
    const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const weighted = (clusters: string[]) => ({
      route: {
        weighted_clusters: { clusters: clusters.map((name) => ({ name, weight: { value: 1 } })) },
      },
      match: { prefix: '/' },
    });
    const listener = {
      name: 'l',
      filter_chains: [
        {
          filters: [
            {
              name: 'tcp',
              typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
                stat_prefix: 'x',
                cluster: 'tcp-cluster',
              }),
            },
          ],
          transport_socket: {
            name: 'tls',
            typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
              common_tls_context: {
                tls_certificate_sds_secret_configs: [{ name: 'cert', sds_config: { ads: {} } }],
                validation_context_sds_secret_config: {
                  name: 'elsewhere',
                  sds_config: { path_config_source: { path: '/x' } },
                },
              },
            }),
          },
        },
        {
          filters: [
            {
              name: 'http',
              typed_config: any(hcm, {
                stat_prefix: 'x',
                route_config: {
                  virtual_hosts: [{ name: 'v', domains: ['*'], routes: [weighted(['w1', 'w2'])] }],
                },
              }),
            },
          ],
        },
      ],
    };
    const built = buildSnapshot(
      new Map<TypeUrl, Map<string, object>>([[LISTENER, new Map([['l', listener]])]]),
    );
    t.same(
      checkSnapshot(built).map((finding) => finding.name),
      ['tcp-cluster', 'cert', 'w1', 'w2'],
    );
    t.same(checkSnapshot(built, { elsewhere: new Set(['tcp-cluster', 'cert', 'w1', 'w2']) }), []);
  },
);
