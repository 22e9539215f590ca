// The discovery requests of xDS on the wire, read by hand: without decoding the node (61 kB from Envoy, with each ACK
// of some clients). What they mean is for src/xds; responses are in discovery-response.ts.
import protobuf from 'protobufjs/light.js';
import { HeldVersions, noteEntry } from './held-versions.js';

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
  held: ReadonlyMap<string, string>;
}

/** What a request may contain at most: names (and unsubscribed ones, and held versions), and bytes of a text. */
export interface RequestBounds {
  readonly namesMax: number;
  readonly textBytesMax: number;
}

/** A request beyond its bounds; it was not read to its end. */
export class RequestTooLarge extends Error {}

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
  5: (request, reader) => noteEntry(reader, rangesOf(request, reader)),
  6: readNonce,
  7: readError,
};

const noneHeld: ReadonlyMap<string, string> = new Map();

/** Where the entries of what is held are noted. */
function rangesOf(request: DiscoveryRequest, reader: protobuf.Reader): number[] {
  if (!(request.held instanceof HeldVersions)) request.held = new HeldVersions(reader.buf, []);
  return (request.held as HeldVersions).ranges as number[];
}

/** Reads a request of either form. Throws on bytes that are none. */
export function readDiscoveryRequest(
  variant: 'sotw' | 'delta',
  bytes: Uint8Array,
  bounds?: RequestBounds,
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
    held: noneHeld,
  };
  const reader = protobuf.Reader.create(bytes);
  let names = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    const field = fields[number];
    // All fields that we read are length-delimited (wire type 2).
    if (field === undefined || (tag & 7) !== 2) {
      reader.skipType(tag & 7);
      continue;
    }
    const start = reader.pos;
    field(request, reader);
    if (bounds === undefined || field === readNodeField || field === readError) continue;
    if (reader.pos - start > bounds.textBytesMax) {
      throw new RequestTooLarge(`a text longer than ${bounds.textBytesMax} bytes`);
    }
    // Counted as they are read: a few megabytes are a million names, and seconds of work.
    if (field !== readTypeUrl && field !== readNonce && ++names > bounds.namesMax) {
      throw new RequestTooLarge(`more than ${bounds.namesMax} resource names`);
    }
  }
  return request;
}

function readStatus(reader: protobuf.Reader): { code: number; message: string } {
  const status = { code: 0, message: '' };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) status.code = reader.int32();
    else if (tag === 0x12) status.message = briefText(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return status;
}

/** An error's text is kept and logged: a client does not fill the memory with it. */
function briefText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 65_536)).toString();
}
