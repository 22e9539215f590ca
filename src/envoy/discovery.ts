// The discovery requests and responses of xDS on the wire, read and written by hand: a request without decoding its
// node (61 kB from Envoy, with each ACK of some clients), a response as pre-encoded parts put together without
// encoding any resource again. What they mean is for src/xds.
import protobuf from 'protobufjs/light.js';
import type { EncodedBytes } from './resource.js';

/** A DiscoveryRequest or DeltaDiscoveryRequest; fields of the other form are empty. */
export interface DiscoveryRequest {
  typeUrl: string;
  nonce: string;
  /** Bytes of the Node; undefined when absent. */
  node: Uint8Array | undefined;
  /** Present: the response with that nonce was refused. */
  error: { code: number; message: string } | undefined;
  /** SotW: version_info. */
  version: string;
  /** SotW: resource_names. Delta: resource_names_subscribe. */
  names: string[];
  /** Delta: resource_names_unsubscribe. */
  unsubscribe: string[];
  /** Delta: initial_resource_versions. */
  held: Map<string, string>;
}

type Field = (request: DiscoveryRequest, reader: protobuf.Reader) => void;

const readNodeField: Field = (request, reader) => {
  request.node = reader.bytes();
};
const readTypeUrl: Field = (request, reader) => {
  request.typeUrl = reader.string();
};
const readNonce: Field = (request, reader) => {
  request.nonce = reader.string();
};
const readName: Field = (request, reader) => {
  request.names.push(reader.string());
};
const readError: Field = (request, reader) => {
  request.error = readStatus(protobuf.Reader.create(reader.bytes()));
};

const sotwFields: Readonly<Record<number, Field>> = {
  1: (request, reader) => {
    request.version = reader.string();
  },
  2: readNodeField,
  3: readName,
  4: readTypeUrl,
  5: readNonce,
  6: readError,
};

const deltaFields: Readonly<Record<number, Field>> = {
  1: readNodeField,
  2: readTypeUrl,
  3: readName,
  4: (request, reader) => request.unsubscribe.push(reader.string()),
  5: (request, reader) => {
    const [name, version] = readMapEntry(protobuf.Reader.create(reader.bytes()));
    request.held.set(name, version);
  },
  6: readNonce,
  7: readError,
};

/** Reads a request of either form. Throws on bytes that are none. */
export function readDiscoveryRequest(
  variant: 'sotw' | 'delta',
  bytes: Uint8Array,
): DiscoveryRequest {
  const fields = variant === 'sotw' ? sotwFields : deltaFields;
  const request: DiscoveryRequest = {
    typeUrl: '',
    nonce: '',
    node: undefined,
    error: undefined,
    version: '',
    names: [],
    unsubscribe: [],
    held: new Map(),
  };
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const field = fields[tag >>> 3];
    // All fields that we read are length-delimited (wire type 2).
    if (field !== undefined && (tag & 7) === 2) field(request, reader);
    else reader.skipType(tag & 7);
  }
  return request;
}

function readStatus(reader: protobuf.Reader): { code: number; message: string } {
  const status = { code: 0, message: '' };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) status.code = reader.int32();
    else if (tag === 0x12) status.message = reader.string();
    else reader.skipType(tag & 7);
  }
  return status;
}

function readMapEntry(reader: protobuf.Reader): [string, string] {
  const entry: [string, string] = ['', ''];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) entry[0] = reader.string();
    else if (tag === 0x12) entry[1] = reader.string();
    else reader.skipType(tag & 7);
  }
  return entry;
}

/** What goes into a response, but for its nonce. */
export interface ResponseParts {
  readonly typeUrl: string;
  readonly version: string;
  readonly resources: readonly EncodedBytes[];
  /** Delta only. */
  readonly removed: readonly string[];
  /** control_plane.identifier; empty: no such field. */
  readonly identifier: string;
}

/** A response without its nonce; `withNonce` completes it. Streams in the same state share this Buffer. */
export function responseBody(variant: 'sotw' | 'delta', parts: ResponseParts): Buffer {
  return variant === 'sotw' ? sotwBody(parts) : deltaBody(parts);
}

/** The response: protobuf takes fields in any order, so the nonce (field 5 in both forms) goes last. */
export function withNonce(body: Buffer, nonce: string): Buffer {
  const writer = new Pieces();
  writer.text(5, nonce);
  return Buffer.concat([body, ...writer.done()]);
}

function sotwBody(parts: ResponseParts): Buffer {
  const out = new Pieces();
  out.text(1, parts.version);
  for (const resource of parts.resources) out.any(2, resource);
  out.text(4, parts.typeUrl);
  if (parts.identifier !== '') out.nested(6, textField(1, parts.identifier));
  return Buffer.concat(out.done());
}

function deltaBody(parts: ResponseParts): Buffer {
  const out = new Pieces();
  out.text(1, parts.version);
  for (const resource of parts.resources) {
    const own = new Pieces();
    own.text(1, resource.version);
    own.any(2, resource);
    own.text(3, resource.name);
    out.nested(2, own);
  }
  out.text(4, parts.typeUrl);
  for (const name of parts.removed) out.text(6, name);
  if (parts.identifier !== '') out.nested(7, textField(1, parts.identifier));
  return Buffer.concat(out.done());
}

function textField(field: number, value: string): Pieces {
  const pieces = new Pieces();
  pieces.text(field, value);
  return pieces;
}

/** Length-delimited fields collected as Buffers, joined once at the end: no resource is copied twice. */
class Pieces {
  private readonly list: Buffer[] = [];
  private size = 0;

  text(field: number, value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    this.push(head(field, bytes.length));
    this.push(bytes);
  }

  any(field: number, resource: EncodedBytes): void {
    const any = new Pieces();
    any.text(1, resource.typeUrl);
    any.push(head(2, resource.bytes.length));
    any.push(resource.bytes);
    this.nested(field, any);
  }

  nested(field: number, inner: Pieces): void {
    this.push(head(field, inner.size));
    for (const piece of inner.list) this.push(piece);
  }

  done(): Buffer[] {
    return this.list;
  }

  private push(piece: Buffer): void {
    this.list.push(piece);
    this.size += piece.length;
  }
}

/** Tag of a length-delimited field (number below 16) and the length. */
function head(field: number, length: number): Buffer {
  const bytes = [(field << 3) | 2];
  let rest = length;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
