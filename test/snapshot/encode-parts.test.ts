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
    t.ok(
      encodeInParts(ROUTE, message).bytes.equals(encode(ROUTE, message)),
      `${count} virtual hosts`,
    );
    const { name, virtual_hosts } = message;
    t.ok(encodeInParts(ROUTE, { virtual_hosts }).bytes.equals(encode(ROUTE, { virtual_hosts })));
    t.ok(encodeInParts(ROUTE, { name }).bytes.equals(encode(ROUTE, { name })));
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
  t.ok(encodeInParts(ROUTE, edited).bytes.includes('other'));
  t.equal(read, 0, 'the new one has a plain copy of its domains; others were not looked at');
});

t.test('parts in any order and among others, whatever they were a part of before', async (t) => {
  const hosts = Array.from({ length: 12 }, (_, i) => virtualHost(i));
  const extra = virtualHost(50);
  const lists = [
    hosts,
    hosts,
    hosts.toSpliced(3, 1),
    hosts.toSpliced(3, 1, extra),
    hosts.toReversed(),
    [extra, ...hosts, extra],
    [...hosts.slice(0, 5), ...hosts.slice(7), hosts[0]!],
    hosts,
  ];
  const versions = new Map<string, string>();
  for (const virtual_hosts of lists) {
    const message = { name: '80', virtual_hosts, validate_clusters: { value: true } };
    const { bytes, version } = encodeInParts(ROUTE, message);
    const expected = encode(ROUTE, message);
    t.ok(bytes.equals(expected));
    const text = expected.toString('latin1');
    t.equal(version, versions.get(text) ?? version, 'one version for one content');
    versions.set(text, version);
    const copy = structuredClone(message);
    t.equal(encodeInParts(ROUTE, copy).version, version, 'whatever objects it is made of');
  }
  t.equal(new Set(versions.values()).size, versions.size, 'and another one for another');
  const named = encodeInParts(ROUTE, { name: '81', virtual_hosts: hosts }).version;
  t.not(named, encodeInParts(ROUTE, { name: '82', virtual_hosts: hosts }).version);
});
