// The Envoy resources that fairlead makes: a type URL, a name, and a message in the shape that the codec takes
// (proto field names in snake_case, enums by name, durations as {seconds, nanos}, wrappers as {value}, an Any as
// {'@type': typeUrl, ...fields}). Types come from src/envoy/gen, which `npm run gen` makes from Envoy's protos.
import type { PlainWriter } from './plain-writer.js';

declare const brand: unique symbol;
type Brand<T, B> = T & { readonly [brand]: B };

/** `type.googleapis.com/envoy.config.cluster.v3.Cluster` and its like. */
export type TypeUrl = Brand<string, 'TypeUrl'>;
/** The name of a resource within its type. */
export type ResourceName = string;
/** A content hash; equal bytes have equal versions on every replica (DESIGN.md, invariant 5). */
export type Version = Brand<string, 'Version'>;

const url = (message: string) => `type.googleapis.com/${message}` as TypeUrl;

export const CLUSTER = url('envoy.config.cluster.v3.Cluster');
export const ENDPOINT = url('envoy.config.endpoint.v3.ClusterLoadAssignment');
export const LISTENER = url('envoy.config.listener.v3.Listener');
export const ROUTE = url('envoy.config.route.v3.RouteConfiguration');
export const VIRTUAL_HOST = url('envoy.config.route.v3.VirtualHost');
export const SCOPED_ROUTE = url('envoy.config.route.v3.ScopedRouteConfiguration');
export const SECRET = url('envoy.extensions.transport_sockets.tls.v3.Secret');
export const EXTENSION_CONFIG = url('envoy.config.core.v3.TypedExtensionConfig');
export const RUNTIME = url('envoy.service.runtime.v3.Runtime');

/** Short names as operators know them. */
export const typeShortName: Readonly<Record<string, string>> = {
  [CLUSTER]: 'CDS',
  [ENDPOINT]: 'EDS',
  [LISTENER]: 'LDS',
  [ROUTE]: 'RDS',
  [VIRTUAL_HOST]: 'VHDS',
  [SCOPED_ROUTE]: 'SRDS',
  [SECRET]: 'SDS',
  [EXTENSION_CONFIG]: 'ECDS',
  [RUNTIME]: 'RTDS',
};

/** One message to be encoded. The object is immutable: the encoder remembers bytes by its identity. */
export type EnvoyMessage = object;

/**
 * A message that is made each time it is read, and kept by nobody: the messages of all endpoints would be a quarter of
 * what a mesh holds, and are read once. What it is made of is as immutable as a message.
 */
export abstract class MessageOnDemand {
  /** The message. */
  abstract make(): EnvoyMessage;
  /** Writes the bytes that the message has, without making it. */
  abstract write(writer: PlainWriter): void;
}

/** What translation gives for one proxy view: messages by type and name. Insertion order is the order sent. */
export type ResourcesByType = ReadonlyMap<TypeUrl, ReadonlyMap<ResourceName, EnvoyMessage>>;

/** What a response needs of a resource: its bytes and what goes around them. */
export interface EncodedBytes {
  readonly name: ResourceName;
  readonly typeUrl: TypeUrl;
  readonly version: Version;
  readonly bytes: Buffer;
  /** How long the client keeps it without hearing of it; absent: for ever. */
  readonly ttlMs?: number;
  /** Without its body: it only says that the version which the client has is alive. */
  readonly isHeartbeat?: boolean;
}
