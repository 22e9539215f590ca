// Random YAML near the border of what plain-yaml.ts reads: documents of its forms, lines of them in any order, and
// texts with a few characters or lines changed.
import fc from 'fast-check';

/** One text with what it lists, for many short texts. */
function list(text: string): string[] {
  return text.split(/\s*¦\s*/);
}

const keys = [
  ...list(
    'a ¦ b ¦ c ¦ d ¦ e ¦ f ¦ apiVersion ¦ metadata ¦ name ¦ items ¦ spec ¦ size ¦ app.io/x-y ¦ _ ¦ no',
  ),
  ...list(`"a" ¦ 'b' ¦ "x y" ¦ constructor`),
];
const oddKeys = list(
  String.raw`"a b: c" ¦ "" ¦ null ¦ True ¦ ~ ¦ 1 ¦ 0x1f ¦ << ¦ __proto__ ¦ "__proto__" ¦ a b ¦ "a\n" ¦ 'a''b' ¦
    ? a ¦ &x a ¦ *x ¦ -a ¦ .inf ¦ a:b ¦ "a"b ¦ é`,
);
const values = list(
  String.raw`a ¦ Thing ¦ List ¦ 1 ¦ -2.5 ¦ 10.0.0.1 ¦ /x ¦ a b ¦ a, b ¦ 'a' ¦ "b" ¦ "b\\d\n" ¦ true ¦ ~ ¦ [] ¦ {} ¦ [a, 1, "x"] ¦ {a: b} ¦
    {a: b, c: {d: [e]}} ¦ [[a], {b: c}]`,
);
const oddValues = list(
  String.raw`null ¦ NULL ¦ Null ¦ nULL ¦ False ¦ TRUE ¦ yes ¦ on ¦ 0 ¦ -0 ¦ +1 ¦ 007 ¦ 0o17 ¦ 0x1F ¦ 0xg ¦ 1_000 ¦ 1e3 ¦ 1E-3 ¦
    .5 ¦ 5. ¦ -.5 ¦ 1.50 ¦ .inf ¦ -.Inf ¦ +.INF ¦ .nan ¦ .NaN ¦ -.nan ¦ 2024-01-02 ¦ 12:30:45 ¦ 1:2 ¦ a:b ¦ ::1 ¦ a: ¦ :a ¦
    -a ¦ - ¦ -- ¦ --- ¦ ... ¦ a#b ¦ #a ¦ =a ¦ <a ¦ << ¦ 99999999999999999999 ¦ 1e999 ¦ 0b1 ¦ 0x ¦ 0o8 ¦ a] ¦ a} ¦ @a ¦ %a ¦ !a ¦
    &a ¦ *a ¦ |a ¦ >a ¦ ?a ¦ \a ¦ ^a ¦ $(a) ¦ (a) ¦ a : b ¦ a: b ¦ a #b ¦ 'a''b' ¦ 'a"b' ¦ "a'b" ¦ "a\n" ¦ "\/\"" ¦ "\u00e9" ¦ "\x" ¦ "\\" ¦ "a\" ¦ 'a\' ¦ 'a' b ¦ "a"b ¦
    "a": b ¦ " a " ¦ a  b ¦ [a: b] ¦ [a,b] ¦ [a, ] ¦ [ ] ¦ [,] ¦ [a b] ¦ [a:b] ¦ ["a":b] ¦ [a]b ¦ [a]: b ¦ [a}] ¦ [a ¦
    {a: b, a: c} ¦ {a} ¦ {a:b} ¦ {"a":b} ¦ {a: } ¦ {a: b,} ¦ {a: b c} ¦ {a: b #c} ¦ {null: a} ¦ {a: b} # c ¦ {a: b}#c ¦
    {a: -1, b: ~} ¦ {a: x/*} ¦ [*] ¦ [-, a] ¦ [- a] ¦ {a: {b: {c: {d: e}}}} ¦ {a: b: c} ¦ {__proto__: a} ¦ a — ¦ é ¦ — ¦ | ¦ > ¦ |- ¦`,
);

