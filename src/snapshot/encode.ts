// Encodes each distinct resource once: by the identity of its message first, then by its bytes, so that the same
// content is the same object everywhere. Nothing here knows who is served what.
import { hash } from 'node:crypto';
import type { EnvoyMessage, ResourceName, TypeUrl, Version } from '../envoy/resource.js';
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

// Nearly every message stands under one name of one type, so a list beats a map with made-up keys.
const byMessage = new WeakMap<EnvoyMessage, EncodedResource[]>();
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
  const before = known?.find((it) => it.name === name && it.typeUrl === typeUrl);
  if (before !== undefined) {
    encodeCounters.sameMessage++;
    return before;
  }
  encodeCounters.encodings++;
  const { encodingsByType } = encodeCounters;
  encodingsByType.set(typeUrl, (encodingsByType.get(typeUrl) ?? 0) + 1);
  const resource = encodedResource(typeUrl, name, encodeInParts(typeUrl, message));
  if (known === undefined) byMessage.set(message, [resource]);
  else known.push(resource);
  return resource;
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

/** The first 64 bits of SHA-256, as 16 hex digits: enough to tell the versions of one resource apart. */
export function contentVersion(bytes: Uint8Array | string): Version {
  return hash('sha256', bytes, 'hex').slice(0, 16) as Version;
}
