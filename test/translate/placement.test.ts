// Priorities and weights of endpoints by hand-made lists: orders that the cases do not reach, and rounding.
import t from 'tap';
import type { Endpoint } from '../../src/mesh/endpoint.js';
import { parseLocality } from '../../src/mesh/make-endpoint.js';
import type { Locality } from '../../src/mesh/proxy.js';
import { group, localityMatches, type Placement, placed } from '../../src/translate/placement.js';
import { endpoint } from './listener-inputs.js';

/** `a/b/c key=value,key=value *weight`. */
function at(text: string): Endpoint {
  const [place = '', ...rest] = text.split(' ');
  const labels = rest.filter((each) => each.includes('=')).flatMap((each) => each.split(','));
  const weight = Number(rest.find((each) => each.startsWith('*'))?.slice(1) ?? 0);
  return {
    ...endpoint('10.0.0.1', 80),
    locality: parseLocality(place === '-' ? '' : place),
    labels: Object.fromEntries(labels.map((each) => each.split('='))),
    weight,
  };
}

const name = ({ region, zone, subzone }: Locality) =>
  [region, zone, subzone].filter((step) => step !== '').join('/') || '-';

/** `locality priority weight` of each group; the endpoints are given group by group. */
function seen(texts: readonly (readonly string[])[], placement: Placement): string[] {
  const groups = texts.map((each) => {
    const endpoints = each.map(at);
    return group((endpoints[0] as Endpoint).locality, endpoints);
  });
  return placed(groups, placement).map(
    ({ locality, priority, weight }) => `${name(locality)} ${priority} ${weight}`,
  );
}

t.test('by locality', async (t) => {
  const all = [['a/b/c'], ['a/b/d'], ['a/e'], ['f'], ['g'], ['-']];
  const here = parseLocality('a/b/c');
  t.strictSame(seen(all, { here }), [
    'a/b/c 0 1',
    'a/b/d 1 1',
    'a/e 2 1',
    'f 3 1',
    'g 3 1',
    '- 3 1',
  ]);
  t.strictSame(
    seen(all, { here: { ...here, next: 'g' } }),
    ['a/b/c 0 1', 'a/b/d 1 1', 'a/e 2 1', 'f 4 1', 'g 3 1', '- 4 1'],
    'one region goes before the others',
  );
  t.strictSame(
    seen(all, { here: { ...here, next: 'h' } }).slice(3),
    ['f 3 1', 'g 3 1', '- 3 1'],
    'nobody is in that region, and no priority is left out',
  );
  t.strictSame(seen([['f'], ['a/e']], { here }), ['f 1 1', 'a/e 0 1'], 'priorities begin at 0');
  const nowhere = parseLocality('');
  t.strictSame(seen([['-'], ['a']], { here: nowhere }), ['- 0 1', 'a 1 1']);
});

t.test('endpoints that name a zone alone are in the region of the client', async (t) => {
  const here = parseLocality('a/b/c');
  t.strictSame(seen([['/b'], ['/e'], ['f']], { here }), ['b 0 1', 'e 1 1', 'f 2 1']);
  const region = { region: 'a' };
  t.strictSame(seen([['/b'], ['f']], { region }), ['b 0 1', 'f 1 1']);
});

t.test('by labels', async (t) => {
  const labels = (...pairs: [string, string][]): Placement => ({ labels: pairs });
  const one = [['a x=1,y=1 *2', 'a x=1 *3', 'a y=1 *4', 'a *5']];
  t.strictSame(
    seen(one, labels(['x', '1'], ['y', '1'])),
    ['a 0 2', 'a 1 3', 'a 2 9'],
    'the first label that differs decides, and groups are split',
  );
  t.strictSame(seen(one, labels(['z', ''])), ['a 0 14'], 'neither has it');
  t.strictSame(seen(one, labels(['z', '1'])), ['a 0 14'], 'nobody has it: all are alike');
  const network: [string, string] = ['topology.istio.io/network', 'n'];
  const far = [['a topology.istio.io/network=n', 'a x=1', 'a topology.istio.io/network=n,x=1']];
  t.strictSame(
    seen(far, labels(network, ['x', '1'])),
    ['a 0 1', 'a 1 1', 'a 2 1'],
    'another network comes after all of the own one',
  );
  t.strictSame(
    seen(far, labels(['x', '1'], network)),
    ['a 0 1', 'a 1 1', 'a 2 1'],
    'only as the first label',
  );
});

t.test('by weights', async (t) => {
  const all = [['a/b *1'], ['a/c *2'], ['d *7'], ['e *1']];
  t.strictSame(
    seen(all, {
      weights: [
        ['a/*', 70],
        ['d', 30],
      ],
    }),
    ['a/b 0 24', 'a/c 0 47', 'd 0 30'],
    'shares are rounded up, others are left out',
  );
  t.strictSame(seen(all, { weights: [['*', 100]] }), ['a/b 0 10', 'a/c 0 19', 'd 0 64', 'e 0 10']);
  t.strictSame(seen(all, { weights: [['x', 100]] }), []);
  const most = 2 ** 32 - 1;
  const heavy = seen([[`a *${most}`, `a *${most}`]], { weights: [['a', 100]] });
  t.strictSame(heavy, ['a 0 100'], 'weights that overflow');
});

t.test('written localities', async (t) => {
  const place = parseLocality('a/b/c');
  for (const text of ['*', 'a', 'a/*', 'a/b', 'a/b/*', 'a/b/c']) {
    t.ok(localityMatches(place, text), text);
  }
  for (const text of ['', 'b', 'a/c', 'a/c/*', 'a/b/d']) {
    t.notOk(localityMatches(place, text), text);
  }
});
