// Forms of values: durations, hosts, addresses, header values, expressions.
import t from 'tap';
import { headerValueProblem } from '../../src/kinds/header-check.js';
import { hostCovers, isAddressOrBlock, wildcardHostProblem } from '../../src/kinds/names.js';
import { regexProblem } from '../../src/kinds/regex-check.js';
import { nearest } from '../../src/kinds/suggest.js';
import { parseDurationMs } from '../../src/lib/duration.js';

// Go's time.ParseDuration is the model.
t.test('durations', async (t) => {
  const expected: Record<string, number | undefined> = {
    '0': 0,
    '0s': 0,
    '1.5s': 1500,
    '100ms': 100,
    '1h2m': 3_720_000,
    '1h2m3.5s4ms': 3_723_504,
    '.5s': 500,
    '1.s': 1000,
    '-2s': -2000,
    '+2s': 2000,
    '1.1s': 1100,
    '1us': 0.001,
    '1µs': 0.001,
    '5ns': 0.000005,
    '': undefined,
    '5': undefined,
    s: undefined,
    '1 s': undefined,
    '1d': undefined,
    '1S': undefined,
    '1e3s': undefined,
    '--1s': undefined,
    '1s2': undefined,
    '.s': undefined,
    '2562047h': 9_223_369_200_000,
    '2562048h': undefined,
  };
  for (const [text, ms] of Object.entries(expected)) t.equal(parseDurationMs(text), ms, text);
});

t.test('hosts', async (t) => {
  for (const host of ['a', 'a.b', 'a.b.', '*', '*.a.b', '*-a.b', '*a.b', 'A.b', '1a.b']) {
    t.equal(wildcardHostProblem(host), undefined, host);
  }
  for (const host of ['', '.', 'a..b', '-a', 'a-', 'a_b', 'a.*', '*.*.a', 'a b', '1.2.3', 'a/b']) {
    t.ok(wildcardHostProblem(host), host);
  }
  t.ok(wildcardHostProblem(`${'a'.repeat(64)}.b`));
  t.ok(wildcardHostProblem('a.'.repeat(130)));
});

t.test('hosts that stand for others', async (t) => {
  t.ok(hostCovers('a.b', 'a.b'));
  t.ok(hostCovers('*', 'a.b'));
  t.ok(hostCovers('*.b', 'a.b'));
  t.ok(hostCovers('*.b', '*.a.b'));
  t.notOk(hostCovers('*.b', 'b'));
  t.notOk(hostCovers('*.a.b', '*.b'));
  t.notOk(hostCovers('a.b', '*.b'));
});

t.test('addresses', async (t) => {
  for (const text of ['1.2.3.4', '::1', '10.0.0.0/8', '0.0.0.0/0', 'fd00::/64']) {
    t.ok(isAddressOrBlock(text), text);
  }
  for (const text of ['', '1.2.3', '1.2.3.4/', '1.2.3.4/33', '1.2.3.4/-1', '::/129', '/8', 'a/8']) {
    t.notOk(isAddressOrBlock(text), text);
  }
});

// Envoy: a % is written %%, or begins and ends a command.
t.test('values of headers', async (t) => {
  const fine = ['', 'a', '100%%', '%PROTOCOL%', 'a %REQ(:path?x-y):10% b', '%START_TIME(%Y/%m)%'];
  fine.push('%UPSTREAM_METADATA(["a", "b%)"])%', '%DOWNSTREAM_REMOTE_ADDRESS%%%');
  for (const text of fine) t.equal(headerValueProblem(text), undefined, text);
  for (const text of ['%', '100%', '50% off, 10% more', '%REQ(a', '%REQ(a)', 'a\nb', '%%%']) {
    t.ok(headerValueProblem(text), text);
  }
});

// RE2's syntax page is the model.
t.test('expressions', async (t) => {
  const fine = [
    'a',
    '.*',
    '^/a/[^/]+$',
    '(?i)abc',
    '(?P<n>a)',
    '(?<n>a)',
    '(?:a|b)',
    'a{2,5}?',
    '\\d+',
  ];
  fine.push(
    '[[:alpha:]]+',
    '[]a]',
    '[^]a]',
    '\\pL',
    '\\p{Greek}',
    '\\Qa(b\\E',
    '\\x{10FFFF}',
    '\\x41',
  );
  fine.push('(?i:a)', '(?s-i:a)', '\\A\\w\\z', '\\.', '\\/', '[\\d-]', 'a{', 'x|', '\\101');
  for (const regex of fine) t.equal(regexProblem(regex), undefined, regex);
  const wrong = [
    '',
    '(',
    ')',
    '[a',
    'a**',
    '*',
    'a{2,1}',
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(?<!a)',
    '\\1',
  ];
  wrong.push('(a)\\1', '(?>a)', '(?#a)', 'a++', '\\', '\\y', '\\u0041', '\\Z', '(?P=n)', 'a{1001}');
  wrong.push('(?P<n', '(?z)', 'x'.repeat(1025), '\\k<n>');
  for (const regex of wrong) t.ok(regexProblem(regex), regex.slice(0, 20));
});

t.test('nearest words', async (t) => {
  const words = ['host', 'trafficPolicy', 'subsets', 'exportTo'];
  t.equal(nearest('hots', words), 'host');
  t.equal(nearest('traffic-policy', words), 'trafficPolicy');
  t.equal(nearest('TrafficPolicy', words), 'trafficPolicy');
  t.equal(nearest('subset', words), 'subsets');
  t.equal(nearest('gateway', words), undefined);
  t.equal(nearest('x'.repeat(1000), words), undefined);
});
