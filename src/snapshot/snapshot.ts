// What one view is served: encoded resources by type, each with the hash of its bytes as version, and a version
// for the type as a whole. Immutable. Encoding lives in encode.ts; comparing two snapshots in diff.ts.
import type { ResourceName, TypeUrl, Version } from '../envoy/resource.js';

/** A resource encoded once and shared by every snapshot that has it. */
export interface EncodedResource {
  readonly name: ResourceName;
  readonly typeUrl: TypeUrl;
  readonly version: Version;
  /** The message's bytes (the `value` of an Any of `typeUrl`). */
  readonly bytes: Buffer;
  /** The client drops it this long after it last heard of it (snapshot/ttl.ts makes such); absent: never. */
  readonly ttlMs?: number;
}

/** All resources of one type. `version` is a hash over names and versions: equal content, equal version. */
export interface TypeSnapshot {
  readonly version: Version;
  readonly resources: ReadonlyMap<ResourceName, EncodedResource>;
  /**
   * Parts that other snapshots share by identity, in the order of `resources`: none is empty or has layers itself, and
   * no name is in two of them. Absent: it is one part. The version does not depend on the layers.
   */
  readonly layers?: readonly TypeSnapshot[];
}

/** All that a proxy is served at one moment. A type that is absent has no resources. */
export interface Snapshot {
  readonly types: ReadonlyMap<TypeUrl, TypeSnapshot>;
}
