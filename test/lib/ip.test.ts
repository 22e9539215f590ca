// Addresses and prefixes as text.
import t from 'tap';
import { ipFamily, isLoopback, parsePrefix, prefixKey } from '../../src/lib/ip.js';

t.test('families', async (t) => {
  const table = [
    ['10.0.0.1', 4],
    ['::1', 6],
    ['fd00::1', 6],
    ['10.0.0.0/8', 0],
    ['example.com', 0],
    ['', 0],
    ['010.0.0.1', 0],
  ] as const;
  for (const [text, family] of table) t.equal(ipFamily(text), family, text);
});

t.test('loopback', async (t) => {
  for (const text of ['127.0.0.1', '127.0.1.7', '::1', '0:0:0:0:0:0:0:1'])
    t.ok(isLoopback(text), text);
  for (const text of ['10.0.0.1', '::', '::2', 'localhost', '128.0.0.1'])
    t.notOk(isLoopback(text), text);
});

t.test('prefixes have their host bits cleared', async (t) => {
  const table = [
    ['10.1.2.3/8', '10.0.0.0', 8],
    ['10.1.2.3', '10.1.2.3', 32],
    ['10.1.2.3/32', '10.1.2.3', 32],
    ['192.168.255.255/20', '192.168.240.0', 20],
    ['1.2.3.4/0', '0.0.0.0', 0],
    ['fd00::1', 'fd00::1', 128],
    ['fd00:1:2::5/32', 'fd00:1:0:0:0:0:0:0', 32],
    ['::ffff:10.1.2.3/112', '0:0:0:0:0:ffff:a01:0', 112],
  ] as const;
  for (const [text, address, length] of table) {
    t.match(parsePrefix(text), { address, length }, text);
  }
  for (const text of ['10.0.0.0/33', 'fd00::/129', '10.0.0.0/x', '10.0.0.0/8/8', 'a/8', '/8', '']) {
    t.equal(parsePrefix(text), undefined, text);
  }
});

t.test('one key for one network', async (t) => {
  t.equal(prefixKey('10.1.2.3/8'), prefixKey('10.200.0.0/8'));
  t.not(prefixKey('10.0.0.0/8'), prefixKey('10.0.0.0/9'));
  t.equal(prefixKey('fd00::1/64'), prefixKey('fd00:0:0:0:ffff::/64'));
  t.not(prefixKey('0.0.0.0/0'), prefixKey('::/0'));
  t.equal(prefixKey('nothing'), undefined);
});
