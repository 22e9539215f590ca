// The discovery responses of xDS on the wire, written by hand and in pieces: most of a response is resources that many
// streams are sent, encoded long ago. protobuf takes fields in any order, and a repeated field in several places.
import protobuf from 'protobufjs/light.js';
import type { EncodedBytes } from './resource.js';

/** DiscoveryResponse or DeltaDiscoveryResponse. */
type Variant = 'sotw' | 'delta';

/** The field `resources` for these, in order: bytes that may stand in any number of responses. */
export function resourcesField(variant: Variant, resources: readonly EncodedBytes[]): Buffer {
  const writer = protobuf.Writer.create();
  const write = variant === 'sotw' ? writeAny : writeResource;
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
}

/** The rest of a response. */
export function responseTail(
  variant: Variant,
  { nonce, removed, identifier }: ResponseTail,
): Buffer {
  const writer = protobuf.Writer.create();
  if (variant === 'delta') for (const name of removed) writer.uint32(tag(6)).string(name);
  if (identifier !== '') {
    const controlPlane = variant === 'sotw' ? 6 : 7;
    writer.uint32(tag(controlPlane)).fork().uint32(tag(1)).string(identifier).ldelim();
  }
  return bytesOf(writer.uint32(tag(5)).string(nonce));
}

/** An Any in field 2: of a DiscoveryResponse, or of a Resource. */
function writeAny(writer: protobuf.Writer, { typeUrl, bytes }: EncodedBytes): void {
  writer.uint32(tag(2)).fork().uint32(tag(1)).string(typeUrl);
  writer.uint32(tag(2)).bytes(bytes).ldelim();
}

/** A Resource in field 2 of a DeltaDiscoveryResponse. */
function writeResource(writer: protobuf.Writer, resource: EncodedBytes): void {
  writer.uint32(tag(2)).fork().uint32(tag(1)).string(resource.version);
  writeAny(writer, resource);
  writer.uint32(tag(3)).string(resource.name).ldelim();
}

/** Of a length-delimited field. */
function tag(field: number): number {
  return (field << 3) | 2;
}

function bytesOf(writer: protobuf.Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
