// `initial_resource_versions` of a delta request, as they stand in its bytes. A reconnecting sidecar sends thousands of
// entries, most of them known to the server; texts and a map are made of them only when somebody asks for one.
import protobuf from 'protobufjs/light.js';

/** Names and versions that a client holds. Its `size` counts a name twice that is there twice. */
export class HeldVersions implements ReadonlyMap<string, string> {
  readonly bytes: Uint8Array;
  /** Where each entry begins and ends in the bytes. */
  readonly ranges: readonly number[];
  #map: Map<string, string> | undefined;

  constructor(bytes: Uint8Array, ranges: readonly number[]) {
    this.bytes = bytes;
    this.ranges = ranges;
  }

  get size(): number {
    return this.ranges.length / 2;
  }

  get(name: string): string | undefined {
    return this.#all.get(name);
  }

  has(name: string): boolean {
    return this.#all.has(name);
  }

  forEach(each: (version: string, name: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [name, version] of this.#all) each(version, name, this);
  }

  entries(): MapIterator<[string, string]> {
    return this.#all.entries();
  }

  keys(): MapIterator<string> {
    return this.#all.keys();
  }

  values(): MapIterator<string> {
    return this.#all.values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#all.entries();
  }

  get #all(): Map<string, string> {
    if (this.#map !== undefined) return this.#map;
    const map = new Map<string, string>();
    const { bytes, ranges } = this;
    const reader = protobuf.Reader.create(bytes);
    for (let i = 0; i < ranges.length; i += 2) {
      reader.pos = ranges[i]!;
      readEntry(reader, ranges[i + 1]!, map);
    }
    this.#map = map;
    return map;
  }
}

/** Checks that the map entry at the reader's place can be read, notes where it is, and goes beyond it. */
export function noteEntry(reader: protobuf.Reader, ranges: number[]): void {
  const length = reader.uint32();
  const start = reader.pos;
  const end = start + length;
  if (end > reader.len) throw new RangeError('a map entry goes beyond the end');
  ranges.push(start, end);
  if (!isPlain(reader.buf, start, end)) readEntry(reader, end, new Map());
  reader.pos = end;
}

/** Key and value, each once, shorter than 128 bytes, and nothing else. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 4 || bytes[start] !== 0x0a || bytes[start + 1]! > 127) return false;
  const value = start + 2 + bytes[start + 1]!;
  return value + 2 <= end && bytes[value] === 0x12 && value + 2 + bytes[value + 1]! === end;
}

function readEntry(reader: protobuf.Reader, end: number, into: Map<string, string>): void {
  let key = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = reader.string();
    else reader.skipType(tag & 7);
  }
  if (reader.pos !== end) throw new RangeError('a field goes beyond its map entry');
  into.set(key, value);
}
