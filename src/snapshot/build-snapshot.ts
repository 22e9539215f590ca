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
import { interner } from '../lib/intern.js';
import { areDisjoint, LayeredMap, layered, layersOf as mapLayersOf } from '../lib/layered-map.js';
import { changedKeys, patched } from '../lib/patched-map.js';
import { contentVersion } from './content-version.js';
import { encodeResource } from './encode.js';
import type { EncodedResource, Snapshot, TypeSnapshot } from './snapshot.js';

/** Proxies that see the same have the very same map of messages: its snapshot is made once for all of them. */
const byMessages = new WeakMap<ReadonlyMap<ResourceName, EnvoyMessage>, TypeSnapshot>();

/**
 * Encodes what is new and reuses the TypeSnapshot objects of `previous` that are equal in content; when all are,
 * `previous` itself comes back, so "nothing changed" is one pointer comparison.
 */
export function buildSnapshot(resources: ResourcesByType, previous?: Snapshot): Snapshot {
  if (previous !== undefined && resourcesOf.get(previous) === resources) return previous;
  const types = new Map<TypeUrl, TypeSnapshot>();
  for (const [typeUrl, messages] of resources) {
    types.set(typeUrl, encodedType(typeUrl, messages, previous?.types.get(typeUrl)));
  }
  const snapshot = snapshotOf(types, previous);
  resourcesOf.set(snapshot, resources);
  return snapshot;
}

/** What a Snapshot was made of: of equal ones the last. */
const resourcesOf = new WeakMap<Snapshot, ResourcesByType>();

/** Layers of messages become layers of the TypeSnapshot: what proxies share is looked at once for all of them. */
function encodedType(
  typeUrl: TypeUrl,
  messages: ReadonlyMap<ResourceName, EnvoyMessage>,
  previous: TypeSnapshot | undefined,
): TypeSnapshot {
  let type = byMessages.get(messages);
  if (type === undefined) {
    if (messages instanceof LayeredMap) {
      const { layers } = messages as LayeredMap<ResourceName, EnvoyMessage>;
      const before = previous && layersOf(previous);
      const encoded = layers.map((layer, i) => encodedType(typeUrl, layer, before?.[i]));
      type = layeredSnapshot(encoded, previous);
    } else {
      type =
        (previous && amended(typeUrl, messages, previous)) ??
        typeSnapshot(encodeAll(typeUrl, messages), previous);
      messagesOf.set(type, messages);
    }
    byMessages.set(messages, type);
  }
  return type;
}

/** The messages that a TypeSnapshot was made of; of equal ones the last. */
const messagesOf = new WeakMap<TypeSnapshot, ReadonlyMap<ResourceName, EnvoyMessage>>();

/** The TypeSnapshot before with what changed in its place, where the messages are known to differ in little. */
function amended(
  typeUrl: TypeUrl,
  messages: ReadonlyMap<ResourceName, EnvoyMessage>,
  previous: TypeSnapshot,
): TypeSnapshot | undefined {
  const before = messagesOf.get(previous);
  if (before === undefined || previous.layers !== undefined) return undefined;
  const changed = changedKeys(before, messages);
  if (changed === undefined) return compared(typeUrl, messages, { before, previous });
  const print = Uint32Array.from(printOf(previous));
  const changes = new Map<ResourceName, EncodedResource>();
  for (const name of changed) {
    const [old, next] = [previous.resources.get(name), messages.get(name)];
    if (old === undefined || next === undefined) return undefined;
    const encoded = encodeResource(typeUrl, name, next);
    if (encoded === old) continue;
    changes.set(name, encoded);
    addPrint(print, printOfDigest(digestOf(encoded)));
    subtractPrint(print, printOfDigest(digestOf(old)));
  }
  if (changes.size === 0) return previous;
  return finished(patched(previous.resources, changes), print);
}

/** As `amended`, where messages came or went: those that stayed are only looked up. */
function compared(
  typeUrl: TypeUrl,
  messages: ReadonlyMap<ResourceName, EnvoyMessage>,
  last: { before: ReadonlyMap<ResourceName, EnvoyMessage>; previous: TypeSnapshot },
): TypeSnapshot {
  const { before, previous } = last;
  const print = Uint32Array.from(printOf(previous));
  const resources = new Map<ResourceName, EncodedResource>();
  let stayed = 0;
  for (const [name, message] of messages) {
    const old = previous.resources.get(name);
    if (old !== undefined) stayed++;
    const same = old !== undefined && before.get(name) === message;
    const resource = same ? old : encodeResource(typeUrl, name, message);
    resources.set(name, resource);
    if (resource !== old) addPrint(print, printOfDigest(digestOf(resource)));
    if (resource !== old && old) subtractPrint(print, printOfDigest(digestOf(old)));
  }
  const gone = stayed < previous.resources.size ? previous.resources : [];
  for (const [name, old] of gone) {
    if (!resources.has(name)) subtractPrint(print, printOfDigest(digestOf(old)));
  }
  return finished(resources, print);
}

