// A service of the registry with what it was made of. Building the registry is registry.ts.
import type { Resource } from '../kinds/resource.js';
import type { Service } from './service.js';

/** One definition of a host. */
export interface Definition {
  service: Service;
  resource: Resource;
}

/** A service of the mesh and the definitions it was made of: one, but where ServiceEntries share a host. */
export interface RegistryEntry {
  service: Service;
  definitions: readonly Definition[];
}
