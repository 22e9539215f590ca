import t, { type Test } from 'tap';
import { defaultLimits } from '../../src/config/limits.js';
import { parseYamlText } from '../../src/config/parse-chunk.js';
import { type ParsedFile, parseFile } from '../../src/config/parse-file.js';
import { formatPosition } from '../../src/kinds/problem.js';
import { parseThing, thing } from './stand-in.js';

const settings = { parseResource: parseThing, limits: defaultLimits };

function parse(text: string | Buffer, previous?: ParsedFile, path = 'f.yaml') {
  return parseFile(path, Buffer.from(text as string), { ...settings, previous });
}

/** `Kind/name@line:col` of the documents, and `line:col code` of the problems. */
function outline({ file }: ParsedFile) {
  const documents = file.documents
    .filter((document) => document.resource)
    .map(({ id, origin }) => `${id!.kind}/${id!.name}@${origin.line}:${origin.col}`);
  const problems = [
    ...file.problems,
    ...file.documents.flatMap((document) => document.problems),
  ].map(({ code, position }) => `${position!.line}:${position!.col} ${code}`);
  return { documents, problems, whole: file.whole };
}

async function check(
  t: Test,
  text: string | Buffer,
  expected: Partial<ReturnType<typeof outline>>,
) {
  const found = outline(await parse(text));
  t.match(found, { documents: [], problems: [], whole: true, ...expected });
  t.same(found.documents, expected.documents ?? []);
  t.same(found.problems, expected.problems ?? []);
}

const head = (name: string) => `apiVersion: things/v1\nkind: Thing\nmetadata: {name: ${name}}\n`;

t.test('documents and their places', async (t) => {
  await check(t, thing('a'), { documents: ['Thing/a@1:1'] });
  await check(t, `# note\n\n${thing('a')}---\n${thing('b')}---\n# none\n---\n\n${thing('c')}`, {
    documents: ['Thing/a@3:1', 'Thing/b@10:1', 'Thing/c@20:1'],
  });
  await check(t, `%YAML 1.2\n---\n${thing('a')}...\n---\n${thing('b')}`, {
    documents: ['Thing/a@3:1', 'Thing/b@11:1'],
  });
  await check(
    t,
    '{\n\t"kind": "Thing",\n\t"metadata": {"name": "a"},\n\t"spec": {"size": "x"}\n}\n',
    {
      problems: ['4:19 wrong-type'],
    },
  );
  await check(t, '{"kind":"Thing","metadata":{"name":"a"},"spec":{"size":1}}', {
    documents: ['Thing/a@1:1'],
  });
});

t.test('empty files are whole and hold nothing', async (t) => {
  for (const text of [
    '',
    '\n',
    '# only\n# comments\n',
    '---\n',
    '---\n---\n# x\n---\n',
    'null\n',
    '\ufeff',
    '...\n',
  ]) {
    await check(t, text, {});
  }
});

t.test('places of problems', async (t) => {
  await check(t, `${head('a')}spec:\n  size: 1\n  colour: red\n`, {
    problems: ['6:3 unknown-field'],
  });
  await check(t, `${head('a')}spec:\n  size: "1"\n`, { problems: ['5:9 wrong-type'] });
  await check(t, `${head('a')}spec:\n  size:\n`, { problems: ['5:3 wrong-type'] });
  await check(t, `${head('a')}spec:\n  size:\n    - deep\n`, { problems: ['6:5 wrong-type'] });
  await check(t, `${head('a')}spec:\n  items: []\n`, { problems: ['4:1 missing-field'] });
  await check(t, head('a'), { problems: ['1:1 missing-field'] });
  await check(t, `${head('a')}spec: &s {size: no}\n`, { problems: ['4:17 wrong-type'] });
  await check(t, `${thing('a')}---\n- 1\n- 2\n`, {
    documents: ['Thing/a@1:1'],
    problems: ['8:1 not-a-resource'],
    whole: false,
  });
  await check(t, 'kind: Other\nmetadata: {name: x}\n', { problems: ['1:7 unknown-kind'] });
  await check(t, 'apiVersion: things/v1\nkind: Thingg\nmetadata: {name: x}\n', {
    problems: ['2:7 unknown-kind'],
  });
});

t.test('CRLF and a byte order mark do not move columns', async (t) => {
  const text = `\ufeff${head('a')}spec:\n  size: x\n`.replaceAll('\n', '\r\n');
  await check(t, text, { problems: ['5:9 wrong-type'] });
  await check(t, `\ufeff${thing('a')}---\n${thing('b')}`.replaceAll('\n', '\r\n'), {
    documents: ['Thing/a@1:1', 'Thing/b@8:1'],
  });
});

t.test('lists', async (t) => {
  const item = (name: string, size: string) =>
    `- apiVersion: things/v1\n  kind: Thing\n  metadata: {name: ${name}}\n  spec:\n    size: ${size}\n`;
  await check(
    t,
    `apiVersion: v1\nkind: List\nitems:\n${item('a', '1')}${item('b', 'x')}${item('c', '3')}`,
    {
      documents: ['Thing/a@4:3', 'Thing/c@14:3'],
      problems: ['13:11 wrong-type'],
    },
  );
  await check(
    t,
    'kind: ThingList\napiVersion: things/v1\nitems:\n- metadata: {name: a}\n  spec: {size: 1}\n- metadata: {name: b}\n  spec: {sise: 1, size: 1}\n',
    { documents: ['Thing/a@4:3'], problems: ['7:10 unknown-field'] },
  );
  await check(t, 'kind: List\napiVersion: v1\nitems:\n', {});
  await check(t, 'kind: List\napiVersion: v1\nitems: []\n', {});
});

