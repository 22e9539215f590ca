// The version of a resource: a hash of its content, so that it is the same on every replica and after a restart.
import { hash } from 'node:crypto';
import type { Version } from '../envoy/resource.js';

/** The first 64 bits of SHA-256, as 16 hex digits: enough to tell the versions of one resource apart. */
export function contentVersion(bytes: Uint8Array | string): Version {
  return hash('sha256', bytes, 'hex').slice(0, 16) as Version;
}
