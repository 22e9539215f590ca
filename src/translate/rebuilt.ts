// How much of a translation was made anew: a count for metrics and for the tests of what a change may cost. Compares
// identities only; whether the bytes differ is the snapshot's business.
import type { ResourcesByType, TypeUrl } from '../envoy/resource.js';

/** Messages of one type: made anew, taken over as they were, and gone. */
export interface Rebuilt {
  built: number;
  kept: number;
  removed: number;
}

/** Counts by type, of `next` against the result before it (undefined: there was none). */
export function rebuilt(
  previous: ResourcesByType | undefined,
  next: ResourcesByType,
): ReadonlyMap<TypeUrl, Rebuilt> {
  const counts = new Map<TypeUrl, Rebuilt>();
  for (const [typeUrl, messages] of next) {
    const before = previous?.get(typeUrl);
    if (before === messages) {
      counts.set(typeUrl, { built: 0, kept: messages.size, removed: 0 });
      continue;
    }
    let kept = 0;
    let common = 0;
    for (const [name, message] of messages) {
      const old = before?.get(name);
      if (old === undefined) continue;
      common += 1;
      if (old === message) kept += 1;
    }
    counts.set(typeUrl, {
      built: messages.size - kept,
      kept,
      removed: (before?.size ?? 0) - common,
    });
  }
  return counts;
}
