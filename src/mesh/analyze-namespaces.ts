// Findings about exportTo: namespaces in which there is nothing. There is no list of namespaces; those that resources
// are in are known, and a client may live in another one, so this is worth knowing and no more.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import type { MeshKind } from './mesh.js';

const exported = [
  'ServiceEntry',
  'DestinationRule',
  'VirtualService',
] as const satisfies readonly MeshKind[];

/** Namespaces of exportTo in which no resource of the mesh is. */
export function analyzeNamespaces({ sorted }: Parts<'sorted'>): readonly Problem[] {
  const named = allNamed(...exported.map((kind) => namedBy(sorted[kind].sorted)));
  return unknownAmong(named, ...Object.values(sorted).map((kind) => namespacesOf(kind.sorted)));
}

/** An entry of exportTo, and what is to be said if its namespace is unknown. */
interface Named {
  entry: string;
  problem: Problem;
}

const allNamed = memoize((...named: readonly (readonly Named[])[]) => named.flat());

const unknownAmong = memoize(
  (named: readonly Named[], ...known: readonly ReadonlySet<string>[]): readonly Problem[] =>
    named.flatMap(({ entry, problem }) => (known.some((names) => names.has(entry)) ? [] : problem)),
);

/** Most edits leave the namespaces as they are. */
const namespacesOf = amendable(
  (resources: readonly Resource[]): ReadonlySet<string> =>
    new Set(resources.map(({ namespace }) => namespace)),
  ({ result, changes }) =>
    changes.every(({ before, after }) => before.namespace === after.namespace) ? result : undefined,
);

const namedBy = amendable(
  (resources: readonly Resource[]): readonly Named[] => resources.flatMap(namedIn),
  ({ result, changes }) => {
    const areNone = changes.every(
      ({ before, after }) => namedIn(before).length === 0 && namedIn(after).length === 0,
    );
    return areNone ? result : undefined;
  },
);

function namedIn({ kind, namespace, name, spec }: Resource): readonly Named[] {
  const { exportTo = [] } = spec as { exportTo?: readonly string[] };
  return exportTo.flatMap((entry, i) => {
    if (['.', '*', '~'].includes(entry)) return [];
    const message = `no resource is in the namespace ${entry}`;
    const resource = { kind, namespace, name };
    const path = ['spec', 'exportTo', i];
    const problem = {
      code: 'unknown-namespace',
      severity: 'info',
      message,
      resource,
      path,
    } as const;
    return [{ entry, problem }];
  });
}
