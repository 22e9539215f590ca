// Plain objects are written as protobufjs writes the messages that it makes of them.
import protobuf from 'protobufjs/light.js';
import t from 'tap';
import { requireType } from '../../src/envoy/codec.js';
import { encodePlain } from '../../src/envoy/encode-plain.js';
import { CLUSTER, LISTENER, ROUTE } from '../../src/envoy/resource.js';

const lookup = (name: string) => {
  const { root } = requireType(CLUSTER);
  const found = root.lookup(`.${name}`);
  return found instanceof protobuf.Type ? found : undefined;
};
const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const options = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const messages: readonly [what: string, typeUrl: string, message: object][] = [
  ['nothing', CLUSTER, {}],
  ['names of enums', CLUSTER, { name: 'a', type: 'EDS', lb_policy: 'LEAST_REQUEST' }],
  ['an enum of zero, by name and by number', CLUSTER, { type: 'STATIC', lb_policy: 0 }],
  ['an enum name that there is not', CLUSTER, { type: 'NONE_SUCH', name: 'a' }],
  [
    'fields in another order',
    CLUSTER,
    { lb_policy: 'RANDOM', connect_timeout: { nanos: 5, seconds: 1 }, name: 'a' },
  ],
  ['defaults', CLUSTER, { connect_timeout: { seconds: 0, nanos: 0 }, alt_stat_name: '' }],
  ['undefined and null', CLUSTER, { name: undefined, alt_stat_name: null, type: 'EDS' }],
  ['fields that there are not', CLUSTER, { name: 'a', none_such: { b: 1 } }],
  [
    'wrappers',
    CLUSTER,
    {
      max_requests_per_connection: { value: 0 },
      per_connection_buffer_limit_bytes: { value: 4294967295 },
    },
  ],
  ['doubles', CLUSTER, { common_lb_config: { healthy_panic_threshold: { value: 33.5 } } }],
  [
    'a map in the order of its keys',
    CLUSTER,
    {
      typed_extension_protocol_options: {
        b: { '@type': options },
        a: { '@type': options, use_downstream_protocol_config: {} },
      },
    },
  ],
  [
    'maps in maps, with numbers as keys',
    CLUSTER,
    {
      metadata: {
        filter_metadata: {
          istio: {
            fields: {
              b: { stringValue: 'x' },
              10: { boolValue: false },
              9: { numberValue: 0 },
              a: { nullValue: 'NULL_VALUE' },
            },
          },
        },
      },
    },
  ],
  [
    'an Any of bytes',
    LISTENER,
    {
      filter_chains: [
        {
          filters: [{ name: 'f', typed_config: { type_url: router, value: Buffer.from([8, 1]) } }],
        },
      ],
    },
  ],
  [
    'an empty Any',
    LISTENER,
    { filter_chains: [{ filters: [{ name: 'f', typed_config: { '@type': router } }] }] },
  ],
  [
    'an Any of an unknown type',
    LISTENER,
    {
      filter_chains: [
        { filters: [{ name: 'f', typed_config: { '@type': 'type.googleapis.com/none.Such' } }] },
      ],
    },
  ],
  [
    'lists, empty ones too',
    ROUTE,
    {
      name: 'r',
      virtual_hosts: [{ name: 'v', domains: ['*', ''], routes: [] }],
      internal_only_headers: [],
    },
  ],
  [
    'packed numbers',
    ROUTE,
    { virtual_hosts: [{ name: 'v', retry_policy: { retriable_status_codes: [503, 0, 504] } }] },
  ],
];

t.test('the same bytes as protobufjs', async (t) => {
  for (const [what, typeUrl, message] of messages) {
    const type = requireType(typeUrl);
    const expected = Buffer.from(type.encode(type.fromObject(message)).finish()).toString('hex');
    t.equal(Buffer.from(encodePlain(type, message, lookup)).toString('hex'), expected, what);
  }
});

t.test('a decoded message within a plain one', async (t) => {
  const type = requireType(CLUSTER);
  const decoded = lookup('google.protobuf.Duration')!.decode(Buffer.from('08057a0161', 'hex'));
  const message = { connect_timeout: decoded };
  const expected = Buffer.from(type.encode(type.fromObject(message)).finish()).toString('hex');
  t.equal(Buffer.from(encodePlain(type, message, lookup)).toString('hex'), expected);
});

t.test('one object several times is written as equal objects are', async (t) => {
  const type = requireType(ROUTE);
  const match = () => ({ prefix: '/', headers: [{ name: 'a', present_match: true }] });
  const shared = match();
  const hosts = (matches: readonly object[]) => ({
    virtual_hosts: [{ name: 'v', routes: matches.map((each) => ({ match: each, name: 'r' })) }],
  });
  const apart = encodePlain(type, hosts([match(), match(), match(), {}, match()]), lookup);
  const together = hosts([shared, shared, shared, {}, shared]);
  t.ok(encodePlain(type, together, lookup).equals(apart));
  t.ok(encodePlain(type, together, lookup).equals(apart), 'and in the next message');
});

t.test('values of a wrong sort are an error', async (t) => {
  const type = requireType(CLUSTER);
  t.throws(() => encodePlain(type, { connect_timeout: 5 }, lookup), /connect_timeout/);
  t.throws(() => encodePlain(requireType(ROUTE), { virtual_hosts: {} }, lookup), /virtual_hosts/);
});