/** Does the encoding of `buildSnapshot` bit by bit, which then finds it done. */
export function* encodeSteps(resources: ResourcesByType): Generator<void> {
  for (const [typeUrl, messages] of resources) {
    for (const layer of mapLayersOf(messages)) {
      if (byMessages.has(layer)) continue;
      for (const [name, message] of layer) {
        encodeResource(typeUrl, name, message);
        yield;
      }
    }
  }
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
 * give a version of its own instead. Equal content gives the same object while anybody holds it.
 */
export function typeSnapshot(
  resources: ReadonlyMap<ResourceName, EncodedResource>,
  previous?: TypeSnapshot,
  version?: Version,
): TypeSnapshot {
  if (previous !== undefined && (version === undefined || version === previous.version)) {
    if (sameResources(previous.resources, resources)) return previous;
  }
  if (version !== undefined) {
    const made: TypeSnapshot = { version, resources };
    given.add(made);
    return made;
  }
  return finished(resources, sumOfPrints(resources));
}

/** `print` is the sum of the fingerprints of the resources. */
function finished(
  resources: ReadonlyMap<ResourceName, EncodedResource>,
  print: Uint32Array,
): TypeSnapshot {
  const made: TypeSnapshot = { version: versionOf(print, resources.size), resources };
  const known = intern(made.version, made);
  const type = known === made || sameResources(known.resources, resources) ? known : made;
  prints.set(type, print);
  return type;
}

/**
 * Several TypeSnapshots as one, in this order; `previous` when it has the same content. Layers that have a name in
 * common are made one, the later one's resource counts. The version is that of the same resources without layers.
 */
export function layeredSnapshot(
  parts: readonly TypeSnapshot[],
  previous?: TypeSnapshot,
): TypeSnapshot {
  const layers = parts.flatMap(layersOf).filter(({ resources }) => resources.size > 0);
  if (layers.length === 0) return emptyTypeSnapshot;
  if (layers.length === 1) return layers[0]!;
  const maps = layers.map(({ resources }) => resources);
  if (!areDisjoint(maps)) return typeSnapshot(layered(maps), previous);
  return disjointSnapshot(layers, previous);
}

/** The same for parts without layers that are known to have no name in common, which is not checked. */
export function disjointSnapshot(
  parts: readonly TypeSnapshot[],
  previous?: TypeSnapshot,
): TypeSnapshot {
  const layers = parts.filter(({ resources }) => resources.size > 0);
  if (layers.length === 0) return emptyTypeSnapshot;
  if (layers.length === 1) return layers[0]!;
  const resources = new LayeredMap(layers.map((layer) => layer.resources));
  const print = new Uint32Array(4);
  for (const layer of layers) addPrint(print, printOf(layer));
  const version = versionOf(print, resources.size);
  return version === previous?.version ? previous : { version, resources, layers };
}

/** The parts that a TypeSnapshot is made of; itself when it has none. */
export function layersOf(type: TypeSnapshot): readonly TypeSnapshot[] {
  return type.layers ?? [type];
}

const intern = interner<TypeSnapshot>();
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
export function versionOf(print: Uint32Array, size: number): Version {
  return contentVersion(`${size} ${print.join(' ')}`);
}

const prints = new WeakMap<TypeSnapshot, Uint32Array>();

function printOf(type: TypeSnapshot): Uint32Array {
  let print = prints.get(type);
  if (print === undefined) {
    print = sumOfPrints(type.resources);
    prints.set(type, print);
  }
  return print;
}

function sumOfPrints(resources: ReadonlyMap<ResourceName, EncodedResource>): Uint32Array {
  const sum = new Uint32Array(4);
  for (const resource of resources.values()) addDigest(sum, digestOf(resource));
  return sum;
}

/** Adds one print to a sum of them. */
export function addPrint(sum: Uint32Array, print: Uint32Array): void {
  for (let lane = 0; lane < 4; lane++) sum[lane] = sum[lane]! + print[lane]!;
}

function subtractPrint(sum: Uint32Array, print: Uint32Array): void {
  for (let lane = 0; lane < 4; lane++) sum[lane] = sum[lane]! - print[lane]!;
}

/** A quarter of the size that the numbers have. */
const digests = new WeakMap<EncodedResource, string>();

function digestOf(resource: EncodedResource): string {
  let digest = digests.get(resource);
  if (digest === undefined) {
    digest = digestOfText(resource.name, resource.version);
    digests.set(resource, digest);
  }
  return digest;
}

/** What a resource of that name and version adds to the sum of its type. */
export function printOfText(name: ResourceName, version: string): Uint32Array {
  return printOfDigest(digestOfText(name, version));
}

/** A character each byte; a Buffer of it would take longer to make than the hash. */
function digestOfText(name: ResourceName, version: string): string {
  return hash('sha256', `${name}\n${version}`, 'binary');
}

function printOfDigest(digest: string): Uint32Array {
  const print = new Uint32Array(4);
  addDigest(print, digest);
  return print;
}

/** The first 128 bits, as four numbers, the lowest byte first. */
function addDigest(sum: Uint32Array, digest: string): void {
  for (let lane = 0; lane < 4; lane++) {
    const at = lane * 4;
    const low = digest.charCodeAt(at) | (digest.charCodeAt(at + 1) << 8);
    const high = digest.charCodeAt(at + 2) | (digest.charCodeAt(at + 3) << 8);
    sum[lane] = sum[lane]! + (low | (high << 16));
  }
}

/** The type with no resources; its version is that of any empty type. */
export const emptyTypeSnapshot: TypeSnapshot = typeSnapshot(new Map());