t.test('a broken document does not spoil its neighbours', async (t) => {
  for (const [broken, problem] of [
    ['a: [1, 2\n', '9:1 yaml-syntax'],
    ['a: "open\n', '9:1 yaml-syntax'],
    ['a: 1\n\tb: 2\n', '9:1 yaml-syntax'],
    ['a: 1\na: 2\n', '9:1 yaml-syntax'],
    ['a: *nobody\n', '8:4 yaml-syntax'],
    ['a: {b: 1\n', '9:1 yaml-syntax'],
    ['a: @b\n', '8:4 yaml-syntax'],
    ['%: x: y\n', undefined],
  ] as const) {
    const found = outline(await parse(`${thing('a')}---\n${broken}---\n${thing('b')}`));
    t.same(found.documents.length, 2, broken);
    t.same(found.whole, false, broken);
    if (problem !== undefined) t.equal(found.problems[0], problem, broken);
  }
});

t.test('duplicate keys, wherever they are', async (t) => {
  await check(t, `${head('a')}spec:\n  size: 1\n  size: 2\n`, {
    problems: ['6:3 yaml-syntax'],
    whole: false,
  });
  await check(t, '{"kind":"Thing","metadata":{"name":"a","name":"b"}}', {
    problems: ['1:40 yaml-syntax'],
    whole: false,
  });
});

t.test('values are those of the YAML 1.2 core schema', async (t) => {
  t.same(
    parseYamlText(
      'a: 1\nb: 0x1F\nc: yes\nd: ~\ne: 2024-01-02\nf: 1e3\ng: true\nh: "1"',
      defaultLimits,
    ),
    {
      a: 1,
      b: 31,
      c: 'yes',
      d: null,
      e: '2024-01-02',
      f: 1000,
      g: true,
      h: '1',
    },
  );
  t.same(parseYamlText('%YAML 1.1\n---\na: yes\nb: 2024-01-02', defaultLimits), {
    a: 'yes',
    b: '2024-01-02',
  });
  t.same(parseYamlText('base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b', defaultLimits), {
    base: { x: 1, y: 2 },
    one: { x: 1, y: 3 },
    two: { x: 1, y: 2 },
  });
  t.same(parseYamlText('1: a\ntrue: b\n"<<": c', defaultLimits), { 1: 'a', true: 'b', '<<': 'c' });
  const odd = parseYamlText('__proto__: {polluted: 1}', defaultLimits) as object;
  t.equal(Object.getPrototypeOf(odd), Object.prototype);
  t.same(Object.keys(odd), ['__proto__']);
  for (const bad of ['? [a]\n: 1', 'a: &x [*x]', '<<: 3', 'a: 1\na: 2', '~: 1']) {
    t.throws(() => parseYamlText(bad, defaultLimits), { message: /line \d+, column \d+/ }, bad);
  }
});

t.test('YAML inside a value is reported at its key', async (t) => {
  await check(t, `${head('a')}spec:\n  size: 1\n  text: |\n    x: [\n`, {
    problems: ['6:3 yaml-syntax'],
  });
});

t.test('locate answers from the kept text', async (t) => {
  const text = `# one\n---\n# two\n${thing('a')}---\nkind: List\nitems:\n- ${thing('b').replaceAll('\n', '\n  ')}  items: [{x: 1}]\n`;
  const { file } = await parse(text);
  const [a, b] = file.documents;
  t.equal(formatPosition(a!.origin), 'f.yaml:4:1');
  t.equal(formatPosition(a!.origin.locate(['spec', 'size'])), 'f.yaml:9:9');
  t.equal(formatPosition(a!.origin.locate(['spec', 'size'], 'key')), 'f.yaml:9:3');
  t.equal(formatPosition(a!.origin.locate(['spec', 'nothing', 'there'])), 'f.yaml:8:1');
  t.equal(formatPosition(a!.origin.locate([])), 'f.yaml:4:1');
  t.equal(formatPosition(b!.origin.locate(['spec', 'items', 0, 'x'])), 'f.yaml:19:17');
  const loop = await parse('a: &a\n  <<: *a\n');
  t.equal(formatPosition(loop.file.documents[0]!.origin.locate(['a', 'b'])), 'f.yaml:1:1');
});

t.test('what did not change is the same object', async (t) => {
  const one = await parse(`${thing('a')}---\n${thing('b')}---\n${thing('c')}`);
  t.equal(await parse(`${thing('a')}---\n${thing('b')}---\n${thing('c')}`, one), one);
  const two = await parse(`${thing('a')}---\n${thing('b', 2)}# more\n---\n${thing('c')}`, one);
  t.equal(two.file.documents[0], one.file.documents[0]);
  t.not(two.file.documents[1]!.resource, one.file.documents[1]!.resource);
  t.equal(two.file.documents[2]!.resource, one.file.documents[2]!.resource, 'moved by a line');
  t.equal(two.file.documents[2]!.origin.line, one.file.documents[2]!.origin.line + 1);
});
