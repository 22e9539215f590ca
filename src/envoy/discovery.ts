// The discovery requests of xDS on the wire, read by hand: without decoding the node (61 kB from Envoy, with each ACK
// of some clients). What they mean is for src/xds; responses are in discovery-response.ts.
import protobuf from 'protobufjs/light.js';

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
