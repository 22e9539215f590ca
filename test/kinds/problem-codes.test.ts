// docs/problems.md has a line for each problem code, with the meaning that the catalogue gives it, and no other.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { problemCodes } from '../../src/kinds/problem-codes.js';

const page = readFileSync(new URL('../../docs/problems.md', import.meta.url), 'utf8');
const rows = new Map(
  [...page.matchAll(/^\| `([a-z-]+)` \| (.+?) \| (.+) \|$/gm)].map(([, code, meaning, advice]) => [
    code,
    { meaning, advice },
  ]),
);

t.test('each code has a line', async (t) => {
  for (const [code, meaning] of Object.entries(problemCodes)) {
    const row = rows.get(code);
    t.ok(row, `docs/problems.md has a line for ${code}`);
    t.ok(row?.meaning?.startsWith(meaning), `the line of ${code} says: ${meaning}`);
  }
});

t.test('each line has a code', async (t) => {
  t.strictSame(
    [...rows.keys()].filter((code) => !Object.hasOwn(problemCodes, code!)),
    [],
  );
});
