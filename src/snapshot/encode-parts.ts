// Messages of which most stays the same from one edit to the next are encoded part by part: a route table has a
// thousand virtual hosts, and an edit makes one or two of them new objects. The bytes are those of encoding the whole.
import { encode, encodeAsField } from '../envoy/codec.js';
import { type EnvoyMessage, ROUTE, type Version } from '../envoy/resource.js';
import { contentVersion } from './content-version.js';

/** A repeated field with the parts of a message; fields before it have lower numbers. */
interface PartField {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly before: readonly string[];
}

const partFields: ReadonlyMap<string, PartField> = new Map([
  [
    ROUTE,
    {
      name: 'virtual_hosts',
      number: 2,
      type: 'envoy.config.route.v3.VirtualHost',
      before: ['name'],
    },
  ],
]);

/** Fewer are encoded with the whole. */
const partsMin = 8;

/** Where the bytes of a part are: in the last whole that was made of it. */
interface EncodedPart {
  in: Buffer;
  start: number;
  length: number;
  version: Version;
}

const encodedParts = new WeakMap<object, EncodedPart>();

/** The bytes of a message, as `encode` gives them, and their version. */
export interface Encoded {
  bytes: Buffer;
  version: Version;
}

/**
 * Parts that are the same objects as before are not encoded again. The version of a message in parts is made of
 * those of the parts: it says the same, and an edit of one part of ten thousand need not hash them all.
 */
export function encodeInParts(typeUrl: string, message: EnvoyMessage): Encoded {
  const field = partFields.get(typeUrl);
  const fields = message as Record<string, unknown>;
  const parts = field && fields[field.name];
  if (!Array.isArray(parts) || parts.length < partsMin) {
    const bytes = encode(typeUrl, message);
    return { bytes, version: contentVersion(bytes) };
  }
  const head: Record<string, unknown> = {};
  const tail: Record<string, unknown> = { ...fields };
  for (const name of field!.before) {
    head[name] = fields[name];
    delete tail[name];
  }
  delete tail[field!.name];
  const encoded = parts.map((part: EnvoyMessage) => encodedPart(field!, part));
  const [before, after] = [encode(typeUrl, head), encode(typeUrl, tail)];
  const versions = encoded.map(({ version }) => version).join('');
  const version = contentVersion(`${contentVersion(before)}${contentVersion(after)}${versions}`);
  return { bytes: joined(before, encoded, after), version };
}

function encodedPart({ number, type }: PartField, part: EnvoyMessage): EncodedPart {
  let known = encodedParts.get(part);
  if (known === undefined) {
    const bytes = encodeAsField(type, number, part);
    known = { in: bytes, start: 0, length: bytes.length, version: contentVersion(bytes) };
    encodedParts.set(part, known);
  }
  return known;
}

/** Parts that already follow one another are copied together; from now on they are known to be in the new whole. */
function joined(before: Buffer, parts: readonly EncodedPart[], after: Buffer): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, before.length + after.length);
  const whole = Buffer.allocUnsafe(length);
  let at = before.copy(whole);
  for (let i = 0; i < parts.length; ) {
    const first = parts[i]!;
    const { in: source, start } = first;
    let end = start;
    for (; i < parts.length; i++) {
      const part = parts[i]!;
      if (part.in !== source || part.start !== end) break;
      part.in = whole;
      part.start = at + end - start;
      end += part.length;
    }
    at += source.copy(whole, at, start, end);
  }
  after.copy(whole, at);
  return whole;
}
