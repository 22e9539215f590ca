// Whether a snapshot hangs together: what one resource names, another must be. Findings are warnings about our own
// translation (a user's dangling reference is a Problem and was replaced long before).
import { ENDPOINT, type TypeUrl } from '../envoy/resource.js';
import { referencesOf } from './references.js';
import type { Snapshot } from './snapshot.js';

/** A resource that is named and missing, or there and named by nobody. */
export interface SnapshotFinding {
  readonly code: 'missing' | 'unused';
  readonly typeUrl: TypeUrl;
  readonly name: string;
  /** Who names it; absent for an unused one. */
  readonly by?: { readonly typeUrl: TypeUrl; readonly name: string };
}

/** Clusters that Envoy has without being given them. */
export interface CheckOptions {
  /** Names of the bootstrap's own clusters and secrets, which need not be in the snapshot. */
  readonly elsewhere?: ReadonlySet<string>;
}

/**
 * Every EDS cluster has its assignment, every route of a listener exists, every cluster of a route or TCP proxy
 * exists, secrets over ADS exist; and no assignment is left that no cluster uses. In the order of the snapshot.
 */
export function checkSnapshot(snapshot: Snapshot, options: CheckOptions = {}): SnapshotFinding[] {
  const findings: SnapshotFinding[] = [];
  const used = new Set<string>();
  for (const type of snapshot.types.values()) {
    for (const resource of type.resources.values()) {
      const by = { typeUrl: resource.typeUrl, name: resource.name };
      for (const { typeUrl, name } of referencesOf(resource)) {
        if (typeUrl === ENDPOINT) used.add(name);
        const there =
          snapshot.types.get(typeUrl)?.resources.has(name) || options.elsewhere?.has(name);
        if (!there) findings.push({ code: 'missing', typeUrl, name, by });
      }
    }
  }
  for (const name of snapshot.types.get(ENDPOINT)?.resources.keys() ?? []) {
    if (!used.has(name)) findings.push({ code: 'unused', typeUrl: ENDPOINT, name });
  }
  return findings;
}
