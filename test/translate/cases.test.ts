// Every case of test/cases: YAML in, Envoy JSON out, the same for any order of documents, and accepted by a real
// Envoy, or gRPC client. UPDATE=1 writes the expectations anew (CASE=name: of one case); read each before it is committed.
import t, { type Test } from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { findEnvoy, validateBootstrap } from '../envoy/envoy-process.js';
import { staticBootstrap } from './case-bootstrap.js';
import { type Case, findCases, readExpected, writeExpected } from './case-files.js';
import { type CaseRun, runCase } from './case-run.js';
import { grpcRefusals } from './grpc-validate.js';

const update = process.env['UPDATE'] === '1';
const only = process.env['CASE'];
const cases = findCases().filter(({ name }) => !only || name === only);

t.setTimeout(180_000);
t.ok(cases.length > 0, 'there are cases');
t.doesNotThrow(findEnvoy, 'a real Envoy is there');

for (const test of cases) {
  void t.test(test.name, async (t) => {
    const run = await runCase(test, test.documents);
    t.strictSame(run.unknown, [], 'every field is known to the protos');
    if (update) writeExpected(test.name, run.files);
    compare(t, readExpected(test.name), run.files);
    for (const documents of otherOrders(test)) {
      const again = await runCase(test, documents);
      t.strictSame(again.files, run.files, 'another order of documents gives the same');
    }
    validate(t, run);
  });
}

void t.test('a configuration that Envoy refuses is noticed', async (t) => {
  const broken = {
    name: 'x',
    lb_policy: 'MAGLEV',
    maglev_lb_config: { table_size: { value: 10 } },
  };
  const resources = new Map([[CLUSTER, new Map([['x', broken]])]]);
  t.match(validateBootstrap(staticBootstrap(resources)), /prime/, 'a table size that is no prime');
});

function compare(
  t: Test,
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): void {
  t.strictSame([...actual.keys()].sort(), [...expected.keys()].sort(), 'the same files');
  for (const [file, text] of actual) {
    const wanted = expected.get(file);
    if (wanted === undefined) continue;
    if (file.endsWith('.json')) t.strictSame(JSON.parse(text), JSON.parse(wanted), file);
    else t.equal(text, wanted, file);
  }
}

/** Backwards, and from the middle: each pair of documents changes places in one of them. */
function otherOrders({ documents }: Case): string[][] {
  const backwards = [...documents].reverse();
  const middle = Math.floor(backwards.length / 2);
  return [backwards, [...backwards.slice(middle), ...backwards.slice(0, middle)]];
}

function validate(t: Test, run: CaseRun): void {
  for (const [proxy, resources] of run.translations) {
    if (run.views.get(proxy)?.proxy.generator === 'grpc') {
      t.strictSame(grpcRefusals(resources), [], `a gRPC client accepts ${proxy}`);
      continue;
    }
    t.equal(validateBootstrap(staticBootstrap(resources)), undefined, `Envoy accepts ${proxy}`);
  }
}
