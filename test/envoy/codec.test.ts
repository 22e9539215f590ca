// The codec: bytes that depend on content only, canonical ProtoJSON, and mistakes that fromObject passes over.
import t from 'tap';
import {
  decode,
  encode,
  encodeJson,
  findType,
  fromJson,
  toJson,
  verify,
} from '../../src/envoy/codec.js';
import { CLUSTER, ROUTE } from '../../src/envoy/resource.js';

const httpOptions = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const cluster = {
  name: 'outbound|80||a.b.svc',
  type: 'EDS',
  connect_timeout: { seconds: 1, nanos: 500_000_000 },
  circuit_breakers: { thresholds: [{ max_connections: { value: 7 } }] },
  outlier_detection: { consecutive_5xx: { value: 3 } },
  metadata: {
    filter_metadata: {
      z: { fields: { b: { stringValue: 'x' }, a: { numberValue: 1 } } },
      a: { fields: { t: { boolValue: true } } },
    },
  },
  typed_extension_protocol_options: {
    'envoy.http': {
      '@type': httpOptions,
      explicit_http_config: { http2_protocol_options: { max_concurrent_streams: { value: 5 } } },
    },
  },
};

t.test('canonical ProtoJSON, from a message and from its bytes', async (t) => {
  const json = {
    name: 'outbound|80||a.b.svc',
    type: 'EDS',
    connectTimeout: '1.500s',
    circuitBreakers: { thresholds: [{ maxConnections: 7 }] },
    outlierDetection: { consecutive5xx: 3 },
    metadata: { filterMetadata: { a: { t: true }, z: { a: 1, b: 'x' } } },
    typedExtensionProtocolOptions: {
      'envoy.http': {
        '@type': httpOptions,
        explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 5 } },
      },
    },
  };
  t.same(toJson(CLUSTER, cluster), json);
  t.same(toJson(CLUSTER, encode(CLUSTER, cluster)), json);
  t.same(encodeJson(CLUSTER, json), encode(CLUSTER, cluster));
  t.match(fromJson(CLUSTER, json), { connect_timeout: { nanos: 500_000_000 } });
  t.throws(() => fromJson(CLUSTER, { nmae: 'x' }), /nmae/);
  t.match(decode(CLUSTER, encode(CLUSTER, cluster)), { name: cluster.name, type: 3 });
});

t.test('maps are written in key order, also inside an Any', async (t) => {
  const perFilter = (keys: string[]) => ({
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        typed_per_filter_config: {
          x: {
            '@type': 'type.googleapis.com/envoy.config.core.v3.Metadata',
            filter_metadata: Object.fromEntries(
              keys.map((k) => [
                k,
                { fields: Object.fromEntries(keys.map((n) => [n, { stringValue: n }])) },
              ]),
            ),
          },
        },
      },
    ],
  });
  const one = encode(ROUTE, perFilter(['a', 'b', 'c']));
  t.same(encode(ROUTE, perFilter(['c', 'a', 'b'])), one);
  t.same(encode(ROUTE, decode(ROUTE, one)), one, 'decoded and encoded again');
});

t.test('verify finds what fromObject ignores', async (t) => {
  t.same(verify(CLUSTER, cluster), []);
  t.same(verify(CLUSTER, { name: 'x', nmae: 'y' }), ['Cluster.nmae: Cluster has no such field']);
  t.same(verify(CLUSTER, { connectTimeout: '1s' }), [
    'Cluster.connectTimeout: Cluster has no such field',
  ]);
  t.same(verify(CLUSTER, { type: 'EDSX' }), ['Cluster.type: DiscoveryType has no value "EDSX"']);
  t.match(verify(CLUSTER, { connect_timeout: '1s' }), [
    /Cluster.connect_timeout: expected a message Duration/,
  ]);
  t.match(verify(CLUSTER, { type: 'EDS', cluster_type: { name: 'x' } }), [
    /set together with type/,
  ]);
  t.match(verify(CLUSTER, { name: 5 }), [/expected a string/]);
  t.match(verify(CLUSTER, { max_requests_per_connection: { value: -1 } }), [
    /value: expected a number/,
  ]);
  const options = { explicit_http_config: { http3: {} } };
  t.same(
    verify(CLUSTER, {
      typed_extension_protocol_options: { k: { '@type': httpOptions, ...options } },
    }),
    [
      'Cluster.typed_extension_protocol_options["k"]<HttpProtocolOptions>.explicit_http_config.http3: ' +
        'ExplicitHttpConfig has no such field',
    ],
  );
  t.match(verify(CLUSTER, { typed_extension_protocol_options: { k: { '@type': 'x/a.B' } } }), [
    /no proto is loaded for x\/a.B/,
  ]);
});

t.test('type URLs', async (t) => {
  t.equal(findType('type.googleapis.com/no.such.Type'), undefined);
  t.equal(findType('type.googleapis.com/envoy.config'), undefined, 'a package is no type');
  t.equal(findType(''), undefined);
  t.throws(() => encode('type.googleapis.com/no.such.Type', {}), /no proto is loaded/);
});
