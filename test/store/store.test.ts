import fc from 'fast-check';
import t from 'tap';
import { MemorySource } from '../../src/config/memory.js';
import { formatPosition, type Problem } from '../../src/kinds/problem.js';
import { Store } from '../../src/store/store.js';
import { parseThing, thing } from '../config/stand-in.js';

function setUp(options: { historyMax?: number } = {}) {
  const source = new MemorySource({ parseResource: parseThing });
  const store = new Store(options);
  let timeMs = 0;
  /** Puts files (undefined deletes) and takes the state. */
  const put = async (files: Record<string, string | undefined>) => {
    for (const [path, text] of Object.entries(files)) {
      if (text === undefined) source.delete(path);
      else source.set(path, text);
    }
    return store.accept(await source.read(), ++timeMs);
  };
  return { store, put };
}

/** `name=size` of the accepted resources, in the order of their keys. */
function inForce(store: Store): string {
  return [...store.current.resources.values()]
    .map(({ name, spec }) => `${name}=${(spec as { size: number }).size}`)
    .join(' ');
}

function formatProblem({ position, severity, code, message }: Problem): string {
  return `${formatPosition(position!)}: ${severity} ${code}: ${message}`;
}

const slip = (name: string) => thing(name).replace('Thing', 'Thign');
const bad = (name: string) => thing(name, 'x');
const both = (...texts: string[]) => texts.join('---\n');

t.test('generations', async (t) => {
  const { store, put } = setUp();
  t.match(store.current, { id: 0, resources: new Map(), problems: [] });
  const first = await put({});
  t.match(first, {
    resourcesChanged: true,
    problemsChanged: false,
    generation: { id: 1, timeMs: 1 },
  });
  const second = await put({ 'a.yaml': both(thing('a'), thing('b')) });
  t.match(second.record, {
    id: 2,
    timeMs: 2,
    added: ['Thing/default/a', 'Thing/default/b'],
    updated: [],
    removed: [],
  });
  const kept = store.current.resources.get('Thing/default/b');
  const things = store.current.byKind('Thing');
  t.match(await put({ 'z.yaml': '# nothing\n' }), {
    resourcesChanged: false,
    problemsChanged: false,
  });
  t.equal(store.current.resources, second.generation.resources);
  t.equal(store.current.byKind('Thing'), things);
  const third = await put({ 'a.yaml': both(thing('a', 2), thing('b')) });
  t.match(third.record, { id: 3, added: [], updated: ['Thing/default/a'], removed: [] });
  t.equal(store.current.resources.get('Thing/default/b'), kept);
  t.same((await put({ 'a.yaml': undefined })).record!.removed, [
    'Thing/default/a',
    'Thing/default/b',
  ]);
  t.same(store.current.byKind('Thing'), []);
  t.same(
    store.history.map(({ id }) => id),
    [1, 2, 3, 4],
  );
});

t.test('rewriting a document without changing its meaning changes nothing', async (t) => {
  const { store, put } = setUp();
  await put({ 'a.yaml': thing('a') });
  const before = store.current.resources.get('Thing/default/a');
  const json =
    '{"apiVersion":"things/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"size":1}}';
  t.match(await put({ 'a.yaml': `# hello\n${thing('a')}` }), { resourcesChanged: false });
  t.equal(store.current.origin('Thing/default/a')!.line, 2, 'but its place is known');
  t.match(await put({ 'a.yaml': undefined, 'b.json': json }), { resourcesChanged: false });
  t.equal(store.current.origin('Thing/default/a')!.file, 'b.json');
  t.equal(store.current.resources.get('Thing/default/a'), before);
});

