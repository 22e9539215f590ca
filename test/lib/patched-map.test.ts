// A patched map is the map that it stands for, and two of one origin know what they differ in.
import t from 'tap';
import { changedKeys, keysId, patched, replacedRuns } from '../../src/lib/patched-map.js';

const value = (n: number) => ({ n });
const start = new Map<string, { n: number }>(
  Array.from({ length: 100 }, (_, i) => [`k${i}`, value(i)]),
);

void t.test('reads as a copy would', async (t) => {
  const change = value(-1);
  const map = patched(start, new Map([['k5', change]]));
  const copy = new Map(start).set('k5', change);
  t.strictSame([...map], [...copy], 'in the same order');
  t.strictSame([...map.values()], [...copy.values()]);
  t.strictSame([...map.keys()], [...copy.keys()]);
  t.equal(map.get('k5'), change);
  t.equal(map.get('k6'), start.get('k6'));
  t.equal(map.get('none'), undefined);
  t.equal(map.size, 100);
  t.equal(start.get('k5')?.n, 5, 'the origin is as it was');
  t.equal(patched(map, new Map()), map);
});

void t.test('knows what changed', async (t) => {
  const one = patched(start, new Map([['k1', value(-1)]]));
  const two = patched(one, new Map([['k2', value(-2)]]));
  t.strictSame(changedKeys(start, one), ['k1']);
  t.strictSame(changedKeys(one, two), ['k2']);
  t.strictSame(changedKeys(two, start), ['k1', 'k2']);
  const back = patched(two, new Map([['k1', start.get('k1')!]]));
  t.strictSame(changedKeys(start, back), ['k2'], 'a value of before is no change');
  t.equal(changedKeys(start, new Map(start)), undefined, 'nothing is known of another map');
  t.equal(keysId(two), keysId(start));
});

void t.test('many changes make a map of its own', async (t) => {
  let map: ReadonlyMap<string, { n: number }> = start;
  for (let i = 0; i < 100; i++) map = patched(map, new Map([[`k${i}`, value(-i)]]));
  t.equal(changedKeys(start, map), undefined);
  t.strictSame(
    [...map.values()].map(({ n }) => n),
    Array.from({ length: 100 }, (_, i) => -i),
  );
});

void t.test('runs of entries in place of others', async (t) => {
  const map = new Map(['a', 'b', 'c', 'd'].map((key, i) => [key, value(i)]));
  const other = value(9);
  const same = replacedRuns(map, [{ keys: ['b'], entries: [['b', other]] }]);
  t.strictSame([...(same ?? [])], [...new Map(map).set('b', other)]);
  t.strictSame(changedKeys(map, same ?? new Map()), ['b'], 'no copy');
  t.equal(replacedRuns(map, [{ keys: ['b'], entries: [['b', map.get('b')!]] }]), map);
  const runs = [
    { keys: ['a'], entries: [] },
    {
      keys: ['b', 'c'],
      entries: [
        ['b', other],
        ['x', other],
        ['c', other],
      ] as const,
    },
  ];
  t.strictSame([...(replacedRuns(map, runs)?.keys() ?? [])], ['b', 'x', 'c', 'd']);
  t.equal(replacedRuns(map, [{ keys: [], entries: [['y', other]] }]), undefined, 'at no place');
});
