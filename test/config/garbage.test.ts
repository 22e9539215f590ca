// Whatever a file holds: no crash, bounded time, and a problem with a position.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { defaultLimits } from '../../src/config/limits.js';
import { parseFile } from '../../src/config/parse-file.js';
import { parseThing, thing } from './stand-in.js';

const settings = { parseResource: parseThing, limits: defaultLimits };
const mega = 1 << 19;

// Much work by intention, and the machine may be busy.
t.setTimeout(180_000);

/** Of CPU time, collecting garbage included; most take a tenth of it. */
const boundMs = 5000;

const laughs = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
for (let i = 1; i < 10; i++) laughs.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
const ladder = ['a0: &a0 [x]'];
for (let i = 1; i < 100; i++) ladder.push(`a${i}: &a${i} [*a${i - 1}]`);

/** Name, contents, and the code and place of the first problem; undefined where any will do. */
const table: [string, string | Buffer, string | undefined][] = [
  ['truncated in a key', 'apiVersion: things/v1\nkin', 'yaml-syntax 2:1'],
  ['truncated in a quote', 'apiVersion: "thin', '1:18'],
  ['random bytes', randomBytes(5000), undefined],
  ['NUL bytes', 'a: 1\nb: \0\0', 'yaml-syntax 2:4'],
  ['PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'yaml-syntax 1:1'],
  ['bad UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xc3, 0xa9, 0x0a, 0x62, 0xff]), 'yaml-syntax 2:2'],
  ['cut UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xc3]), 'yaml-syntax 1:4'],
  ['UTF-16', Buffer.from('\ufeffa: 1', 'utf16le'), 'yaml-syntax 1:1'],
  ['escape sequences', 'a: \x1b[31m', 'yaml-syntax 1:4'],
  ['tabs', 'a:\n\tb: 1\n', 'yaml-syntax 2:1'],
  ['a scalar', 'hello', 'not-a-resource 1:1'],
  ['a number', '42', 'not-a-resource 1:1'],
  ['a sequence', '- a\n- b\n', 'not-a-resource 1:1'],
  [
    'wrong types everywhere',
    'apiVersion: []\nkind: {}\nmetadata: 3\nspec: x\n',
    'not-a-resource 1:1',
  ],
  ['duplicate key', `${thing('a')}spec: {}\n`, 'yaml-syntax 7:1'],
  ['merge conflict', `${thing('a')}<<<<<<< HEAD\n=======\n>>>>>>> x\n`, undefined],
  ['HTML', '<html><body>&nbsp;</body></html>', 'not-a-resource 1:1'],
  ['unknown tag only', '!!js/function "x"', 'yaml-syntax 1:1'],
  ['billion laughs', laughs.join('\n'), 'too-large'],
  ['ladder of aliases', ladder.join('\n'), 'too-large'],
  ['alias to itself', 'a: &a {b: *a}\n', 'yaml-syntax 1:11'],
  ['too many bytes', Buffer.alloc(defaultLimits.fileBytes + 1, 0x20), 'too-large 1:1'],
  ['too many tokens', '- a\n'.repeat(mega / 4), 'too-large'],
  ['too many documents', '---\n{}\n'.repeat(25_000), 'too-large'],
  ['deep [', '['.repeat(mega), 'too-large 1:6'],
  ['deep {', '{'.repeat(mega), 'too-large 1:6'],
  ['deep [ closed', '['.repeat(9999) + ']'.repeat(9999), 'too-large 1:6'],
  ['deep - -', '- '.repeat(mega / 2), 'too-large 1:'],
  ['deep ? ?', '? '.repeat(mega / 2), 'too-large 1:'],
  ['deep a: a:', 'a: '.repeat(mega / 3), 'too-large 1:'],
  [
    'deep block',
    Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    'too-large',
  ],
  ['deep JSON', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 'too-large'],
  ['commas', `[${','.repeat(mega)}`, 'too-large'],
  ['few commas', `[${','.repeat(mega / 4)}`, 'yaml-syntax 1:'],
  ['closing brackets', ']'.repeat(mega / 4), 'yaml-syntax 1:1'],
  ['brackets back to back', ']['.repeat(mega / 8), undefined],
  ['anchors', '&a '.repeat(mega / 8), undefined],
  ['tags', '!a '.repeat(mega / 8), undefined],
  ['quotes', '"" '.repeat(mega / 8), 'yaml-syntax'],
  ['colons', ':\n'.repeat(mega / 8), undefined],
  ['many anchors', '- &a x\n'.repeat(40_000), 'not-a-resource'],
  ['many aliases', `- &a x\n${'- *a\n'.repeat(40_000)}`, 'too-large'],
  ['many equal keys', 'a: 1\n'.repeat(40_000), 'yaml-syntax 2:1'],
  ['many keys', Array.from({ length: 40_000 }, (_, i) => `a${i}: 1`).join('\n'), 'not-a-resource'],
  ['a huge plain scalar', `a: ${'x'.repeat(mega)}`, 'not-a-resource'],
  ['a huge quoted scalar', `a: "${'x\\n'.repeat(mega)}"`, 'not-a-resource'],
  ['a huge open quote', `a: "${'x\n  '.repeat(mega)}`, 'yaml-syntax'],
  ['a huge block scalar', `a: |\n${'  x\n'.repeat(mega)}`, 'not-a-resource'],
  ['a huge folded scalar', `a: >\n${'  x\n\n'.repeat(mega)}`, 'not-a-resource'],
  ['a huge key', `${'x '.repeat(mega)}: 1`, undefined],
  ['a huge number', `a: ${'1'.repeat(mega)}`, 'not-a-resource'],
  ['backslashes', `"${'\\'.repeat(mega)}`, 'yaml-syntax'],
  ['__proto__', '__proto__: {kind: Thing}\n', 'not-a-resource 1:1'],
  ['a key that is a mapping', '? {a: 1}\n: 2\n', 'yaml-syntax 1:3'],
  ['a broken list item', 'kind: List\nitems: [1, ~, {kind: Thing}]\n', 'not-a-resource 2:9'],
];

for (const [name, contents, expected] of table) {
  t.test(name, async (t) => {
    const before = process.cpuUsage();
    const { file } = await parseFile('g.yaml', Buffer.from(contents as string), settings);
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    t.ok(cpuMs < boundMs, `${cpuMs.toFixed(0)} ms of CPU`);
    const problems = [...file.problems, ...file.documents.flatMap((it) => it.problems)];
    const first = problems.map(
      ({ code, position }) => `${code} ${position?.line}:${position?.col}`,
    )[0];
    t.ok(first, 'has a problem');
    if (expected) t.ok(first?.includes(expected), `${first} has ${expected}`);
    t.ok(problems.every(({ position }) => position?.file === 'g.yaml' && position.line > 0));
    t.same(
      file.documents.filter((document) => document.resource),
      [],
    );
  });
}

t.test('blank files, however long, are no problem', async (t) => {
  for (const text of ['\n'.repeat(mega / 4), ' '.repeat(mega), '#\n'.repeat(mega / 8)]) {
    const { file } = await parseFile('g.yaml', Buffer.from(text), settings);
    t.same([file.documents, file.problems, file.whole], [[], [], true]);
  }
});

t.test('every prefix of a file parses without a crash', async (t) => {
  const text = `# x\n---\n${thing('a')}  text: |\n    b: [1]\n  items: [{a: "é\\n"}, &x 'b', *x]\n---\n${thing('b')}`;
  for (let end = 0; end <= text.length; end++) {
    const { file } = await parseFile('g.yaml', Buffer.from(text.slice(0, end)), settings);
    t.ok(file.documents.length <= 2);
  }
});

t.test('many documents leave the event loop free', async (t) => {
  let text = '';
  for (let i = 0; i < 3000; i++) text += `---\n${thing(`t${i}`)}`;
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const { Pace } = await import('../../src/config/pace.js');
  const { breathe } = new Pace(10);
  await parseFile('g.yaml', Buffer.from(text), { ...settings, breathe });
  clearInterval(timer);
  t.ok(turns > 3, `${turns} turns`);
});
