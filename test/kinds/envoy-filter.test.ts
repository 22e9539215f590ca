// Operations of EnvoyFilters that have no effect where they stand, with Istio's codes. Values that Envoy's protos do not
// have are in test/cases/ef-mistakes.
import t from 'tap';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf } from './check-document.js';

const table: [applyTo: string, operation: string, istio: string | undefined][] = [
  ['CLUSTER', 'REPLACE', 'IST0152'],
  ['ROUTE_CONFIGURATION', 'ADD', 'IST0153'],
  ['ROUTE_CONFIGURATION', 'REMOVE', 'IST0154'],
  ['EXTENSION_CONFIG', 'MERGE', undefined],
];

for (const [applyTo, operation, istio] of table) {
  t.test(`${operation} of ${applyTo}`, async (t) => {
    const patch = { operation, value: { name: 'x' } };
    const { resource, problems } = parseResource(
      documentOf('EnvoyFilter', { configPatches: [{ applyTo, patch }] }),
    );
    t.ok(resource);
    const found = problems.map((p) => [p.severity, p.code, p.istio]);
    t.strictSame(found, [['warning', 'no-effect', istio]]);
  });
}
