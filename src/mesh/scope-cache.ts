// The outbound scopes of one mesh, filled on demand by scope.ts, and those of the generation before, from which equal
// parts keep their identity.
import type { DestinationRules, SelectingRule } from './destination-rule.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { OutboundScope } from './proxy-view.js';
import type { VirtualService } from './rules.js';
import type { Service } from './service.js';
import type { Sidecar } from './sidecar.js';

/** A scope and the parts of the mesh that it was made of. */
export interface CachedScope {
  scope: OutboundScope;
  from: {
    services: readonly Service[];
    virtualServices: readonly VirtualService[];
    destinationRules: DestinationRules;
    endpoints: ReadonlyMap<Service, ServiceEndpoints>;
    sidecar: Sidecar | undefined;
    selecting: readonly SelectingRule[];
  };
}

/** Scopes by namespace, '' for all namespaces that nothing is special for. */
export interface ScopeCache {
  now: Map<string, CachedScope>;
  before: ReadonlyMap<string, CachedScope>;
}

/** The cache of a new generation. */
export function newScopeCache(previous?: ScopeCache): ScopeCache {
  if (previous === undefined) return { now: new Map(), before: new Map() };
  const before = previous.now.size === 0 ? previous.before : previous.now;
  return { now: new Map(), before };
}
