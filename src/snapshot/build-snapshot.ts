// Makes a snapshot from translated messages, or from encoded resources, sharing with the previous one whatever has
// not changed. The comparison of two snapshots for a stream is diff.ts.
import { hash } from 'node:crypto';
import type {
  EnvoyMessage,
  ResourceName,
  ResourcesByType,
  TypeUrl,
  Version,
} from '../envoy/resource.js';
import { contentVersion, encodeResource } from './encode.js';
import type { EncodedResource, Snapshot, TypeSnapshot } from './snapshot.js';

/** Proxies that see the same have the very same map of messages: its snapshot is made once for all of them. */
const byMessages = new WeakMap<ReadonlyMap<ResourceName, EnvoyMessage>, TypeSnapshot>();

/**
 * Encodes what is new and reuses the TypeSnapshot objects of `previous` that are equal in content; when all are,
 * `previous` itself comes back, so "nothing changed" is one pointer comparison.
 */
export function buildSnapshot(resources: ResourcesByType, previous?: Snapshot): Snapshot {
  const types = new Map<TypeUrl, TypeSnapshot>();
  for (const [typeUrl, messages] of resources) {
    let type = byMessages.get(messages);
    if (type === undefined) {
      type = typeSnapshot(encodeAll(typeUrl, messages), previous?.types.get(typeUrl));
      byMessages.set(messages, type);
    }
    types.set(typeUrl, type);
  }
  return snapshotOf(types, previous);
}

function encodeAll(
  typeUrl: TypeUrl,
  messages: ReadonlyMap<ResourceName, EnvoyMessage>,
): Map<ResourceName, EncodedResource> {
  const encoded = new Map<ResourceName, EncodedResource>();
  for (const [name, message] of messages) {
    encoded.set(name, encodeResource(typeUrl, name, message));
  }
  return encoded;
}

/** A snapshot of given types; `previous` itself when it has the very same ones. */
export function snapshotOf(
  types: ReadonlyMap<TypeUrl, TypeSnapshot>,
  previous?: Snapshot,
): Snapshot {
  if (previous?.types.size !== types.size) return { types };
  for (const [typeUrl, type] of types) if (previous.types.get(typeUrl) !== type) return { types };
  return previous;
}

/**
 * One type's resources with a version over names and versions, whatever their order (xds-protocol 28). A caller may
 * give a version of its own instead.
 */
export function typeSnapshot(
  resources: ReadonlyMap<ResourceName, EncodedResource>,
  previous?: TypeSnapshot,
  version?: Version,
): TypeSnapshot {
  if (previous !== undefined && (version === undefined || version === previous.version)) {
    if (sameResources(previous.resources, resources)) return previous;
  }
  const made: TypeSnapshot = { version: version ?? versionOf(resources), resources };
  if (version !== undefined) given.add(made);
  return made;
}

const given = new WeakSet<TypeSnapshot>();

/** Whether the version is the caller's: it is passed on as it is, and says nothing about the content. */
export function hasGivenVersion(type: TypeSnapshot): boolean {
  return given.has(type);
}

function sameResources(
  a: ReadonlyMap<ResourceName, EncodedResource>,
  b: ReadonlyMap<ResourceName, EncodedResource>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, resource] of b) if (a.get(name) !== resource) return false;
  return true;
}

/**
 * A hash over names and versions that does not depend on their order. A sum of hashes rather than a hash of a sorted
 * list: with a thousand resources in each of a hundred views, sorting is most of the work of a change.
 */
function versionOf(resources: ReadonlyMap<ResourceName, EncodedResource>): Version {
  const sum = new Uint32Array(4);
  for (const resource of resources.values()) {
    const print = fingerprint(resource);
    for (let lane = 0; lane < 4; lane++) sum[lane] = sum[lane]! + print[lane]!;
  }
  return contentVersion(`${resources.size} ${sum.join(' ')}`);
}

const fingerprints = new WeakMap<EncodedResource, Uint32Array>();

function fingerprint(resource: EncodedResource): Uint32Array {
  let print = fingerprints.get(resource);
  if (print === undefined) {
    const digest = hash('sha256', `${resource.name}\n${resource.version}`, 'buffer');
    print = Uint32Array.from({ length: 4 }, (_, lane) => digest.readUInt32LE(lane * 4));
    fingerprints.set(resource, print);
  }
  return print;
}

/** The type with no resources; its version is that of any empty type. */
export const emptyTypeSnapshot: TypeSnapshot = typeSnapshot(new Map());
