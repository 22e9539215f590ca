import * as fs from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { DirectorySource, type DirectorySourceOptions } from '../../src/config/directory.js';
import type { SourceState } from '../../src/config/source.js';
import { parseThing, thing } from './stand-in.js';

/** `file: name=size …` of each file, with `!` for one that is not whole. */
function outline(state: SourceState, root: string): string[] {
  return state.files.map((file) => {
    const names = file.documents
      .filter((it) => it.resource)
      .map((it) => `${it.id!.name}=${(it.resource!.spec as { size: number }).size}`);
    return `${relative(root, file.path)}:${file.whole ? '' : '!'} ${names.join(' ')}`.trim();
  });
}

/** Writes beside and renames, as editors and deployment tools do. */
function replace(path: string, text: string): void {
  fs.writeFileSync(`${path}.new`, text);
  fs.renameSync(`${path}.new`, path);
}

async function open(t: Test, options: DirectorySourceOptions = {}) {
  const root = join(t.testdir({ conf: {} }), 'conf');
  const source = new DirectorySource(root, { parseResource: parseThing, ...options });
  let rings = 0;
  let wake = () => {};
  source.onChange(() => {
    rings++;
    wake();
  });
  t.teardown(() => source.close());
  /** Reads at each ring until the outline is as expected, or two seconds have passed. */
  const until = async (expected: string[], boundMs = 4000) => {
    const endMs = performance.now() + boundMs;
    let found: string[] = [];
    const seen: string[][] = [];
    while (performance.now() < endMs) {
      found = outline(await source.read(), root);
      seen.push(found);
      if (JSON.stringify(found) === JSON.stringify(expected)) break;
      await Promise.race([
        new Promise<void>((resolve) => {
          wake = resolve;
        }),
        sleep(endMs - performance.now(), undefined, { ref: true }),
      ]);
    }
    t.same(found, expected);
    return seen;
  };
  return { root, source, until, rings: () => rings };
}

t.test('lists what it should', async (t) => {
  const { root, source } = await open(t);
  for (const dir of ['sub/deep', '.hidden', '..2026_01', 'not.yaml']) {
    fs.mkdirSync(join(root, dir), { recursive: true });
  }
  for (const [at, file] of [
    'b.yaml',
    'a.yml',
    'c.json',
    'sub/deep/d.YAML',
    'not.yaml/e.yaml',
    'x.txt',
    'y.yaml~',
    '#z.yaml#',
    '.hidden.yaml',
    '.#b.yaml',
    '.hidden/f.yaml',
    '..2026_01/g.yaml',
  ].entries()) {
    fs.writeFileSync(join(root, file), thing(`n${at}`));
  }
  await source.start();
  const state = await source.read();
  t.same(outline(state, root), [
    'a.yml: n1=1',
    'b.yaml: n0=1',
    'c.json: n2=1',
    'not.yaml/e.yaml: n4=1',
    'sub/deep/d.YAML: n3=1',
  ]);
  t.equal(await source.read(), state, 'the same state while nothing changes');
  t.equal(state.files[0]!.documents[0]!.origin.file, join(root, 'a.yml'));
});

t.test('a directory that is not there, or not one', async (t) => {
  const root = t.testdir({ file: '' });
  for (const name of ['nowhere', 'file']) {
    const source = new DirectorySource(join(root, name));
    await t.rejects(source.start(), {
      name: 'ControlPlaneError',
      code: 'config-directory',
      message: name,
    });
    await source.close();
  }
});

t.test('atomic rename, growth, delete, sub-directories', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 60_000 });
  fs.writeFileSync(join(root, 'a.yaml'), thing('a', 1));
  fs.writeFileSync(join(root, 'b.yaml'), thing('b', 1));
  await source.start();
  const first = await source.read();
  replace(join(root, 'a.yaml'), thing('a', 2));
  await until(['a.yaml: a=2', 'b.yaml: b=1']);
  t.equal((await source.read()).files[1], first.files[1], 'the other file is the same object');
  fs.mkdirSync(join(root, 's/t'), { recursive: true });
  fs.writeFileSync(join(root, 's/t/c.yaml'), thing('c', 1));
  await until(['a.yaml: a=2', 'b.yaml: b=1', 's/t/c.yaml: c=1']);
  replace(join(root, 's/t/c.yaml'), thing('c', 2));
  await until(['a.yaml: a=2', 'b.yaml: b=1', 's/t/c.yaml: c=2']);
  fs.rmSync(join(root, 's'), { recursive: true });
  fs.rmSync(join(root, 'b.yaml'));
  await until(['a.yaml: a=2']);
  fs.utimesSync(join(root, 'a.yaml'), 1, 1);
  const touched = (await source.read()).files[0];
  t.equal((await source.read()).files[0], touched, 'touching is no change');
});

