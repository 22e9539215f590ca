// The public surface of `fairlead/xds`: an xDS server and what is needed to feed it. Nothing is defined here.
export type { ResourceName, ResourcesByType, TypeUrl, Version } from '../envoy/resource.js';
export {
  CLUSTER,
  ENDPOINT,
  EXTENSION_CONFIG,
  LISTENER,
  ROUTE,
  RUNTIME,
  SCOPED_ROUTE,
  SECRET,
  VIRTUAL_HOST,
} from '../envoy/resource.js';
export { buildSnapshot, snapshotOf, typeSnapshot } from '../snapshot/build-snapshot.js';
export { encodedResource, encodeResource } from '../snapshot/encode.js';
export {
  type ResourceOptions,
  resourceFromJson,
  type SnapshotOptions,
  snapshotFrom,
} from '../snapshot/from-resources.js';
export type { EncodedResource, Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
export { withTtl } from '../snapshot/ttl.js';
export { type BearerTokens, bearerTokens, type TokenClaim } from './bearer-tokens.js';
export { withClustersAsked } from './clusters-asked.js';
export { LinearCache, type LinearUpdate } from './linear-cache.js';
export { MuxCache, type MuxRoutes } from './mux-cache.js';
export type { ReloadOptions } from './reload.js';
export * from './server.js';
export { parseSpiffeId, type WorkloadIdentity } from './spiffe.js';
export { type TlsFiles, tlsCredentials } from './tls-credentials.js';
