// docs/problems.md has a line for each problem code, with the meaning that the catalogue gives it, and no other.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { istioCode, istioCodesOf } from '../../src/kinds/istio-codes.js';
import { type ProblemCode, problemCodes } from '../../src/kinds/problem-codes.js';

const page = readFileSync(new URL('../../docs/problems.md', import.meta.url), 'utf8');
const rows = new Map(
  [...page.matchAll(/^\| `([a-z-]+)` \| (.+?) \| (.+?) \| (.+) \|$/gm)].map(
    ([, code, istio, meaning, advice]) => [code, { istio, meaning, advice }],
  ),
);

t.test('each code has a line', async (t) => {
  for (const [code, meaning] of Object.entries(problemCodes)) {
    const row = rows.get(code);
    t.ok(row, `docs/problems.md has a line for ${code}`);
    t.ok(row?.meaning?.startsWith(meaning), `the line of ${code} says: ${meaning}`);
    const istio = istioCodesOf(code as ProblemCode).join(', ') || '-';
    t.equal(row?.istio, istio, `the line of ${code} has Istio's codes`);
  }
});

t.test('each line has a code', async (t) => {
  t.strictSame(
    [...rows.keys()].filter((code) => !Object.hasOwn(problemCodes, code!)),
    [],
  );
});

t.test("Istio's code of a problem", async (t) => {
  const of = (kind: string) => ({ kind, namespace: 'n', name: 'x' });
  const error = { severity: 'error' as const };
  t.equal(istioCode({ code: 'unknown-field', ...error }), 'IST0106');
  t.equal(istioCode({ code: 'unknown-field', severity: 'warning' }), undefined);
  const unknown = { code: 'unknown-host', ...error };
  t.equal(istioCode({ ...unknown, resource: of('VirtualService') }), 'IST0101');
  t.equal(istioCode({ ...unknown, resource: of('DestinationRule') }), 'IST0174');
  t.equal(istioCode({ ...unknown, resource: of('Sidecar') }), undefined, 'Istio does not look');
  t.equal(istioCode({ code: 'nack', ...error }), undefined);
  t.equal(istioCode({ code: 'unverified-server', ...error, istio: 'IST0129' }), 'IST0129');
});