t.test('a file written in place in pieces is never seen half', async (t) => {
  const { root, source, until } = await open(t);
  const path = join(root, 'a.yaml');
  fs.writeFileSync(path, `${thing('a', 1)}---\n${thing('b', 1)}`);
  await sleep(50);
  await source.start();
  await source.read();
  const seen: string[] = [];
  const reader = setInterval(async () => seen.push(...outline(await source.read(), root)), 2);
  const text = `${thing('a', 2)}---\n${thing('b', 2)}---\n${thing('c', 2)}`;
  const file = fs.openSync(path, 'w');
  await sleep(15);
  for (let at = 0; at < text.length; at += 50) {
    fs.writeSync(file, text.slice(at, at + 50));
    await sleep(10);
  }
  fs.closeSync(file);
  await until(['a.yaml: a=2 b=2 c=2']);
  clearInterval(reader);
  t.same(
    [...new Set(seen)].filter((it) => it !== 'a.yaml: a=2 b=2 c=2'),
    ['a.yaml: a=1 b=1'],
  );
});

t.test('what moves to a new file is never in neither', async (t) => {
  const { root, source, until } = await open(t);
  const path = (name: string) => join(root, name);
  fs.writeFileSync(path('a.yaml'), `${thing('a', 1)}---\n${thing('b', 1)}`);
  await sleep(50);
  await source.start();
  await source.read();
  fs.writeFileSync(path('b.yaml'), thing('b', 1));
  replace(path('a.yaml'), thing('a', 1));
  const seen = await until(['a.yaml: a=1', 'b.yaml: b=1']);
  t.notOk(
    seen.some((outline) => !outline.join(' ').includes('b=1')),
    'the new file settles before the old one counts',
  );
  fs.writeFileSync(path('c.yaml'), thing('b', 1));
  fs.rmSync(path('b.yaml'));
  const moved = await until(['a.yaml: a=1', 'c.yaml: b=1']);
  t.notOk(moved.some((outline) => !outline.join(' ').includes('b=1')));
});

t.test('a file that is meant to be empty or broken is taken after a moment', async (t) => {
  const { root, source, until } = await open(t);
  const path = join(root, 'a.yaml');
  fs.writeFileSync(path, thing('a', 1));
  await source.start();
  await source.read();
  fs.writeFileSync(path, '');
  await until(['a.yaml:']);
  replace(path, thing('a', 2));
  await until(['a.yaml: a=2']);
  replace(path, 'a: [');
  await until(['a.yaml:!']);
  t.match((await source.read()).files[0]!.documents[0]!.problems, [{ code: 'yaml-syntax' }]);
});

t.test('a writer that never rests does not hide its file for ever', async (t) => {
  const { root, source, until } = await open(t);
  await source.start();
  await source.read();
  const file = fs.openSync(join(root, 'a.yaml'), 'w');
  fs.writeSync(file, thing('a', 1));
  const writer = setInterval(() => fs.writeSync(file, '# more\n'), 10);
  t.teardown(() => {
    clearInterval(writer);
    fs.closeSync(file);
  });
  await until(['a.yaml: a=1']);
});

t.test('the link swap of a Kubernetes volume', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 60_000 });
  const volume = (name: string, size: number) => {
    fs.mkdirSync(join(root, name));
    fs.writeFileSync(join(root, name, 'a.yaml'), thing('a', size));
    fs.writeFileSync(join(root, name, 'b.yaml'), thing('b', 1));
    fs.symlinkSync(name, join(root, '..data_tmp'));
    fs.renameSync(join(root, '..data_tmp'), join(root, '..data'));
  };
  volume('..2026_01', 1);
  for (const file of ['a.yaml', 'b.yaml']) fs.symlinkSync(`..data/${file}`, join(root, file));
  await source.start();
  const first = await source.read();
  t.same(outline(first, root), ['a.yaml: a=1', 'b.yaml: b=1']);
  volume('..2026_02', 2);
  fs.rmSync(join(root, '..2026_01'), { recursive: true });
  await until(['a.yaml: a=2', 'b.yaml: b=1']);
  t.equal((await source.read()).files[1], first.files[1], 'same bytes, same object');
});

