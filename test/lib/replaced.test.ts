// What is made of a list whose entries were replaced is what would be made of it from nothing.
import t from 'tap';
import {
  amendable,
  mapAgain,
  replaceAll,
  replaceAt,
  replacements,
} from '../../src/lib/replaced.js';

const list = Array.from({ length: 200 }, (_, i) => ({ i }));

void t.test('replacements', async (t) => {
  const after = { i: -5 };
  const next = replaceAll(list, [{ before: list[5]!, after }]);
  const found = [{ index: 5, before: list[5], after }];
  t.strictSame(replacements(list, next), found, 'of a list that knows them');
  t.strictSame(replacements(list, [...next]), found, 'of one that does not');
  t.strictSame(replacements([...list], next), found, 'of one that was made of another');
  t.strictSame(replacements(list, list), []);
  t.equal(replacements(list, list.slice(1)), undefined, 'of another length');
  t.equal(replacements(list, [...list].reverse()), undefined, 'too many');
  t.equal(replaceAll(list, []), list);
  t.equal(list[5]?.i, 5, 'the origin is as it was');
});

void t.test('entries that change places', async (t) => {
  const [a, b] = list as [{ i: number }, { i: number }];
  const changes = [
    { before: a, after: b },
    { before: b, after: a },
  ];
  t.strictSame(replaceAll(list, changes).slice(0, 2), [b, a]);
});

void t.test('mapAgain', async (t) => {
  let calls = 0;
  const half = ({ i }: { i: number }) => {
    calls++;
    return i >> 1;
  };
  const made = mapAgain(list, half, undefined);
  t.strictSame(made, list.map(half));
  calls = 0;
  const other = replaceAt(list, [{ index: 8, before: list[8]!, after: { i: 80 } }]);
  t.strictSame(mapAgain(other, half, { list, made }), made.with(8, 40));
  t.equal(calls, 1, 'the others are not made again');
  const equal = replaceAt(list, [{ index: 8, before: list[8]!, after: { i: 9 } }]);
  t.equal(mapAgain(equal, half, { list, made }), made, 'that comes out the same');
  t.strictSame(mapAgain(list.slice(1), half, { list, made }), list.slice(1).map(half));
});

void t.test('amendable', async (t) => {
  const calls: string[] = [];
  const sum = amendable(
    (items: readonly { i: number }[], factor: number) => {
      calls.push('compute');
      return items.reduce((all, { i }) => all + i * factor, 0);
    },
    ({ result, changes }, _items, factor) => {
      calls.push('amend');
      if (changes.some(({ after }) => after.i === 0)) return undefined;
      return changes.reduce(
        (all, { before, after }) => all + (after.i - before.i) * factor,
        result,
      );
    },
  );
  const one = replaceAll(list, [{ before: list[7]!, after: { i: 8 } }]);
  t.equal(sum(list, 2), 39_800);
  t.equal(sum(list, 2), 39_800);
  t.equal(sum(one, 2), 39_802);
  t.strictSame(calls.splice(0), ['compute', 'amend']);
  t.equal(sum(one, 3), 59_703, 'with other arguments');
  t.strictSame(calls.splice(0), ['compute']);
  const zero = replaceAll(one, [{ before: one[9]!, after: { i: 0 } }]);
  t.equal(sum(zero, 2), 39_784, 'where it cannot be amended');
  t.strictSame(calls.splice(0), ['amend', 'compute']);
  t.equal(sum([...one], 2), 39_802, 'a list that was not made of another');
  t.strictSame(calls, ['compute']);
});

void t.test('amendable: false and the empty text are results like others', (t) => {
  const items = [{ name: '' }, { name: '' }];
  const names = amendable(
    (all: readonly { name: string }[]) => all.map(({ name }) => name).join(''),
    ({ result, changes }) =>
      changes.every(({ before, after }) => before.name === after.name) ? result : undefined,
  );
  const isNamed = amendable(
    (all: readonly { name: string }[]) => all.some(({ name }) => name !== ''),
    () => undefined,
  );
  const named = replaceAll(items, [{ before: items[1]!, after: { name: 'a' } }]);
  t.strictSame([names(items), names(named)], ['', 'a']);
  t.strictSame([isNamed(items), isNamed(named)], [false, true]);
  t.end();
});
