// What the quick reader of plain YAML gives is what the reader with positions gives; and it reads what people write.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { composeYaml } from '../../src/config/compose-yaml.js';
import { defaultLimits, type Limits } from '../../src/config/limits.js';
import { FieldFinder, LineIndex } from '../../src/config/locate.js';
import { parseChunk } from '../../src/config/parse-chunk.js';
import { PlainPlaces } from '../../src/config/plain-places.js';
import { readPlainYaml } from '../../src/config/plain-yaml.js';
import { splitDocuments } from '../../src/config/split-documents.js';
import { yamlValue } from '../../src/config/yaml-value.js';
import type { FieldPath } from '../../src/kinds/problem.js';
import { parseResource } from '../../src/kinds/registry.js';
import { yamlTexts } from './random-yaml.js';
import { parseThing } from './stand-in.js';

t.setTimeout(600_000);

/** `RUNS=100000 npx tap test/config/plain-yaml.test.ts` looks longer. */
const runs = Number(process.env['RUNS'] ?? 3000);

const project = fileURLToPath(new URL('../..', import.meta.url));
const samples = ['examples', 'test/cases'].flatMap((folder) =>
  readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.ya?ml$/.test(path) && !path.includes('node_modules'))
    .flatMap((path) => splitDocuments(readFileSync(join(project, folder, path), 'utf8')))
    .map(({ text }) => text),
);

/** The same document in a form that is not plain. */
function notPlain(text: string): string {
  return `${text}${text.endsWith('\n') ? '' : '\n'}#\t\n`;
}

/** Paths of everything in a value, and of things that are not there. */
function pathsOf(value: unknown, path: FieldPath = []): FieldPath[] {
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value ?? {});
  const below =
    typeof value === 'object'
      ? entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))
      : [];
  return [path, [...path, 'none'], [...path, 0], ...below];
}

/** Undefined where the text is not plain or is read alike; else what is different. */
function difference(text: string, limits: Limits): unknown {
  const plain = readPlainYaml(text, limits);
  if (plain === undefined) return undefined;
  const composed = composeYaml(text, limits);
  const { node, errors, offset } = composed[0]!;
  if (composed.length !== 1 || node === undefined || errors.length > 0) return { composed, plain };
  const read = yamlValue(node, limits);
  const lines = new LineIndex(text);
  const finder = new FieldFinder(node);
  const places = new PlainPlaces(text, limits);
  for (const path of pathsOf(plain.value)) {
    for (const end of ['key', 'value'] as const) {
      const place = { here: places.place(path, end), there: lines.place(finder.offset(path, end)) };
      if (!isDeepStrictEqual(place.here, place.there)) return { path, end, place };
    }
  }
  const same =
    isDeepStrictEqual(read, { value: plain.value, errors: [] }) &&
    JSON.stringify(read.value) === JSON.stringify(plain.value) &&
    isDeepStrictEqual(lines.place(offset), plain.place) &&
    offset === plain.offset;
  return same ? undefined : { read, plain };
}

/** Whether all that is said of the text, positions included, is the same without the quick reader. */
function isCheckedAlike(text: string, parse: typeof parseResource): boolean {
  if (readPlainYaml(text, defaultLimits) === undefined) return true;
  const settings = { parseResource: parse, limits: defaultLimits };
  const other = notPlain(text);
  return (
    readPlainYaml(other, defaultLimits) === undefined &&
    isDeepStrictEqual(parseChunk(text, settings), parseChunk(other, settings))
  );
}

t.test('what is plain is read as by the reader with positions', async (t) => {
  let plain = 0;
  fc.assert(
    fc.property(yamlTexts(samples), (text) => {
      if (readPlainYaml(text, defaultLimits)) plain++;
      const found = difference(text, defaultLimits);
      if (found !== undefined) throw new Error(JSON.stringify(found, undefined, 1));
      return isCheckedAlike(text, parseThing);
    }),
    { numRuns: runs },
  );
  t.ok(plain > runs / 5, `${plain} of ${runs} texts are plain`);
});

t.test('no limit is passed over', async (t) => {
  const limits = fc.record({ depth: fc.nat(6), documentTokens: fc.nat(200) });
  fc.assert(
    fc.property(yamlTexts(samples), limits, (text, some) => {
      return difference(text, { ...defaultLimits, ...some }) === undefined;
    }),
    { numRuns: runs },
  );
  t.pass();
});

t.test('scalars in every spelling', async (t) => {
  const characters = fc.constantFrom(...'01789abeEfFiInNlLtTruUsoxX.-+~_:#, ');
  const text = fc.oneof(
    fc.string({ unit: characters, minLength: 1, maxLength: 6 }),
    fc.stringMatching(/^[-+]?0?[xo]?\.?[0-9]{1,30}\.?[0-9]{0,3}([eE][-+]?[0-9]{1,3})?$/),
  );
  fc.assert(
    fc.property(text, (scalar) => {
      for (const text of [
        `a: ${scalar}`,
        `- ${scalar}`,
        `a: [${scalar}]`,
        `{a: ${scalar}}`,
        `${scalar}: a`,
      ]) {
        const found = difference(text, defaultLimits);
        if (found !== undefined) throw new Error(JSON.stringify(found, undefined, 1));
      }
    }),
    { numRuns: runs },
  );
  t.pass();
});

t.test('the documents of the examples and cases are plain', async (t) => {
  for (const text of samples) {
    if (difference(text, defaultLimits)) t.fail(text);
    if (!isCheckedAlike(text, parseResource)) t.fail(text);
  }
  const plain = samples.filter((text) => readPlainYaml(text, defaultLimits));
  const all = samples.filter((text) => composeYaml(text, defaultLimits)[0]?.node);
  t.ok(plain.length > all.length * 0.95, `${plain.length} of ${all.length}`);
});
