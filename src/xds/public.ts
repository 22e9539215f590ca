// The public surface of `fairlead/xds`: an xDS server and what is needed to feed it. Nothing is defined here.
export type { ResourceName, ResourcesByType, TypeUrl, Version } from '../envoy/resource.js';
export { buildSnapshot, snapshotOf, typeSnapshot } from '../snapshot/build-snapshot.js';
export { encodedResource, encodeResource } from '../snapshot/encode.js';
export type { EncodedResource, Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
export { withTtl } from '../snapshot/ttl.js';
export * from './server.js';
