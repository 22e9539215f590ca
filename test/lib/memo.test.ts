// What counts as the same call, and that nothing is held which only a memo knows of.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import t from 'tap';
import { memoize } from '../../src/lib/memo.js';
import { collectGarbage } from '../collect-garbage.js';

type Key = object | string | number | boolean | undefined | null;

t.test('the same arguments are computed once, any others anew', async (t) => {
  const [a, b] = [{}, {}];
  const key = fc.oneof(
    fc.constantFrom<Key>(a, b, undefined, null, '', 'a', 'b', '0', '\0', 0, 1, NaN, true, false),
    fc.constantFrom('string 1 a', '\0string 1 a', '\0string 1 astring 1 b', 'astring 1 b'),
    fc.string({ maxLength: 2 }),
  );
  const same = (x: readonly Key[], y: readonly Key[]) =>
    x.length === y.length && x.every((each, i) => Object.is(each, y[i]));
  fc.assert(
    fc.property(fc.array(fc.array(key, { maxLength: 4 }), { maxLength: 30 }), (calls) => {
      const computed: (readonly Key[])[] = [];
      const call = memoize((...args: readonly Key[]) => {
        if (computed.some((other) => same(other, args))) throw new Error('computed again');
        computed.push(args);
        return args;
      });
      for (const args of calls) {
        if (!same(call(...args), args)) throw new Error('the result of other arguments');
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('what throws is tried again', async (t) => {
  let times = 0;
  const call = memoize((_key: object) => {
    if (times++ === 0) throw new Error('once');
    return times;
  });
  const key = {};
  t.throws(() => call(key), 'once');
  t.equal(call(key), 2);
  t.equal(call(key), 2);
});

t.test('results die with their first object', async (t) => {
  const call = memoize((key: object, _name: string) => ({ key }));
  let key: object | undefined = {};
  const result = new WeakRef(call(key, 'a'));
  await collectGarbage();
  t.ok(result.deref(), 'held by its key');
  key = undefined;
  await collectGarbage();
  t.notOk(result.deref());
});

t.test(
  'an object that lives on holds no more than one result of objects that are gone',
  async (t) => {
    const settings = {};
    const call = memoize((_settings: object, resource: object) => ({ resource }));
    const refs: WeakRef<object>[] = [];
    for (let i = 0; i < 20; i++) refs.push(new WeakRef(call(settings, {})));
    await collectGarbage();
    t.strictSame(refs.map((ref) => ref.deref()).filter(Boolean), []);
    t.ok(call(settings, settings));
  },
);

t.test(
  'an argument is not held, even if it is the only one that a long-lived object was asked about with',
  async (t) => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const longLived = {};
    const remembered = memoize((_a: object, _b: object, _c: string) => ({}));
    const ask = () => {
      const passing = {};
      remembered(longLived, passing, 'x');
      return new WeakRef(passing);
    };
    const ref = ask();
    // What a WeakRef was made of lives until the job ends.
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
    t.equal(ref.deref(), undefined);
  },
);
