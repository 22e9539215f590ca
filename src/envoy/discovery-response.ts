// The discovery responses of xDS on the wire, written by hand and in pieces: most of a response is resources that many
// streams are sent, encoded long ago. protobuf takes fields in any order, and a repeated field in several places.
import protobuf from 'protobufjs/light.js';
import type { EncodedBytes } from './resource.js';

/** DiscoveryResponse or DeltaDiscoveryResponse. */
type Variant = 'sotw' | 'delta';

/**
 * The field `resources` for these, in order: bytes that may stand in any number of responses. `sotw-ttl`: SotW with
 * those that have a TTL wrapped in a Resource (xDS "TTL").
 */
export function resourcesField(
  variant: Variant | 'sotw-ttl',
  resources: readonly EncodedBytes[],
): Buffer {
  const writer = protobuf.Writer.create();
  const write =
    variant === 'delta' ? writeResource : variant === 'sotw' ? writeAny : writeMaybeWrapped;
  for (const resource of resources) write(writer, resource);
  return bytesOf(writer);
}

/** What all responses of one state have in common: version_info (system_version_info) and type_url. */
export function responseHead(version: string, typeUrl: string): Buffer {
  const writer = protobuf.Writer.create();
  return bytesOf(writer.uint32(tag(1)).string(version).uint32(tag(4)).string(typeUrl));
}

/** What is particular to one response. */
export interface ResponseTail {
  readonly nonce: string;
  /** Delta only. */
  readonly removed: readonly string[];
  /** control_plane.identifier; empty: no such field. */
  readonly identifier: string;
  /** Why single resources are not there (resource_errors); gRPC status codes. */
  readonly errors?: readonly ResourceError[];
}

/** A resource that is asked for and cannot be given. */
export interface ResourceError {
  readonly name: string;
  readonly code: number;
  readonly message: string;
}

/** The rest of a response. */
export function responseTail(
  variant: Variant,
  { nonce, removed, identifier, errors = [] }: ResponseTail,
): Buffer {
  const writer = protobuf.Writer.create();
  if (variant === 'delta') for (const name of removed) writer.uint32(tag(6)).string(name);
  if (identifier !== '') {
    const controlPlane = variant === 'sotw' ? 6 : 7;
    writer.uint32(tag(controlPlane)).fork().uint32(tag(1)).string(identifier).ldelim();
  }
  for (const error of errors) writeError(writer, variant === 'sotw' ? 7 : 9, error);
  return bytesOf(writer.uint32(tag(5)).string(nonce));
}

/** ResourceError: the name within a ResourceName, and a google.rpc.Status. */
function writeError(writer: protobuf.Writer, field: number, error: ResourceError): void {
  writer.uint32(tag(field)).fork();
  writer.uint32(tag(1)).fork().uint32(tag(1)).string(error.name).ldelim();
  writer.uint32(tag(2)).fork().uint32(8).int32(error.code);
  writer.uint32(tag(2)).string(error.message).ldelim().ldelim();
}

/** An Any in field 2: of a DiscoveryResponse, or of a Resource. */
function writeAny(writer: protobuf.Writer, { typeUrl, bytes }: EncodedBytes): void {
  writer.uint32(tag(2)).fork().uint32(tag(1)).string(typeUrl);
  writer.uint32(tag(2)).bytes(bytes).ldelim();
}

/** A Resource in field 2 of a DeltaDiscoveryResponse. */
function writeResource(writer: protobuf.Writer, resource: EncodedBytes): void {
  writer.uint32(tag(2)).fork();
  writeResourceFields(writer, resource);
  writer.ldelim();
}

function writeResourceFields(writer: protobuf.Writer, resource: EncodedBytes): void {
  const { version, name, ttlMs, isHeartbeat } = resource;
  writer.uint32(tag(1)).string(version);
  if (!isHeartbeat) writeAny(writer, resource);
  writer.uint32(tag(3)).string(name);
  if (ttlMs === undefined) return;
  const seconds = Math.floor(ttlMs / 1000);
  const nanos = Math.round((ttlMs - seconds * 1000) * 1_000_000);
  writer.uint32(tag(6)).fork().uint32(8).int64(seconds).uint32(16).int32(nanos).ldelim();
}

const wrapper = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

/** SotW: a Resource in an Any in field 2 of a DiscoveryResponse, or the resource itself. */
function writeMaybeWrapped(writer: protobuf.Writer, resource: EncodedBytes): void {
  if (resource.ttlMs === undefined) {
    writeAny(writer, resource);
    return;
  }
  writer.uint32(tag(2)).fork().uint32(tag(1)).string(wrapper).uint32(tag(2)).fork();
  writeResourceFields(writer, resource);
  writer.ldelim().ldelim();
}

/** Of a length-delimited field. */
function tag(field: number): number {
  return (field << 3) | 2;
}

function bytesOf(writer: protobuf.Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
