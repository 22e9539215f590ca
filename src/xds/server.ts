// The xDS server: listening, lifetime, and the services on a grpc-js server. The protocol itself is in sotw.ts,
// delta.ts and push-order.ts; who is served what is in the snapshot cache.
import type * as grpc from '@grpc/grpc-js';
import type { XdsServerOptions } from './options.js';
import type { XdsStream } from './status.js';

export type { XdsNode } from './node.js';
export type * from './options.js';
export { SnapshotCache } from './snapshot-cache.js';
export type * from './status.js';

/** Where to listen: a TCP address (port 0: any free one) or a Unix socket's path. */
export type ListenAddress =
  | { readonly host: string; readonly port: number; readonly credentials?: grpc.ServerCredentials }
  | { readonly path: string; readonly credentials?: grpc.ServerCredentials };

export interface XdsServer {
  /** Starts to listen and gives the bound address. May be called for several addresses. */
  listen(address: ListenAddress): Promise<{ host: string; port: number } | { path: string }>;
  /** Adds the services to a grpc-js server of the caller's, which then does the listening. */
  attach(server: grpc.Server): void;
  /** The open streams. */
  streams(): Iterable<XdsStream>;
  /** Ends all streams with UNAVAILABLE and stops listening; done within `times.closeMs`. */
  close(): Promise<void>;
}

/** An xDS server (ADS and single-type services, state-of-the-world and delta) that serves a SnapshotCache. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  throw new Error(`not built yet: ${options.cache}`);
}
