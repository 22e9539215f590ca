// Patches of EnvoyFilters that change nothing: after an upgrade, or by a slip in a name, a patch matches no more, and
// nothing else would say so. What a patch changes is found in translate/envoy-filter/.
import type { Problem } from './kinds/problem.js';
import type { Mesh } from './mesh/build-mesh.js';
import { allPatches } from './mesh/envoy-filter.js';
import type { EnvoyFilterPatch } from './mesh/envoy-patch.js';
import type { ProxyView } from './mesh/proxy-view.js';

/** A view and what it was translated to. */
export interface TranslatedView {
  view: ProxyView;
  translation: { patches?: { matched: ReadonlySet<EnvoyFilterPatch> } };
}

/**
 * A warning for each patch that is for a proxy of these views and changes nothing in any; an info for each that is for
 * none of them. Nothing without views: then nobody can tell.
 */
export function unmatchedPatches(mesh: Mesh, views: readonly TranslatedView[]): Problem[] {
  if (mesh.envoyFilters.byNamespace.size === 0 || views.length === 0) return [];
  const selected = new Set(views.flatMap(({ view }) => view.envoyFilters ?? []));
  const matched = new Set(views.flatMap(({ translation }) => [...matchedIn(translation)]));
  return allPatches(mesh.envoyFilters)
    .filter((patch) => patch.applyTo !== 'BOOTSTRAP' && !matched.has(patch))
    .map((patch) => problemOf(patch, selected.has(patch)));
}

function matchedIn({ patches }: TranslatedView['translation']): Iterable<EnvoyFilterPatch> {
  return patches?.matched ?? [];
}

function problemOf(patch: EnvoyFilterPatch, isSelected: boolean): Problem {
  const { applyTo, operation, source, path } = patch;
  const what = `${operation} of ${applyTo}`;
  return {
    code: 'patch-matches-nothing',
    severity: isSelected ? 'warning' : 'info',
    message: isSelected
      ? `${what} changes nothing at the proxies that it is for`
      : `${what} is for no proxy that is connected`,
    resource: source,
    path,
  };
}
