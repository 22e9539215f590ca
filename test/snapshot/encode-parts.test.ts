// A message in parts has the bytes of the whole, and parts that are there again are not encoded again.
import t from 'tap';
import { encode } from '../../src/envoy/codec.js';
import { ROUTE } from '../../src/envoy/resource.js';
import { encodeInParts } from '../../src/snapshot/encode-parts.js';

const virtualHost = (i: number, timeout = '1.5s') => ({
  name: `service-${i}.default.svc.cluster.local:8080`,
  domains: [`service-${i}`, 'x'.repeat(i * 20)],
  routes: [
    {
      match: { prefix: '/' },
      route: { cluster: `outbound|8080||service-${i}`, timeout: { seconds: 1, nanos: i } },
      metadata: { filter_metadata: { b: { fields: {} }, a: { fields: {} } } },
      name: timeout,
    },
  ],
});

t.test('the bytes are those of the whole', async (t) => {
  for (const count of [0, 1, 8, 40]) {
    const message = {
      name: '8080',
      virtual_hosts: Array.from({ length: count }, (_, i) => virtualHost(i)),
      validate_clusters: { value: false },
      ignore_port_in_host_matching: true,
    };
    t.ok(encodeInParts(ROUTE, message).equals(encode(ROUTE, message)), `${count} virtual hosts`);
    const { name, virtual_hosts } = message;
    t.ok(encodeInParts(ROUTE, { virtual_hosts }).equals(encode(ROUTE, { virtual_hosts })));
    t.ok(encodeInParts(ROUTE, { name }).equals(encode(ROUTE, { name })));
  }
});

t.test('an edit encodes what it made anew', async (t) => {
  let read = 0;
  const counted = Array.from({ length: 10 }, (_, i) => {
    const host = virtualHost(i);
    return {
      ...host,
      get domains() {
        read++;
        return host.domains;
      },
    };
  });
  encodeInParts(ROUTE, { name: 'a', virtual_hosts: counted });
  t.ok(read > 0);
  read = 0;
  const edited = { name: 'a', virtual_hosts: counted.with(3, { ...counted[3]!, name: 'other' }) };
  read = 0;
  t.ok(encodeInParts(ROUTE, edited).includes('other'));
  t.equal(read, 0, 'the new one has a plain copy of its domains; others were not looked at');
});