const commonKey = fc.constantFrom(...keys);
const commonValue = fc.constantFrom(...values);
const anyKey = fc.oneof({ weight: 9, arbitrary: commonKey }, fc.constantFrom(...oddKeys));
const anyValue = fc.oneof({ weight: 4, arbitrary: commonValue }, fc.constantFrom(...oddValues));
const rest = fc.oneof(
  { weight: 9, arbitrary: fc.constant('') },
  fc.constantFrom(' ', '  ', ' #', ' # a: b', '#', '  # —'),
);
const between = fc.oneof(
  { weight: 12, arbitrary: fc.constant<string[]>([]) },
  fc.constantFrom('', '#', '  # x', '   ', '      # - a: b').map((line) => [line]),
);

/** Lines of a node in a column; the first without its indentation. */
type Block = (indent: number) => string[];

const pad = (indent: number) => ' '.repeat(indent);

const literal = fc
  .tuple(
    fc.constantFrom('|', '|', '|', '|-', '|-', '|+', '>', '|2', '| # x', '|  '),
    fc.array(
      fc.constantFrom('a', 'a: b', '- c', '# d', ' e', '   f', '', '', '  ', '    ', '\t', '"'),
      {
        maxLength: 5,
      },
    ),
    fc.constantFrom(1, 2, 2, 2, 2, 4),
    fc.boolean(),
  )
  .map(
    ([header, lines, more, trimmed]): Block =>
      (indent) => {
        const from = pad(indent + more);
        return [header, ...lines.map((line) => (trimmed ? (from + line).trimEnd() : from + line))];
      },
  );

function leaf(value: fc.Arbitrary<string>): fc.Arbitrary<Block> {
  const short = fc.tuple(value, rest).map(
    (parts): Block =>
      () => [parts.join('')],
  );
  return fc.oneof({ weight: 12, arbitrary: short }, literal);
}

function entry(
  key: fc.Arbitrary<string>,
  short: fc.Arbitrary<Block>,
  long: fc.Arbitrary<Block>,
): fc.Arbitrary<Block> {
  const onLine = fc.tuple(key, short, between).map(
    ([key, short, between]): Block =>
      (indent) => {
        const [line = '', ...lines] = short(indent);
        return [`${key}: ${line}`, ...lines, ...between];
      },
  );
  const more = fc.constantFrom(0, 1, 2, 2, 2, 4);
  const below = fc.tuple(key, rest, between, more, long).map(
    ([key, rest, between, more, long]): Block =>
      (indent) => {
        const [line = '', ...lines] = long(indent + more);
        return [`${key}:${rest}`, ...between, `${pad(indent + more)}${line}`, ...lines];
      },
  );
  return fc.oneof({ weight: 3, arbitrary: onLine }, { weight: 2, arbitrary: below });
}

function item(value: fc.Arbitrary<Block>): fc.Arbitrary<Block> {
  return fc.tuple(value, fc.constantFrom(1, 1, 1, 2, 3), between).map(
    ([value, spaces, between]): Block =>
      (indent) => {
        const [line = '', ...lines] = value(indent + 1 + spaces);
        return [`-${pad(spaces)}${line}`, ...lines, ...between];
      },
  );
}

function several(parts: fc.Arbitrary<Block>): fc.Arbitrary<Block> {
  return fc.array(parts, { minLength: 1, maxLength: 4 }).map(
    (parts): Block =>
      (indent) =>
        parts.flatMap((part, at) => {
          const [line = '', ...lines] = part(indent);
          return [at === 0 ? line : pad(indent) + line, ...lines];
        }),
  );
}

