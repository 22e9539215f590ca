// The order of EnvoyFilters of which one goes by a filter that another one adds.
import t from 'tap';
import { istioCode } from '../../src/kinds/istio-codes.js';
import { formatPath } from '../../src/kinds/problem.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { input, type Meta, make } from './resources.js';

const manager = 'envoy.filters.network.http_connection_manager';

const patchOf = (operation: string, name: string, by?: string, context?: string) => ({
  applyTo: 'HTTP_FILTER',
  match: {
    ...(context && { context }),
    ...(by && {
      listener: { filterChain: { filter: { name: manager, subFilter: { name: by } } } },
    }),
  },
  patch: { operation, value: { name } },
});

const adds = (context?: string) => patchOf('INSERT_BEFORE', 'lua', 'router', context);
const follows = (context?: string) => patchOf('INSERT_AFTER', 'mine', 'lua', context);

const filter = (name: string, patches: object[], more: object = {}, meta: Meta = {}) =>
  make('EnvoyFilter', name, { configPatches: patches, ...more }, meta);

function findings(...resources: readonly Resource[]): string[] {
  return analyzeMesh(buildMesh(input(...resources))).map((problem) => {
    const { severity, code, resource, path } = problem;
    return `${severity} ${code} ${istioCode(problem)} ${resource?.name} ${formatPath(path ?? [])}`;
  });
}

const early = ['warning patch-order IST0151 b spec.configPatches[0]'];
const byAge = ['info patch-order IST0151 b spec.configPatches[0]'];
const root = { namespace: 'istio-system' };

const table: [what: string, resources: () => readonly Resource[], expected: string[]][] = [
  ['nothing goes by it', () => [filter('a', [adds()]), filter('b', [adds()])], []],
  ['younger', () => [filter('a', [adds()]), filter('b', [follows()])], byAge],
  ['older', () => [filter('b', [follows()]), filter('a', [adds()])], early],
  [
    'of higher priority',
    () => [filter('b', [follows()], { priority: 1 }), filter('a', [adds()])],
    [],
  ],
  [
    'of lower priority',
    () => [filter('a', [adds()]), filter('b', [follows()], { priority: -1 })],
    early,
  ],
  ['after one of the root', () => [filter('b', [follows()]), filter('a', [adds()], {}, root)], []],
  ['in the root', () => [filter('a', [adds()]), filter('b', [follows()], {}, root)], early],
  [
    'of another namespace',
    () => [filter('b', [follows()]), filter('a', [adds()], {}, { namespace: 'far' })],
    [],
  ],
  [
    'for others',
    () => [filter('b', [follows('GATEWAY')]), filter('a', [adds('SIDECAR_INBOUND')])],
    [],
  ],
  ['in one', () => [filter('b', [adds(), follows()])], []],
  ['in one, too early', () => [filter('b', [follows(), adds()])], early],
  ['in one, and in another', () => [filter('b', [adds(), follows()]), filter('a', [adds()])], []],
];

for (const [what, resources, expected] of table) {
  t.test(what, async (t) => t.strictSame(findings(...resources()), expected));
}