t.test('links: loops, several ways to one directory, nowhere', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 100 });
  const outside = t.testdir({ conf: {}, other: { 'o.yaml': thing('o', 1) } });
  fs.mkdirSync(join(root, 'real'));
  fs.writeFileSync(join(root, 'real/a.yaml'), thing('a', 1));
  fs.symlinkSync('..', join(root, 'real/up'));
  fs.symlinkSync('.', join(root, 'self'));
  fs.symlinkSync('real', join(root, 'again'));
  fs.symlinkSync(join(outside, 'other'), join(root, 'out'));
  fs.symlinkSync('nowhere.yaml', join(root, 'gone.yaml'));
  fs.symlinkSync('ring.yaml', join(root, 'ring.yaml'));
  await source.start();
  const state = await source.read();
  t.same(outline(state, root), [
    'gone.yaml:!',
    'out/o.yaml: o=1',
    'real/a.yaml: a=1',
    'ring.yaml:!',
  ]);
  t.match(state.files[0]!.problems, [
    { code: 'file-unreadable', severity: 'error', position: { line: 1 } },
  ]);
  replace(join(outside, 'other/o.yaml'), thing('o', 2));
  await until(['gone.yaml:!', 'out/o.yaml: o=2', 'real/a.yaml: a=1', 'ring.yaml:!']);
});

t.test('an edit below a directory with a second name is seen once', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 60_000 });
  fs.mkdirSync(join(root, 'real'));
  fs.symlinkSync('real', join(root, 'again'));
  replace(join(root, 'real/a.yaml'), thing('a', 1));
  await source.start();
  await source.read();
  for (let size = 2; size < 8; size++) {
    replace(join(root, size % 2 ? 'real/a.yaml' : 'again/a.yaml'), thing('a', size));
    await until([`real/a.yaml: a=${size}`]);
  }
  fs.rmSync(join(root, 'again'));
  replace(join(root, 'real/b.yaml'), thing('b', 1));
  await until(['real/a.yaml: a=7', 'real/b.yaml: b=1']);
  fs.rmSync(join(root, 'real/a.yaml'));
  await until(['real/b.yaml: b=1']);
});

t.test('hidden files ring nothing', async (t) => {
  const { root, source, rings } = await open(t, { pollMs: 60_000 });
  await source.start();
  await source.read();
  fs.writeFileSync(join(root, '.a.yaml.swp'), 'x');
  fs.rmSync(join(root, '.a.yaml.swp'));
  await sleep(100);
  t.equal(rings(), 0);
});

t.test('a directory that is a link, and one that starts with a dot', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 60_000 });
  const real = `${root}/.real`;
  fs.mkdirSync(real);
  replace(`${real}/a.yaml`, thing('a', 1));
  fs.symlinkSync('.real', `${root}/link`);
  for (const name of ['link', '.real']) {
    const other = new DirectorySource(join(root, name), {
      parseResource: parseThing,
      pollMs: 60_000,
    });
    t.teardown(() => other.close());
    await other.start();
    t.equal((await other.read()).files.length, 1);
    const rung = new Promise<void>((resolve) => other.onChange(resolve));
    replace(`${real}/a.yaml`, thing('a', name.length));
    await rung;
    t.same(outline(await other.read(), join(root, name)), [`a.yaml: a=${name.length}`]);
    await other.close();
  }
  await source.start();
  await until(['link/a.yaml: a=5']);
});

t.test('a pipe is not opened', async (t) => {
  const { root, source } = await open(t);
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [join(root, 'p.yaml')]);
  await source.start();
  const state = await source.read();
  t.match(state.files[0], { whole: false, problems: [{ code: 'file-unreadable' }] });
});

t.test('the directory goes and comes back', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 60_000 });
  fs.writeFileSync(join(root, 'a.yaml'), thing('a', 1));
  await source.start();
  const first = await source.read();
  fs.renameSync(root, `${root}-away`);
  const gone = await source.read();
  t.same(gone.files, first.files);
  t.match(gone.problems, [
    { code: 'file-unreadable', severity: 'error', message: /last stays in force/ },
  ]);
  t.equal(await source.read(), gone);
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'a.yaml'), thing('a', 1));
  fs.writeFileSync(join(root, 'b.yaml'), thing('b', 1));
  await until(['a.yaml: a=1', 'b.yaml: b=1']);
  const back = await source.read();
  t.same(back.problems, []);
  t.equal(back.files[0]!.documents[0], first.files[0]!.documents[0]);
  await sleep(50);
  replace(join(root, 'b.yaml'), thing('b', 2));
  await until(['a.yaml: a=1', 'b.yaml: b=2']);
});

