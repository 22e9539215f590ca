// Findings about exportTo: namespaces in which there is nothing. There is no list of namespaces; those that resources
// are in are known, and a client may live in another one, so this is worth knowing and no more.
import type { Problem } from '../kinds/problem.js';
import type { Mesh, MeshKind } from './mesh.js';

const exported = [
  'ServiceEntry',
  'DestinationRule',
  'VirtualService',
] as const satisfies readonly MeshKind[];

/** Namespaces of exportTo in which no resource of the mesh is. */
export function analyzeNamespaces({ parts: { sorted } }: Mesh): Problem[] {
  const known = new Set<string>();
  for (const { sorted: resources } of Object.values(sorted)) {
    for (const { namespace } of resources) known.add(namespace);
  }
  return exported.flatMap((kind) =>
    sorted[kind].sorted.flatMap(({ namespace, name, spec }) =>
      ((spec as { exportTo?: readonly string[] }).exportTo ?? []).flatMap((entry, i): Problem[] => {
        if (['.', '*', '~'].includes(entry) || known.has(entry)) return [];
        const message = `no resource is in the namespace ${entry}`;
        const resource = { kind, namespace, name };
        const path = ['spec', 'exportTo', i];
        return [{ code: 'unknown-namespace', severity: 'info', message, resource, path }];
      }),
    ),
  );
}
