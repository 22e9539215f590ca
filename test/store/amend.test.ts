// The short way of an edit gives what the long one gives, and is taken where it should be.
import fc from 'fast-check';
import t from 'tap';
import { MemorySource } from '../../src/config/memory.js';
import type { SourceState } from '../../src/config/source.js';
import type { Resource } from '../../src/kinds/resource.js';
import { accept, emptyHeldSet, type HeldSet } from '../../src/store/accept.js';
import { amend } from '../../src/store/amend.js';
import { Store } from '../../src/store/store.js';
import { parseThing, thing } from '../config/stand-in.js';

const bad = (name: string) => thing(name, 'x');
const slip = (name: string) => thing(name).replace('Thing', 'Thign');

function setUp() {
  const source = new MemorySource({ parseResource: parseThing });
  let held: HeldSet = emptyHeldSet;
  let before: SourceState | undefined;
  /** Puts a file, or without texts removes it; gives both ways' results, the long one's in force. */
  const put = async (path: string, ...texts: string[]) => {
    if (texts.length === 0) source.delete(path);
    else source.set(path, texts.join('---\n'));
    const state = await source.read();
    const short = amend(held, before, state);
    const long = accept(held, state);
    before = state;
    held = long.held;
    return { short, long };
  };
  return put;
}

t.test(
  'the short way is taken for edits of values and whole files, and for no others',
  async (t) => {
    const put = setUp();
    t.notOk((await put('a.yaml', thing('p', 1), thing('q', 1))).short, 'first read');
    t.match((await put('b.yaml', thing('r', 1))).short, {
      came: [{ key: 'Thing/default/r', resource: { age: { firstSeen: 2 } } }],
      went: [],
    });
    t.match((await put('c.yaml', thing('u', 1), thing('v', 1))).short?.came, [
      { key: 'Thing/default/u' },
      { key: 'Thing/default/v' },
    ]);
    t.match((await put('c.yaml')).short, { came: [], went: [{ key: 'Thing/default/u' }, {}] });
    t.notOk((await put('c.yaml', thing('p', 1))).short, 'a file came with a duplicate');
    t.notOk((await put('c.yaml')).short, 'and went');
    t.match((await put('a.yaml', thing('p', 2), thing('q', 1))).short?.changed, [
      { key: 'Thing/default/p', resource: { spec: { size: 2 } } },
    ]);
    t.ok((await put('a.yaml', thing('q', 1), thing('p', 2))).short, 'another order');
    t.notOk((await put('a.yaml', thing('p', 2))).short, 'one went');
    t.notOk((await put('a.yaml', thing('p', 2), thing('s', 1))).short, 'one came');
    t.notOk((await put('a.yaml', thing('p', 2), thing('r', 1))).short, 'a duplicate');
    t.notOk((await put('a.yaml', thing('p', 3), thing('s', 1))).short, 'after a duplicate');
    t.notOk((await put('a.yaml', bad('p'), thing('s', 1))).short, 'a mistake');
    t.notOk((await put('b.yaml', thing('r', 2))).short, 'a mistake elsewhere');
  },
);

t.test('both ways give the same', async () => {
  const name = fc.constantFrom('p', 'q', 'r', 's', 'u', 'v');
  const document = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(name, fc.nat(2)).map(([n, size]) => thing(n, size)) },
    { weight: 1, arbitrary: name.map(bad) },
    { weight: 1, arbitrary: name.map(slip) },
  );
  const edit = fc.tuple(
    fc.constantFrom('a.yaml', 'b.yaml', 'c.yaml'),
    fc.array(document, { maxLength: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { maxLength: 12 }), async (edits) => {
      const put = setUp();
      for (const [path, texts] of edits) {
        const { short, long } = await put(path, ...texts);
        if (short === undefined) continue;
        t.same({ ...short.held, bySlot: new Map(short.held.bySlot) }, long.held);
        if (short.problems) t.same(short.problems, long.problems);
        // Left out where they are those of before: of no file that is plain and without any.
        else
          t.same(
            long.problems.filter(({ severity }) => severity === 'error'),
            [],
          );
      }
    }),
    { numRuns: 200 },
  );
});

t.test('the store has the resources in their order, whichever way they came', async () => {
  const file = fc.constantFrom('a', 'm', 'z', 'b', 'y');
  const edit = fc.tuple(file, fc.array(fc.nat(2), { maxLength: 2 }));
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { maxLength: 12 }), async (edits) => {
      const source = new MemorySource({ parseResource: parseThing });
      const store = new Store();
      for (const [name, sizes] of edits) {
        const before = store.current.resources;
        const texts = sizes.map((size, i) => thing(`${name}${i}`, size));
        if (texts.length === 0) source.delete(`${name}.yaml`);
        else source.set(`${name}.yaml`, texts.join('---\n'));
        const { generation, record } = store.accept(await source.read(), 0);
        const { resources } = generation;
        const fresh = new Store().accept(await source.read(), 0).generation;
        t.strictSame([...resources.keys()], [...fresh.resources.keys()]);
        const specs = (all: Iterable<Resource>) => [...all].map(({ spec }) => spec);
        t.strictSame(specs(resources.values()), specs(fresh.resources.values()));
        t.strictSame(generation.byKind('Thing'), [...resources.values()]);
        const came = [...resources.keys()].filter((key) => !before.has(key));
        t.strictSame(record?.added ?? [], came);
        const went = [...before.keys()].filter((key) => !resources.has(key));
        t.strictSame(record?.removed ?? [], went);
      }
    }),
    { numRuns: 100 },
  );
});
