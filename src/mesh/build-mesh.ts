// The mesh index: everything users wrote, resolved against each other. What one proxy sees of it is view.ts; what is
// wrong with it is analyze.ts.
import type { Resource } from '../kinds/resource.js';
import type { Problem } from '../kinds/problem.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { MeshSettings } from './mesh-settings.js';
import type { VirtualService } from './rules.js';
import type { Service } from './service.js';

/** The accepted resources; the store's Generation is one. */
export interface MeshInput {
  byKind(kind: string): readonly Resource[];
}

/** One accepted state of the mesh. Immutable; parts that did not change are the same objects as in the one before. */
export interface Mesh {
  settings: MeshSettings;
  /** All services in Istio's order of precedence: oldest first. */
  services: readonly Service[];
  /** Services by hostname, oldest first, v1 Services before ServiceEntries. */
  servicesByHostname: ReadonlyMap<string, readonly Service[]>;
  /** Oldest first, whatever gateways they are bound to. */
  virtualServices: readonly VirtualService[];
  endpoints: ReadonlyMap<Service, ServiceEndpoints>;
  /** What could not be converted. Findings about what was are analyzeMesh's. */
  problems: readonly Problem[];
}

/** Builds the index; give the previous mesh so that only what changed is converted again. */
export function buildMesh(_resources: MeshInput, _previous?: Mesh): Mesh {
  throw new Error('not written yet');
}
