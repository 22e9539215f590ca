// Empty resources in the place of named ones that do not exist, so that no client waits for them (15 s in Envoy).
// Istio's choice for the mesh; the library's default is to wait.
import { ENDPOINT, ROUTE, type TypeUrl } from '../envoy/resource.js';
import { encodeResource } from '../snapshot/encode.js';
import type { EncodedResource } from '../snapshot/snapshot.js';

/**
 * What is answered for a name of EDS, RDS and so on that the snapshot does not have: a resource to send in its place
 * (an empty assignment, so that nothing waits), or undefined: SotW keeps silent until it appears, delta says at once
 * that it does not exist.
 */
export type UnknownNamed = (typeUrl: string, name: string) => EncodedResource | undefined;

/** An assignment without endpoints, or a route configuration without hosts; undefined for other types. */
export function standIn(typeUrl: string, name: string): EncodedResource | undefined {
  if (typeUrl === ENDPOINT) return encodeResource(ENDPOINT, name, { cluster_name: name });
  if (typeUrl === ROUTE) return encodeResource(ROUTE as TypeUrl, name, { name });
  return undefined;
}
