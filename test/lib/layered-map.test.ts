// A layered map is a map like any other.
import fc from 'fast-check';
import t from 'tap';
import { areDisjoint, LayeredMap, layered, layersOf } from '../../src/lib/layered-map.js';

type Entries = [string, number | undefined][];

const entries = fc.array(
  fc.tuple(fc.constantFrom(...'abcdefghij'), fc.option(fc.nat(9), { nil: undefined })),
  { maxLength: 8 },
) as fc.Arbitrary<Entries>;

t.test('the same answers as a map of all entries', async () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 4 }), (lists) => {
      const layers = lists.map((list) => new Map(list));
      const flat = new Map(layers.flatMap((layer) => [...layer]));
      const made = layered(layers);
      if (made.size !== flat.size) throw new Error('size');
      for (const key of 'abcdefghijk') {
        if (made.has(key) !== flat.has(key)) throw new Error(`has ${key}`);
        if (made.get(key) !== flat.get(key)) throw new Error(`get ${key}`);
      }
      const seen: Entries = [];
      made.forEach((value, key, map) => {
        if (map !== made) throw new Error('map');
        seen.push([key, value]);
      });
      const expected = JSON.stringify([...flat]);
      for (const list of [[...made], [...made.entries()], seen]) {
        if (JSON.stringify(list) !== expected) throw new Error('order');
      }
      if (JSON.stringify([...made.keys()]) !== JSON.stringify([...flat.keys()])) throw new Error();
      if (JSON.stringify([...made.values()]) !== JSON.stringify([...flat.values()]))
        throw new Error();
    }),
  );
});

t.test('layers are held, not copied', async (t) => {
  const one = new Map([['a', 1]]);
  const two = new Map([['b', 2]]);
  const both = layered([one, new Map(), two]);
  t.ok(both instanceof LayeredMap);
  t.strictSame(layersOf(both), [one, two]);
  t.equal(layersOf(both)[0], one);
  t.equal(layered([new Map(), two]), two, 'one layer is the map itself');
  t.strictSame(layersOf(one), [one]);
});

t.test('keys that are there twice make it flat, and the later one counts', async (t) => {
  const made = layered([new Map([['a', 1]]), new Map([['a', 2]])]);
  t.notOk(made instanceof LayeredMap);
  t.strictSame([...made], [['a', 2]]);
  t.equal(areDisjoint([new Map([['a', 1]]), new Map([['b', 1]]), new Map([['a', 1]])]), false);
  t.equal(areDisjoint([new Map([['a', 1]]), new Map([['b', 1]])]), true);
});
