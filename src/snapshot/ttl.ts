// Resources that a client drops by itself when it hears nothing of them for a while (xDS "TTL"). The heartbeats are
// for xds/heartbeat.ts.
import type { Version } from '../envoy/resource.js';
import { contentVersion } from './content-version.js';
import type { EncodedResource } from './snapshot.js';

let used = false;

/** The same resource and TTL give the same object, as the same bytes do. */
const made = new WeakMap<EncodedResource, Map<string, EncodedResource>>();

/** Whether any resource with a TTL was ever made: without one, nobody has to look for them. */
export function ttlInUse(): boolean {
  return used;
}

/**
 * The same resource with a TTL in milliseconds (more than 0). Another TTL is another version, so that it is sent; a
 * caller with versions of its own gives one.
 */
export function withTtl(
  resource: EncodedResource,
  ttlMs: number,
  version: Version = contentVersion(`${resource.version} ${ttlMs}`),
): EncodedResource {
  if (!(ttlMs > 0)) throw new Error(`a TTL of ${ttlMs} ms`);
  used = true;
  const key = `${ttlMs} ${version}`;
  const known = made.get(resource) ?? new Map<string, EncodedResource>();
  made.set(resource, known);
  const before = known.get(key);
  if (before !== undefined) return before;
  const resourceWithTtl = { ...resource, version, ttlMs };
  known.set(key, resourceWithTtl);
  return resourceWithTtl;
}
