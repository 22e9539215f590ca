import t from 'tap';
import {
  compareSpecificity,
  hostCovers,
  hostIndex,
  mostSpecific,
  resolveGateway,
  resolveHost,
} from '../../src/mesh/host-name.js';

t.test('short names are services of the namespace of the rule', async (t) => {
  const table: [host: string, resolved: string][] = [
    ['reviews', 'reviews.prod.svc.cluster.local'],
    ['reviews.other', 'reviews.other'],
    ['reviews.other.svc', 'reviews.other.svc'],
    ['reviews.other.svc.cluster.local', 'reviews.other.svc.cluster.local'],
    ['example.com', 'example.com'],
    ['*.example.com', '*.example.com'],
    ['*', '*'],
    ['10.0.0.1', '10.0.0.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['', ''],
  ];
  for (const [host, resolved] of table) {
    t.equal(resolveHost(host, 'prod', 'cluster.local'), resolved, host);
  }
});

t.test('gateways', async (t) => {
  const table: [gateway: string, resolved: string][] = [
    ['mesh', 'mesh'],
    ['web', 'prod/web'],
    ['other/web', 'other/web'],
    ['web.other.svc.cluster.local', 'other/web'],
  ];
  for (const [gateway, resolved] of table) {
    t.equal(resolveGateway(gateway, 'prod'), resolved, gateway);
  }
});

t.test('wildcards', async (t) => {
  const table: [pattern: string, host: string, covers: boolean][] = [
    ['*', 'a.b', true],
    ['*', '*.b', true],
    ['*.b', 'a.b', true],
    ['*.b', 'x.a.b', true],
    ['*.b', 'b', false],
    ['*.b', 'a.c', false],
    ['*.b', '*.a.b', true],
    ['*.a.b', '*.b', false],
    ['a.b', '*.b', false],
    ['a.b', 'a.b', true],
  ];
  for (const [pattern, host, covers] of table) {
    t.equal(hostCovers(pattern, host), covers, `${pattern} ${host}`);
  }
});

t.test('the most specific pattern', async (t) => {
  const hosts = ['*', '*.com', 'a.com', '*.b.com', 'long.a.com'];
  t.strictSame(hosts.toSorted(compareSpecificity), [
    'long.a.com',
    'a.com',
    '*.b.com',
    '*.com',
    '*',
  ]);
  const index = hostIndex(new Map(hosts.map((host) => [host, host])));
  t.equal(mostSpecific(index, 'a.com'), 'a.com');
  t.equal(mostSpecific(index, 'x.b.com'), '*.b.com');
  t.equal(mostSpecific(index, 'c.com'), '*.com');
  t.equal(mostSpecific(index, 'x.org'), '*');
  t.equal(mostSpecific(index, '*.x.b.com'), '*.b.com');
});
