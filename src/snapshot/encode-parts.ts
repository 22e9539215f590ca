// Messages of which most stays the same from one edit to the next are encoded part by part: a route table has a
// thousand virtual hosts, and an edit makes one or two of them new objects. The bytes are those of encoding the whole.
import { encode } from '../envoy/codec.js';
import { type EnvoyMessage, ROUTE } from '../envoy/resource.js';

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

const encodedParts = new WeakMap<object, Buffer>();

/** The bytes of a message, as `encode` gives them; parts that are the same objects as before are not encoded again. */
export function encodeInParts(typeUrl: string, message: EnvoyMessage): Buffer {
  const field = partFields.get(typeUrl);
  const fields = message as Record<string, unknown>;
  const parts = field && fields[field.name];
  if (!Array.isArray(parts) || parts.length < partsMin) return encode(typeUrl, message);
  const head: Record<string, unknown> = {};
  const tail: Record<string, unknown> = { ...fields };
  for (const name of field!.before) {
    head[name] = fields[name];
    delete tail[name];
  }
  delete tail[field!.name];
  return Buffer.concat([
    encode(typeUrl, head),
    ...parts.map((part: EnvoyMessage) => encodedPart(field!, part)),
    encode(typeUrl, tail),
  ]);
}

function encodedPart({ number, type }: PartField, part: EnvoyMessage): Buffer {
  let bytes = encodedParts.get(part);
  if (bytes === undefined) {
    const body = encode(type, part);
    bytes = Buffer.concat([Buffer.from([number * 8 + 2, ...varint(body.length)]), body]);
    encodedParts.set(part, bytes);
  }
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return bytes;
}
