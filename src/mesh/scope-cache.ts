// The scopes of one mesh, filled on demand by scope.ts and gateway-scope.ts, and those of the generation before, from
// which equal parts keep their identity.
import type { DestinationRules, SelectingRule } from './destination-rule.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { OutboundScope } from './proxy-view.js';
import type { VirtualService } from './rules.js';
import type { Service } from './service.js';
import type { Sidecar } from './sidecar.js';

/** The parts of a mesh that scopes are made of; one object for all scopes of the mesh. */
export interface ScopeSources {
  services: readonly Service[];
  virtualServices: readonly VirtualService[];
  destinationRules: DestinationRules;
  endpoints: ReadonlyMap<Service, ServiceEndpoints>;
}

/** A scope, and what it was made of and for. */
export interface CachedScope {
  scope: OutboundScope;
  from: ScopeSources;
  sidecar: Sidecar | undefined;
  selecting: readonly SelectingRule[];
}

/** Scopes by key, filled on demand, and those of the generation before. */
export interface Scopes<Scope> {
  now: Map<string, Scope>;
  before: ReadonlyMap<string, Scope>;
}

/** Scopes by namespace, '' for all namespaces that nothing is special for. */
export type ScopeCache = Scopes<CachedScope>;

/** The cache of a new generation. */
export function newScopes<Scope>(previous?: Scopes<Scope>): Scopes<Scope> {
  if (previous === undefined) return { now: new Map(), before: new Map() };
  const before = previous.now.size === 0 ? previous.before : previous.now;
  return { now: new Map(), before };
}
