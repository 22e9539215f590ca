// Equal values give the object of before; different ones do not.
import t from 'tap';
import { Keep, KeepMap } from '../../src/lib/keep.js';

void t.test('Keep', async (t) => {
  const keep = new Keep<{ list: number[] }>();
  const first = { list: [1, 2] };
  t.equal(keep.equal(first), first);
  t.equal(keep.equal({ list: [1, 2] }), first, 'an equal value');
  const other = { list: [2, 1] };
  t.equal(keep.equal(other), other, 'another value');
  t.not(keep.equal({ list: [1, 2] }), first, 'only the last one is remembered');
});

void t.test('KeepMap', async (t) => {
  const a = {};
  const b = {};
  const keep = new KeepMap<string, object>();
  const first = new Map([
    ['a', a],
    ['b', b],
  ]);
  t.equal(keep.same(first), first);
  t.equal(keep.same(new Map(first)), first, 'the same entries');
  const swapped = new Map([...first].reverse());
  t.equal(keep.same(swapped), swapped, 'another order');
  const equalValue = new Map([...swapped, ['a', {}]]);
  t.equal(keep.same(equalValue), equalValue, 'values count by identity');
  const fewer = new Map([['b', b]]);
  t.equal(keep.same(fewer), fewer, 'fewer entries');
});