t.test('last good', async (t) => {
  const { store, put } = setUp();
  const steps: [string, Record<string, string | undefined>, string][] = [
    ['start', { 'f.yaml': both(thing('a'), thing('b')), 'g.yaml': thing('c') }, 'a=1 b=1 c=1'],
    ['one refused, the other goes on', { 'f.yaml': both(bad('a'), thing('b', 2)) }, 'a=1 b=2 c=1'],
    ['mended', { 'f.yaml': both(thing('a', 3), thing('b', 2)) }, 'a=3 b=2 c=1'],
    ['no longer parsed', { 'f.yaml': 'a: [' }, 'a=3 b=2 c=1'],
    ['half parsed', { 'f.yaml': both('a: [\n', thing('b', 4)) }, 'a=3 b=4 c=1'],
    ['another file takes over', { 'g.yaml': both(thing('c'), thing('a', 5)) }, 'a=5 b=4 c=1'],
    ['and the first is whole again', { 'f.yaml': thing('b', 4) }, 'a=5 b=4 c=1'],
    ['a document removed', { 'g.yaml': thing('c') }, 'b=4 c=1'],
    ['binary', { 'g.yaml': '\0\0' }, 'b=4 c=1'],
    ['identity unreadable', { 'g.yaml': 'apiVersion: things/v1\nkind: Thing\n' }, 'b=4 c=1'],
    ['mistyped kind', { 'g.yaml': slip('c') }, 'b=4 c=1'],
    ['still', { 'g.yaml': `# note\n${slip('c')}` }, 'b=4 c=1'],
    ['mended', { 'g.yaml': thing('c', 2) }, 'b=4 c=2'],
    ['mistyped again', { 'g.yaml': slip('c') }, 'b=4 c=2'],
    ['mended beside the mistyped one', { 'g.yaml': both(slip('c'), thing('c', 1)) }, 'b=4 c=1'],
    ['removed beside it', { 'g.yaml': slip('c') }, 'b=4'],
    ['and back', { 'g.yaml': thing('c') }, 'b=4 c=1'],
    ['mistyped under another name', { 'g.yaml': slip('e') }, 'b=4'],
    ['and back', { 'g.yaml': thing('c') }, 'b=4 c=1'],
    ['renamed and refused at once', { 'g.yaml': bad('d') }, 'b=4 c=1'],
    ['then mended under the new name', { 'g.yaml': thing('d') }, 'b=4 d=1'],
    ['moved and refused at once', { 'g.yaml': undefined, 'h.yaml': bad('d') }, 'b=4 d=1'],
    ['refused again elsewhere', { 'h.yaml': `# note\n${bad('d')}` }, 'b=4 d=1'],
    ['and not even parsed there', { 'h.yaml': 'a: [' }, 'b=4 d=1'],
    ['a foreign kind in its place', { 'h.yaml': 'kind: Pod\nmetadata: {name: d}\n' }, 'b=4'],
    ['emptied', { 'f.yaml': '' }, ''],
    ['never good', { 'f.yaml': bad('a') }, ''],
  ];
  for (const [name, files, expected] of steps) {
    await put(files);
    t.equal(inForce(store), expected, name);
  }
});

t.test('a deleted file takes its refused documents along', async (t) => {
  const { store, put } = setUp();
  await put({ 'f.yaml': thing('a') });
  await put({ 'f.yaml': bad('a') });
  t.equal(inForce(store), 'a=1');
  t.match(await put({ 'f.yaml': undefined }), { resourcesChanged: true, problemsChanged: true });
  t.equal(inForce(store), '');
  t.same(store.current.problems, []);
});

t.test('problems alone make no generation', async (t) => {
  const { store, put } = setUp();
  await put({ 'f.yaml': thing('a') });
  const broken = await put({ 'f.yaml': bad('a') });
  t.match(broken, { resourcesChanged: false, problemsChanged: true, generation: { id: 1 } });
  t.equal(broken.record, undefined);
  t.same(store.current.problems.map(formatProblem), ['f.yaml:6:9: error wrong-type: wrong-type']);
  t.match(await put({ 'g.yaml': '' }), { resourcesChanged: false, problemsChanged: false });
});

