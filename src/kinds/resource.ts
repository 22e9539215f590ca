// A resource as accepted: what a user wrote, checked against its kind, with nothing added. Immutable: a
// resource that did not change is the same object in the next generation, which is what makes caching safe.
import type { ResourceId } from './problem.js';

/** The order of resources of equal claim: Istio's "oldest wins", with a substitute for files (DESIGN.md, Files). */
export interface Age {
  /** metadata.creationTimestamp in ms since the epoch, when given. */
  timestampMs?: number;
  /** The order in which the source first saw the resource; kept while the resource lives. */
  firstSeen: number;
}

/** One accepted resource. `spec` has the type of its kind (see registry.ts) and is deeply frozen in spirit. */
export interface Resource<Spec = unknown> extends ResourceId {
  apiVersion: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  age: Age;
  /** metadata.generation, where Kubernetes gave one. */
  generation?: number;
  spec: Spec;
}
