// exportTo: who may see a service or a rule. The look-up of DestinationRules has an order of its own
// (destination-rule.ts).
import type { Visibility } from './service.js';

const nobody: ReadonlySet<string> = new Set();

/**
 * `*` anywhere makes it public, else `~` hides it from all, `.` is the own namespace (Istio API, exportTo). Without
 * any entry the default counts.
 */
export function resolveVisibility(
  exportTo: readonly string[] | undefined,
  namespace: string,
  byDefault: readonly string[],
): Visibility {
  const entries = exportTo === undefined || exportTo.length === 0 ? byDefault : exportTo;
  if (entries.includes('*')) return '*';
  if (entries.includes('~')) return nobody;
  return new Set(entries.map((entry) => (entry === '.' ? namespace : entry)));
}

/** What is left of it where MeshConfig.serviceEntryVisibility lets see no more than `limit`. */
export function seenAtMost(
  visibility: Visibility,
  namespace: string,
  limit: 'PUBLIC' | 'NAMESPACE' | 'NONE',
): Visibility {
  if (limit === 'PUBLIC') return visibility;
  return limit === 'NAMESPACE' && isVisible(visibility, namespace) ? new Set([namespace]) : nobody;
}

/** True when a client of `namespace` may see it. */
export function isVisible(visibility: Visibility, namespace: string): boolean {
  return visibility === '*' || visibility.has(namespace);
}

/** True when somebody may see both. */
export function overlaps(a: Visibility, b: Visibility): boolean {
  if (a === '*') return b === '*' || b.size > 0;
  return [...a].some((namespace) => isVisible(b, namespace));
}