t.test('duplicates', async (t) => {
  const { store, put } = setUp();
  await put({ 'b.yaml': thing('x', 2), 'c.yaml': both(thing('x', 3), thing('x', 4)) });
  t.equal(inForce(store), 'x=2');
  t.match(store.current.problems, [
    {
      code: 'duplicate-resource',
      severity: 'error',
      position: { file: 'c.yaml', line: 1, col: 1 },
    },
    { code: 'duplicate-resource', position: { file: 'c.yaml', line: 8, col: 1 } },
  ]);
  t.match(store.current.problems[0]!.message, 'b.yaml:1:1');
  await put({ 'a.yaml': bad('x') });
  t.equal(inForce(store), 'x=2', 'a newcomer that is refused takes nothing');
  await put({ 'b.yaml': thing('x', 5) });
  t.equal(inForce(store), 'x=5', 'and holds nothing back');
  await put({ 'b.yaml': thing('x', 2) });
  await put({ 'a.yaml': thing('x', 1) });
  t.equal(inForce(store), 'x=1');
  const { firstSeen } = store.current.byKind('Thing')[0]!.age;
  await put({ 'a.yaml': bad('x') });
  t.equal(inForce(store), 'x=1', 'the last good version stands against a duplicate');
  await put({ 'a.yaml': undefined });
  t.equal(inForce(store), 'x=2', 'the second takes over');
  t.equal(store.current.byKind('Thing')[0]!.age.firstSeen, firstSeen);
});

t.test('ages', async (t) => {
  const { store, put } = setUp();
  const ages = () =>
    Object.fromEntries(store.current.byKind('Thing').map(({ name, age }) => [name, age.firstSeen]));
  await put({ 'b.yaml': thing('a'), 'a.yaml': both(thing('c'), thing('b')) });
  t.same(ages(), { a: 2, b: 1, c: 0 });
  await put({ '0.yaml': thing('d'), 'b.yaml': thing('a', 2) });
  t.same(ages(), { a: 2, b: 1, c: 0, d: 3 });
  await put({ 'b.yaml': undefined });
  await put({ 'b.yaml': thing('a') });
  t.same(ages(), { a: 4, b: 1, c: 0, d: 3 }, 'gone and back is new');
});

t.test('a creation timestamp is the age', async (t) => {
  const store = new Store();
  const source = new MemorySource({
    parseResource: (value, options) => {
      const parsed = parseThing(value, options);
      return { ...parsed, resource: { ...parsed.resource!, creationTimestampMs: 42 } };
    },
  });
  source.set('a.yaml', thing('a'));
  const { generation } = store.accept(await source.read(), 1);
  const [resource] = generation.byKind('Thing');
  t.same(resource!.age, { timestampMs: 42, firstSeen: 0 });
  t.notOk('creationTimestampMs' in resource!);
});

t.test('of mesh configs the last in path order counts', async (t) => {
  const { store, put } = setUp();
  const mesh = (name: string, size: number | string) =>
    thing(name, size).replace('Thing', 'MeshConfig');
  t.equal(store.current.meshConfig, undefined);
  await put({ 'a.yaml': mesh('one', 1), 'b.yaml': mesh('two', 2) });
  t.match(store.current.meshConfig, { name: 'two', spec: { size: 2 } });
  t.equal(store.current.byKind('MeshConfig').length, 1);
  t.match(store.current.problems, [{ code: 'duplicate-resource', position: { file: 'a.yaml' } }]);
  await put({ 'b.yaml': mesh('two', 'x') });
  t.match(store.current.meshConfig, { name: 'two', spec: { size: 2 } });
  const { record } = await put({ 'b.yaml': undefined });
  t.match(store.current.meshConfig, { name: 'one', spec: { size: 1 } });
  t.match(record, { added: ['MeshConfig/default/one'], removed: ['MeshConfig/default/two'] });
  await put({ 'a.yaml': undefined });
  t.equal(store.current.meshConfig, undefined);
});

