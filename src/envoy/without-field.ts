// Protobuf messages as bytes, without one of their fields: for what is large and of no use to us. What a field means
// is not known here.
import protobuf from 'protobufjs/light.js';

/** The message's bytes but for all occurrences of the field. Throws on bytes that are no message. */
export function withoutField(bytes: Uint8Array, field: number): Uint8Array {
  const reader = protobuf.Reader.create(bytes);
  const kept: Uint8Array[] = [];
  let from = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    reader.skipType(tag & 7);
    if (tag >>> 3 !== field) continue;
    if (start > from) kept.push(bytes.subarray(from, start));
    from = reader.pos;
  }
  return from === 0 ? bytes : Buffer.concat([...kept, bytes.subarray(from)]);
}
