// What holds for all services of a namespace: an annotation of the Namespace, and MeshConfig.serviceEntryVisibility, which
// goes by its labels.
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from './mesh-settings.js';
import { namespaceLabels, namespacesByName, selectsLabels } from './namespace-labels.js';
import { annotatedDistribution, type TrafficDistribution } from './traffic-distribution.js';

/** Equal ones are the same object. */
export interface NamespaceDefaults {
  /** For services that say nothing of it themselves. */
  trafficDistribution: TrafficDistribution | undefined;
  /** How far its ServiceEntries are seen at most: everywhere, in the namespace, nowhere. */
  entriesSeen: 'PUBLIC' | 'NAMESPACE' | 'NONE';
}

/** The defaults of each namespace, whether it is written down or not. */
export const namespaceDefaults = memoize(
  (namespaces: readonly Resource[], settings: MeshSettings) => {
    const found = new Map<string, NamespaceDefaults>();
    return (name: string): NamespaceDefaults => {
      const known = found.get(name);
      if (known !== undefined) return known;
      const annotations = namespacesByName(namespaces).get(name)?.annotations ?? {};
      const distribution = annotatedDistribution(annotations);
      const made = defaultsOf(
        distribution === 'Any' ? undefined : distribution,
        entriesSeen(settings, namespaceLabels(namespaces, name)),
      );
      found.set(name, made);
      return made;
    };
  },
);

const defaultsOf = memoize(
  (
    trafficDistribution: NamespaceDefaults['trafficDistribution'],
    seen: NamespaceDefaults['entriesSeen'],
  ): NamespaceDefaults => ({ trafficDistribution, entriesSeen: seen }),
);

/** The first policy whose rules all match, else the default; it is about sidecars only where that is said. */
function entriesSeen(
  { config: { serviceEntryVisibility: rules } }: MeshSettings,
  labels: Readonly<Record<string, string>>,
): NamespaceDefaults['entriesSeen'] {
  if (!rules?.applyToSidecars) return 'PUBLIC';
  const policy = rules.policies?.find(({ matchingRules = [] }) =>
    matchingRules.every(
      ({ namespaceSelector }) => namespaceSelector && selectsLabels(namespaceSelector, labels),
    ),
  );
  const visibility = policy === undefined ? rules.defaultVisibility : policy.visibility;
  return visibility === 'NAMESPACE' || visibility === 'NONE' ? visibility : 'PUBLIC';
}
