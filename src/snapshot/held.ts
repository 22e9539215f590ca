// What a reconnecting delta client says that it holds, as a TypeSnapshot: names and versions without bytes, so that a
// reconnect is a diff like any other. Its version is that of a snapshot with the same content, and is found without
// making texts of the entries: a thousand sidecars that come back in step cost little more than reading.
import { HeldVersions } from '../envoy/held-versions.js';
import type { ResourceName, TypeUrl, Version } from '../envoy/resource.js';
import { interner } from '../lib/intern.js';
import { memoize } from '../lib/memo.js';
import { addPrint, printOfText, versionOf } from './build-snapshot.js';
import type { EncodedResource, TypeSnapshot } from './snapshot.js';

const noBytes = Buffer.alloc(0);

/** Whether a resource is only known from what a client holds: it can be compared and removed, never sent. */
export function isHeldOnly(resource: EncodedResource): boolean {
  return resource.bytes === noBytes;
}

/** What a client holds; the resources are made when they are looked at. */
class HeldSnapshot implements TypeSnapshot {
  readonly version: Version;
  readonly #held: ReadonlyMap<string, string>;
  readonly #typeUrl: TypeUrl;
  #resources: ReadonlyMap<ResourceName, EncodedResource> | undefined;

  constructor(version: Version, held: ReadonlyMap<string, string>, typeUrl: string) {
    this.version = version;
    this.#held = held;
    this.#typeUrl = typeUrl as TypeUrl;
  }

  get resources(): ReadonlyMap<ResourceName, EncodedResource> {
    if (this.#resources !== undefined) return this.#resources;
    const resources = new Map<ResourceName, EncodedResource>();
    for (const [name, version] of this.#held) {
      const typeUrl = this.#typeUrl;
      resources.set(name, { name, typeUrl, version: version as Version, bytes: noBytes });
    }
    this.#resources = resources;
    return resources;
  }
}

/** Whether it was made of what a client holds, without bytes. */
export function isHeldSnapshot(type: TypeSnapshot): boolean {
  return type instanceof HeldSnapshot;
}

const intern = interner<TypeSnapshot>();

/** The snapshot of what is held; the same object for equal content while anybody holds it. */
export const heldSnapshot: (held: ReadonlyMap<string, string>, typeUrl: string) => TypeSnapshot =
  memoize((held: ReadonlyMap<string, string>, typeUrl: string): TypeSnapshot => {
    const version = versionOf(held instanceof HeldVersions ? printOf(held) : sum(held), held.size);
    return intern(`${typeUrl} ${version}`, new HeldSnapshot(version, held, typeUrl));
  });

function sum(held: ReadonlyMap<string, string>): Uint32Array {
  const total = new Uint32Array(4);
  for (const [name, version] of held) addPrint(total, printOfText(name, version));
  return total;
}

/** The sum of the prints of all entries. */
function printOf({ bytes, ranges }: HeldVersions): Uint32Array {
  const total = new Uint32Array(4);
  for (let i = 0; i < ranges.length; i += 2)
    addPrint(total, known(bytes, ranges[i]!, ranges[i + 1]!));
  return total;
}

interface Known {
  readonly bytes: Uint8Array;
  readonly print: Uint32Array;
  readonly next: Known | undefined;
}

/** Prints by the bytes of the entry, as clients send the same ones in any order. */
const table = new Map<number, Known>();
let knownEntries = 0;
/** More are made up, or of long ago. One is about 400 bytes. */
const knownMax = 32_768;

function known(bytes: Uint8Array, start: number, end: number): Uint32Array {
  const key = quickHash(bytes, start, end);
  for (let it = table.get(key); it !== undefined; it = it.next) {
    if (isSame(it.bytes, bytes, start, end)) return it.print;
  }
  const [[name, version] = ['', '']] = new HeldVersions(bytes, [start, end]);
  const print = printOfText(name, version);
  if (knownEntries >= knownMax) {
    table.clear();
    knownEntries = 0;
  }
  knownEntries++;
  table.set(key, { bytes: bytes.slice(start, end), print, next: table.get(key) });
  return print;
}

/** Versions are mostly hashes and come last: they tell entries apart without a look at the whole. */
function quickHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = Math.max(start, end - 12); i < end; i++) hash = (hash * 31 + bytes[i]!) | 0;
  return hash;
}

function isSame(a: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (a.length !== end - start) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== bytes[start + i]) return false;
  return true;
}