t.test('the history is bounded', async (t) => {
  const { store, put } = setUp({ historyMax: 3 });
  for (let size = 1; size <= 5; size++) await put({ 'a.yaml': thing('a', size) });
  t.same(
    store.history.map(({ id }) => id),
    [3, 4, 5],
  );
});

t.test('a source that lost its directory changes nothing', async (t) => {
  const { store, put } = setUp();
  const { generation } = await put({ 'a.yaml': thing('a') });
  const source = new MemorySource({ parseResource: parseThing });
  source.set('a.yaml', thing('a'));
  const { files } = await source.read();
  const gone = { code: 'file-unreadable', severity: 'error', message: 'gone' } as const;
  const { resourcesChanged, problemsChanged } = store.accept({ files, problems: [gone] }, 9);
  t.same([resourcesChanged, problemsChanged], [false, true]);
  t.equal(store.current.resources, generation.resources);
  t.equal(store.current.id, generation.id);
});

// What the files hold in the end, as [path, texts of documents].
const fileSet = fc.dictionary(
  fc.constantFrom('a.yaml', 'b.yaml', 'c/d.yaml', 'e.json'),
  fc.array(
    fc.record({ name: fc.constantFrom('p', 'q', 'r', 's'), size: fc.integer({ min: 0, max: 3 }) }),
    { maxLength: 4 },
  ),
);

t.test('the same files in any order of arrival give the same accepted set', async () => {
  await fc.assert(
    fc.asyncProperty(
      fileSet,
      fc.infiniteStream(fc.nat()),
      fc.array(fileSet, { maxLength: 3 }),
      async (last, order, before) => {
        const texts = Object.entries(last).map(
          ([path, things]) => [path, both(...things.map((it) => thing(it.name, it.size)))] as const,
        );
        const atOnce = setUp();
        await atOnce.put(Object.fromEntries(texts));
        const one = setUp();
        // Earlier contents, all of them good, must leave no trace.
        for (const files of before) {
          for (const [path, things] of Object.entries(files)) {
            await one.put({ [path]: both(...things.map((it) => thing(it.name, it.size))) });
          }
        }
        const shuffled = texts
          .map((it) => ({ it, at: order.next().value! }))
          .sort((a, b) => a.at - b.at);
        for (const { it } of shuffled) await one.put({ [it[0]]: it[1] });
        for (const files of before) {
          for (const path of Object.keys(files)) {
            if (!Object.hasOwn(last, path)) await one.put({ [path]: undefined });
          }
        }
        if (inForce(one.store) !== inForce(atOnce.store)) {
          throw new Error(`${inForce(one.store)} is not ${inForce(atOnce.store)}`);
        }
        const problems = (store: Store) => store.current.problems.map(formatProblem).join('\n');
        if (problems(one.store) !== problems(atOnce.store)) throw new Error(problems(one.store));
      },
    ),
    { numRuns: 200 },
  );
});

t.test('nothing in force is lost while its document is only broken', async () => {
  const edit = fc.record({
    path: fc.constantFrom('a.yaml', 'b.yaml'),
    how: fc.constantFrom('break', 'refuse', 'binary'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
      const { store, put } = setUp();
      const good: Record<string, string[]> = { 'a.yaml': ['p', 'q'], 'b.yaml': ['r', 's'] };
      await put({ 'a.yaml': both(thing('p'), thing('q')), 'b.yaml': both(thing('r'), thing('s')) });
      for (const { path, how } of edits) {
        const [one, two] = good[path] as [string, string];
        const text =
          how === 'break' ? 'a: [' : how === 'binary' ? '\0' : both(bad(one), thing(two));
        await put({ [path]: text });
        if (inForce(store) !== 'p=1 q=1 r=1 s=1') throw new Error(inForce(store));
      }
    }),
    { numRuns: 100 },
  );
});