function document(key: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const { collection } = fc.letrec<{ collection: Block; block: Block; long: Block }>((tie) => ({
    block: fc.oneof({ maxDepth: 4 }, leaf(value), tie('collection')),
    long: fc.oneof({ weight: 9, arbitrary: tie('collection') }, leaf(value)),
    collection: fc.oneof(
      { maxDepth: 4 },
      several(item(leaf(value))),
      several(entry(key, leaf(value), tie('long'))),
      several(item(tie('block'))),
    ),
  }));
  const before = fc.constantFrom('', '', '', '---\n', '# x\n---\n', '\n', '--- # x\n', '  # x\n');
  const end = fc.constantFrom('\n', '\n', '', '\n\n', '\n# x', '\n\n');
  return fc
    .tuple(before, collection, fc.constantFrom(0, 0, 0, 0, 2), end)
    .map(
      ([before, lines, indent, end]) => `${before}${pad(indent)}${lines(indent).join('\n')}${end}`,
    );
}

const line = fc
  .record({
    indent: fc.constantFrom(0, 0, 0, 2, 2, 4, 1, 3),
    dashes: fc.constantFrom('', '', '', '- ', '- ', '-', '- - ', '-  - ', '-   '),
    key: fc.option(anyKey),
    value: anyValue,
    rest,
  })
  .map(({ indent, dashes, key, value, rest }) => {
    const text = key === null ? value : `${key}:${value === '' ? '' : ' '}${value}`;
    return `${pad(indent)}${dashes}${text}${rest}`;
  });

const pieces = [
  ...' \n:-#"\'[]{},&*|>%?!@`~\t\r\\0e._<',
  ...[
    '\u2014',
    '\ufeff',
    '\u00a0',
    '\u2028',
    '\u0085',
    '\x1f',
    '\x7f',
    ': ',
    ' #',
    '- ',
    '---',
    '...',
    '\n  ',
  ],
];

type Change = (text: string) => string;

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const changeOfCharacters: fc.Arbitrary<Change> = fc
  .record({ at, remove: fc.nat(2), insert: fc.oneof(fc.constant(''), fc.constantFrom(...pieces)) })
  .map(({ at, remove, insert }) => (text) => {
    const start = Math.floor(at * (text.length + 1));
    return text.slice(0, start) + insert + text.slice(start + remove);
  });

const changeOfLines: fc.Arbitrary<Change> = fc
  .record({
    at,
    to: at,
    how: fc.constantFrom('more', 'less', 'copy', 'move', 'drop', 'cut', 'unquote', 'value', 'line'),
    value: anyValue,
    line,
  })
  .map(({ at, to, how, value, line }) => (text) => {
    const lines = text.split('\n');
    const from = Math.floor(at * lines.length);
    const old = lines[from]!;
    const changed = {
      more: [` ${old}`],
      less: [old.replace(/^ /, '')],
      copy: [old, old],
      move: [],
      drop: [],
      cut: [old.slice(0, Math.floor(to * old.length))],
      unquote: [old.replaceAll(/["']/g, '')],
      value: [old.replace(/(?<=[:-] ).*/, value)],
      line: [line],
    }[how];
    lines.splice(from, 1, ...changed);
    if (how === 'move') lines.splice(Math.floor(to * lines.length), 0, old);
    return lines.join('\n');
  });

const changes = fc.oneof(
  fc.constant<Change[]>([]),
  fc.array(fc.oneof(changeOfCharacters, changeOfLines), { minLength: 1, maxLength: 3 }),
);

/** Texts of all these sorts; `samples` are changed too. */
export function yamlTexts(samples: readonly string[]): fc.Arbitrary<string> {
  const lines = fc.array(line, { minLength: 1, maxLength: 6 }).map((it) => it.join('\n'));
  const text = fc.oneof(
    { weight: 3, arbitrary: document(commonKey, commonValue) },
    { weight: 2, arbitrary: document(anyKey, anyValue) },
    { weight: 2, arbitrary: lines },
    { weight: 2, arbitrary: fc.constantFrom(...samples) },
  );
  return fc
    .tuple(text, changes)
    .map(([text, changes]) => changes.reduce((changed, change) => change(changed), text));
}
