// parseResource takes anything: no document makes it throw, change its input, or take long.
import fc from 'fast-check';
import t from 'tap';
import { fieldsOf } from '../../src/kinds/fields.js';
import { apiVersionsOf, kindTable } from '../../src/kinds/kind-table.js';
import { parseResource } from '../../src/kinds/registry.js';
import { documentOf } from './check-document.js';
import * as samples from './samples.js';

const everything: unknown[] = [
  ...samples.virtualServices.map((spec) => documentOf('VirtualService', spec)),
  ...samples.destinationRules.map((spec) => documentOf('DestinationRule', spec)),
  ...samples.serviceEntries.map((spec) => documentOf('ServiceEntry', spec)),
  ...samples.workloadEntries.map((spec) => documentOf('WorkloadEntry', spec)),
  ...samples.services.map((spec) => documentOf('Service', spec)),
  ...samples.meshConfigs.map((spec) => documentOf('MeshConfig', spec)),
  { ...documentOf('EndpointSlice', undefined), ...samples.endpointSlice },
  { ...documentOf('Endpoints', undefined), ...samples.endpoints },
];

/** A document is refused with an error, or accepted without one; in both cases nothing is thrown. */
function holds(doc: unknown): boolean {
  const before = JSON.stringify(doc);
  const { resource, id, problems } = parseResource(doc, { parseYaml: JSON.parse });
  const errors = problems.filter((p) => p.severity === 'error').length;
  if (JSON.stringify(doc) !== before) return false;
  if (resource) return errors === 0 && id !== undefined;
  return problems.length > 0;
}

/** All places in a value. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  const here = path.length > 0 ? [path] : [];
  if (value === null || typeof value !== 'object') return here;
  const children: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  return [...here, ...children.flatMap(([key, child]) => places(child, [...path, key]))];
}

function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const copy = structuredClone(value);
  let owner = copy as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) owner = owner[step] as Record<string | number, unknown>;
  owner[path.at(-1)!] = by;
  return copy;
}

t.test('any JSON', async (t) => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), holds), { numRuns: 500 });
  t.pass();
});

t.test('any JSON as the spec of any kind', async (t) => {
  const spec = fc.jsonValue({ maxDepth: 6 });
  fc.assert(
    fc.property(fc.constantFrom(...kindTable), spec, (entry, value) =>
      holds({
        ...(value !== null && typeof value === 'object' ? value : {}),
        apiVersion: apiVersionsOf(entry)[0],
        kind: entry.kind,
        metadata: { name: 'a' },
        spec: value,
      }),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('any JSON at any place of a valid document', async (t) => {
  const names = kindTable.flatMap((entry) => fieldsOf(entry)).map((f) => f.path.split('.').at(-1)!);
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.dictionary(fc.constantFrom(...new Set(names)), fc.jsonValue({ maxDepth: 2 })),
    fc.constantFrom(
      '*',
      '',
      '0s',
      '-1s',
      '::',
      '%',
      '\u0000',
      '__proto__',
      'constructor',
      1e300,
      -0,
    ),
  );
  const target = fc
    .constantFrom(...everything)
    .chain((doc) => fc.tuple(fc.constant(doc), fc.constantFrom(...places(doc))));
  fc.assert(
    fc.property(target, value, ([doc, path], by) => holds(replaced(doc, path, by))),
    { numRuns: 2_000 },
  );
  t.pass();
});

t.test('keys that objects have by themselves', async (t) => {
  const spec = '{"host":"a","__proto__":{"x":1},"constructor":1,"toString":2,"hasOwnProperty":3}';
  const doc = documentOf('DestinationRule', JSON.parse(spec));
  t.equal(parseResource(doc).resource, undefined);
  const labels = JSON.parse('{"__proto__":"a","constructor":"b"}') as unknown;
  t.ok(holds({ ...doc, spec: { host: 'a', subsets: [{ name: 'a', labels }] } }));
  t.equal(({} as Record<string, unknown>)['x'], undefined);
});

t.test('nesting without end', async (t) => {
  let deep: unknown = {};
  for (let i = 0; i < 50_000; i++) deep = { a: deep };
  for (const entry of kindTable) {
    const doc = { apiVersion: apiVersionsOf(entry)[0], kind: entry.kind, metadata: { name: 'a' } };
    parseResource({ ...doc, spec: deep });
    parseResource({
      ...doc,
      spec: { extensionProviders: [{ name: 'a', envoyFileAccessLog: deep }] },
    });
    parseResource({ ...doc, metadata: deep });
  }
  t.pass();
});

t.test('hostile text takes no time', async (t) => {
  const long = 'a'.repeat(100_000);
  const started = process.hrtime.bigint();
  for (const host of [long, `${'a.'.repeat(50_000)}!`, `${'a-'.repeat(50_000)}`, `*${long}!`]) {
    parseResource(documentOf('DestinationRule', { host, exportTo: [host], [host]: 1 }));
    parseResource(documentOf('WorkloadEntry', { address: host, labels: { [host]: host } }));
    const match = [{ uri: { regex: host }, headers: { [host]: { regex: `(${host}` } } }];
    const headers = { request: { set: { a: `%${host}`, b: `%A(${'"'.repeat(50_001)}` } } };
    const http = [{ match, headers, route: [{ destination: { host } }], timeout: `${host}s` }];
    parseResource(documentOf('VirtualService', { hosts: [host], http }));
    parseResource({ ...documentOf('WorkloadEntry', { address: 'a' }), metadata: { name: host } });
  }
  const ms = Number(process.hrtime.bigint() - started) / 1e6;
  t.ok(ms < 2_000, `${ms.toFixed(0)} ms`);
});

t.test('a document is parsed well within a millisecond', async (t) => {
  const runs = 500;
  const doc = documentOf('VirtualService', samples.virtualServices[0]);
  for (let i = 0; i < 50; i++) parseResource(doc);
  const started = process.hrtime.bigint();
  for (let i = 0; i < runs; i++) parseResource(doc);
  const ms = Number(process.hrtime.bigint() - started) / 1e6 / runs;
  t.comment(`${ms.toFixed(3)} ms a document`);
  // Far above what it takes, so that a busy machine does not fail the test.
  t.ok(ms < 5, `${ms.toFixed(3)} ms`);
});