t.test('a directory that goes and comes back at once is watched again', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 3_600_000 });
  const sub = join(root, 'sub');
  fs.mkdirSync(sub);
  fs.writeFileSync(join(sub, 'a.yaml'), thing('a', 1));
  await source.start();
  await until(['sub/a.yaml: a=1']);
  for (let size = 2; size < 6; size++) {
    fs.rmSync(sub, { recursive: true });
    fs.mkdirSync(sub);
    replace(join(sub, 'a.yaml'), thing('a', size));
    await until([`sub/a.yaml: a=${size}`]);
    replace(join(sub, 'a.yaml'), thing('a', 10 * size));
    await until([`sub/a.yaml: a=${10 * size}`]);
  }
  // Swapped for another one.
  fs.mkdirSync(join(root, '.next'));
  fs.writeFileSync(join(root, '.next/a.yaml'), thing('a', 7));
  fs.renameSync(sub, join(root, '.old'));
  fs.renameSync(join(root, '.next'), sub);
  await until(['sub/a.yaml: a=7']);
  replace(join(sub, 'a.yaml'), thing('a', 8));
  await until(['sub/a.yaml: a=8']);
  // What has the name of its directory is a file like any other.
  fs.mkdirSync(join(root, 'x.yaml'));
  replace(join(root, 'x.yaml/x.yaml'), thing('x', 1));
  await until(['sub/a.yaml: a=8', 'x.yaml/x.yaml: x=1']);
  replace(join(root, 'x.yaml/x.yaml'), thing('x', 2));
  await until(['sub/a.yaml: a=8', 'x.yaml/x.yaml: x=2']);
  replace(join(root, 'x.yaml/x.yaml'), thing('x', 3));
  await until(['sub/a.yaml: a=8', 'x.yaml/x.yaml: x=3']);
});

t.test('what events miss, the scan in the background finds', async (t) => {
  const { root, source, until } = await open(t, { pollMs: 50 });
  const outside = t.testdir({ conf: {}, 'target.yaml': thing('a', 1) });
  fs.symlinkSync(join(outside, 'target.yaml'), join(root, 'a.yaml'));
  await source.start();
  await source.read();
  replace(join(outside, 'target.yaml'), thing('a', 2));
  await until(['a.yaml: a=2']);
});

t.test('too large a file is not read', async (t) => {
  const { root, source } = await open(t);
  fs.writeFileSync(join(root, 'big.yaml'), '');
  fs.truncateSync(join(root, 'big.yaml'), 2 ** 33);
  await source.start();
  const state = await source.read();
  t.match(state.files[0], { whole: false, problems: [{ code: 'too-large' }] });
});

t.test('2,000 files: the first read, and the time from a rename to the new state', async (t) => {
  const { root, source } = await open(t);
  for (let i = 0; i < 2000; i++) {
    const dir = join(root, `d${i % 20}`);
    if (i < 20) fs.mkdirSync(dir);
    fs.writeFileSync(join(dir, `f${i}.yaml`), thing(`t${i}`, 1));
  }
  let startMs = performance.now();
  await source.start();
  t.comment(`start ${(performance.now() - startMs).toFixed(0)} ms`);
  startMs = performance.now();
  t.equal((await source.read()).files.length, 2000);
  t.comment(`first read ${(performance.now() - startMs).toFixed(0)} ms`);
  const bells: number[] = [];
  const states: number[] = [];
  let rung: (() => void) | undefined;
  source.onChange(() => rung?.());
  for (let size = 2; size < 22; size++) {
    const bell = new Promise<void>((resolve) => {
      rung = resolve;
    });
    fs.writeFileSync(join(root, 'd7/.next'), thing('t7', size));
    startMs = performance.now();
    fs.renameSync(join(root, 'd7/.next'), join(root, 'd7/f7.yaml'));
    await bell;
    bells.push(performance.now() - startMs);
    const state = await source.read();
    states.push(performance.now() - startMs);
    const file = state.files.find((it) => it.path.endsWith('/f7.yaml'));
    t.match(file?.documents[0]?.resource, { spec: { size } });
    await sleep(20);
  }
  const show = (times: number[]) =>
    `median ${[...times].sort((a, b) => a - b)[10]!.toFixed(1)} ms, worst ${Math.max(...times).toFixed(1)} ms`;
  t.comment(`rename to bell ${show(bells)}; rename to state ${show(states)}`);
  t.ok(Math.max(...states) < 3000);
});
