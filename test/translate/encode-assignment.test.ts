// The bytes that are written straight from endpoints are those of the message.
import fc from 'fast-check';
import t from 'tap';
import { decode, encode } from '../../src/envoy/codec.js';
import { ENDPOINT } from '../../src/envoy/resource.js';
import type { Endpoint } from '../../src/mesh/endpoint.js';
import { Assignment } from '../../src/translate/load-assignments.js';

const locality = fc.constantFrom(
  { region: '', zone: '', subzone: '' },
  { region: 'eu', zone: 'eu-1', subzone: '' },
  { region: 'us', zone: 'us-1', subzone: 'a' },
);
const long = 'x'.repeat(100);
const labels = fc.constantFrom<Endpoint['labels']>(
  {},
  { app: 'a' },
  { app: long, version: 'v1' },
  { version: 'v2' },
);

const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  hostname: fc.constant(''),
  address: fc.constantFrom('10.0.0.1', '2001:db8::1', '', 'name.test', '/run/socket', `/${long}`),
  port: fc.constantFrom(0, 1, 80, 65_535),
  unixSocket: fc.boolean(),
  labels,
  locality,
  weight: fc.constantFrom(0, 1, 2, 300, 2 ** 32 - 1),
  healthy: fc.boolean(),
  network: fc.constant(''),
  namespace: fc.constantFrom('a', long),
  serviceAccount: fc.constant(''),
  workloadName: fc.constantFrom('', 'w', 'wörk', long),
});

/** Runs of endpoints that differ in nothing but their address. */
const endpoints = fc
  .array(fc.tuple(endpoint, fc.integer({ min: 1, max: 3 })), { maxLength: 8 })
  .map((runs) =>
    runs.flatMap(([each, times]) =>
      Array.from({ length: times }, (_, i) => ({ ...each, port: each.port + i })),
    ),
  );

const filter = fc.constantFrom('[{},true]', '[{},false]', '[{"version":"v1"},true]');
const placement = fc.constantFrom(
  '',
  JSON.stringify({ here: { region: 'eu', zone: 'eu-1', subzone: '', next: 'us' } }),
  JSON.stringify({ weights: [['eu/*', 80]] }),
);

t.test('the bytes of an assignment are those of its message', async (t) => {
  fc.assert(
    fc.property(endpoints, filter, placement, (all, filter, placement) => {
      const assignment = new Assignment('outbound|80||a.test', all, filter, placement);
      const [bytes, expected] = [encode(ENDPOINT, assignment), encode(ENDPOINT, assignment.make())];
      if (!bytes.equals(expected)) {
        t.strictSame(decode(ENDPOINT, bytes), decode(ENDPOINT, expected));
        throw new Error('other bytes');
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
