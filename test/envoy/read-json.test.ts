// ProtoJSON of users: what it becomes, and where mistakes are found.
import t from 'tap';
import { encodeJson, toJson, verify } from '../../src/envoy/codec.js';
import { readJson, TYPED_STRUCT } from '../../src/envoy/read-json.js';
import { CLUSTER, LISTENER, ROUTE } from '../../src/envoy/resource.js';

t.test('reads what the codec reads, to the same bytes', async (t) => {
  const json = {
    name: 'a',
    connectTimeout: '1.5s',
    lb_policy: 'RING_HASH',
    type: 'STRICT_DNS',
    respectDnsTtl: true,
    circuit_breakers: { thresholds: [{ priority: 'HIGH', maxConnections: 3 }] },
    metadata: { filterMetadata: { x: { a: 1, b: [true, 'c', { d: 'e' }] } } },
    ring_hash_lb_config: { minimum_ring_size: '1024' },
    typed_extension_protocol_options: {
      one: {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
        common_http_protocol_options: { idle_timeout: '3s' },
      },
    },
  };
  const { message, mistakes } = readJson(CLUSTER, json);
  t.strictSame(mistakes, []);
  t.strictSame(verify(CLUSTER, message), [], 'in the shape that translation uses');
  t.strictSame(toJson(CLUSTER, message), toJson(CLUSTER, encodeJson(CLUSTER, json)));
});

t.test('durations as Go writes them, which Istio takes in patches', async (t) => {
  const written = { '500ms': '0.500s', '1m30s': '90s', '0': '0s', '1.5us': '0.000001500s' };
  for (const [text, proto] of Object.entries(written)) {
    const { message, mistakes } = readJson(CLUSTER, { connect_timeout: text });
    t.strictSame(mistakes, []);
    t.strictSame(message, readJson(CLUSTER, { connect_timeout: proto }).message, text);
  }
});

t.test('default values of scalars are as good as absent, but for members of a oneof', async (t) => {
  const { message, defaults } = readJson(ROUTE, {
    name: '',
    validate_clusters: false,
    virtual_hosts: [{ require_tls: 'NONE', routes: [{ match: { prefix: '' } }] }],
  });
  t.strictSame(message, {
    validate_clusters: { value: false },
    virtual_hosts: [{ routes: [{ match: { prefix: '' } }] }],
  });
  t.strictSame(defaults, [['name']], 'items of lists are never merged with others');
});

t.test('a filter that a route disables, as Envoy documents it', async (t) => {
  const disabled = {
    '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
    config: {},
    disabled: true,
  };
  const { message, mistakes } = readJson(ROUTE, { typed_per_filter_config: { x: disabled } });
  t.strictSame(mistakes, []);
  const { config: _, ...rest } = disabled;
  t.strictSame(message, { typed_per_filter_config: { x: rest } });
});

const any = (type: string, fields: object = {}) => ({
  filter_chains: [
    { filters: [{ typed_config: { '@type': `type.googleapis.com/${type}`, ...fields } }] },
  ],
});

t.test('mistakes have their place', async (t) => {
  const at = ['filter_chains', 0, 'filters', 0, 'typed_config'];
  const table: [object, (string | number)[], RegExp][] = [
    [{ nam: 'x' }, ['nam'], /no field nam/],
    [{ name: 5 }, ['name'], /string/],
    [{ traffic_direction: 'UP' }, ['traffic_direction'], /enum/],
    [{ listener_filters_timeout: '1d' }, ['listener_filters_timeout'], /duration/],
    [{ filter_chains: {} }, ['filter_chains'], /expected a list/],
    [{ filter_chains: [[]] }, ['filter_chains', 0], /expected FilterChain/],
    [
      { address: { socket_address: { port_value: 1, named_port: 'x' } } },
      ['address', 'socket_address', 'named_port'],
      /exclude each other/,
    ],
    [any('envoy.config.route.v3.Rout'), [...at, '@type'], /there is no type/],
    [any('envoy.config.filter.http.router.v2.Router'), [...at, '@type'], /API v2/],
    [{ filter_chains: [{ filters: [{ typed_config: {} }] }] }, at, /@type must be given/],
    [
      any('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', { bucket: {} }),
      [...at, 'bucket'],
      /no field bucket/,
    ],
  ];
  for (const [json, path, message] of table) {
    t.match(readJson(LISTENER, json).mistakes, [{ path, message }], JSON.stringify(json));
  }
});

t.test('what no proto here knows is left to Envoy', async (t) => {
  const { message, mistakes } = readJson(LISTENER, any('envoy.extensions.new.v3.New', { a: 1 }));
  t.match(mistakes, [{ kind: 'unknown-type' }]);
  t.match(message, {
    filter_chains: [
      {
        filters: [
          {
            typed_config: {
              '@type': TYPED_STRUCT,
              type_url: 'type.googleapis.com/envoy.extensions.new.v3.New',
              value: { fields: { a: { numberValue: 1 } } },
            },
          },
        ],
      },
    ],
  });
  t.strictSame(verify(LISTENER, message), []);
});
