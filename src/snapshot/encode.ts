// Encodes each distinct resource once: by the identity of its message first, then by its bytes, so that the same
// content is the same object everywhere. Nothing here knows who is served what.
import type { EnvoyMessage, ResourceName, TypeUrl, Version } from '../envoy/resource.js';
import { contentVersion } from './content-version.js';
import { encodeInParts } from './encode-parts.js';
import { ResourceIntern } from './intern.js';
import type { EncodedResource } from './snapshot.js';

/** How often work was done, since the process began; metrics and tests read it. */
export const encodeCounters = {
  /** Messages turned into bytes. */
  encodings: 0,
  /** The same by type URL. */
  encodingsByType: new Map<string, number>(),
  /** Messages whose object was seen before: no work at all. */
  sameMessage: 0,
  /** New messages with bytes that were there already. */
  sameBytes: 0,
};

// Nearly every message stands under one name of one type: no list, and no map with made-up keys.
const byMessage = new WeakMap<EnvoyMessage, EncodedResource | EncodedResource[]>();
const interned = new ResourceIntern();

/**
 * The encoded form of a message. The same message object, and equal content under the same name, give the same
 * EncodedResource object. Throws on a type URL without a proto (a bug of the program).
 */
export function encodeResource(
  typeUrl: string,
  name: ResourceName,
  message: EnvoyMessage,
): EncodedResource {
  const known = byMessage.get(message);
  const before = known && find(known, typeUrl, name);
  if (before !== undefined) {
    encodeCounters.sameMessage++;
    return before;
  }
  encodeCounters.encodings++;
  const { encodingsByType } = encodeCounters;
  encodingsByType.set(typeUrl, (encodingsByType.get(typeUrl) ?? 0) + 1);
  const { bytes, version } = encodeInParts(typeUrl, message);
  const resource = encodedResource(typeUrl, name, bytes, version);
  if (known === undefined) byMessage.set(message, resource);
  else if (Array.isArray(known)) known.push(resource);
  else byMessage.set(message, [known, resource]);
  return resource;
}

function find(
  known: EncodedResource | EncodedResource[],
  typeUrl: string,
  name: ResourceName,
): EncodedResource | undefined {
  const isIt = (it: EncodedResource) => it.name === name && it.typeUrl === typeUrl;
  if (Array.isArray(known)) return known.find(isIt);
  return isIt(known) ? known : undefined;
}

/** A resource from bytes that exist already, with a version of the caller's or the hash of the bytes. */
export function encodedResource(
  typeUrl: string,
  name: ResourceName,
  bytes: Buffer,
  version: string = contentVersion(bytes),
): EncodedResource {
  const before = interned.find(typeUrl, name, version);
  if (before?.bytes.equals(bytes)) {
    encodeCounters.sameBytes++;
    return before;
  }
  const resource: EncodedResource = {
    typeUrl: typeUrl as TypeUrl,
    name,
    version: version as Version,
    bytes,
  };
  interned.add(resource);
  return resource;
}
