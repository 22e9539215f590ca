// Bytes of protobuf messages, written one after the other into one piece of memory that serves all of them: what is
// kept of a message is exactly its own bytes. encode-plain.ts decides what is written.
import protobuf from 'protobufjs/light.js';

const startSize = 64 * 1024;
/** A larger buffer is not kept for the next message. */
const keptMax = 4 * 1024 * 1024;
/** Up to this, a loop over the characters is faster than a call into Node. */
const loopMax = 48;

/** Writes wire format. `begin` before a message, `finish` after it. */
export class PlainWriter {
  #buf = Buffer.allocUnsafeSlow(startSize);
  #view = viewOf(this.#buf);
  /** Where the next byte goes; may be set back to undo what was written since. */
  pos = 0;

  begin(): void {
    this.pos = 0;
  }

  /** A copy of what was written since a position, which is the caller's. */
  copyFrom(start: number): Buffer {
    const length = this.pos - start;
    const copy = Buffer.allocUnsafe(length);
    this.#buf.copy(copy, 0, start, this.pos);
    return copy;
  }

  finish(): Buffer {
    const bytes = this.copyFrom(0);
    if (this.#buf.length > keptMax) this.#resize(startSize);
    return bytes;
  }

  uint32(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 127) {
      this.#buf[this.pos++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buf[this.pos++] = rest;
  }

  bool(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.uint64(value | 0);
  }

  sint32(value: number): void {
    this.uint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** A number, a Long, or digits. */
  uint64(value: number | string): void {
    this.#varint(bitsOf(value));
  }

  sint64(value: number | string): void {
    this.#varint(bitsOf(value).zzEncode());
  }

  #varint(bits: protobuf.util.LongBits): void {
    let { lo, hi } = bits;
    this.#reserve(10);
    while (hi > 0 || lo > 127) {
      this.#buf[this.pos++] = (lo & 127) | 128;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.#buf[this.pos++] = lo;
  }

  fixed32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.pos, value >>> 0, true);
    this.pos += 4;
  }

  fixed64(value: number | string): void {
    const { lo, hi } = bitsOf(value);
    this.fixed32(lo);
    this.fixed32(hi);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.pos, value, true);
    this.pos += 4;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.pos, value, true);
    this.pos += 8;
  }

  string(value: string): void {
    const { length } = value;
    if (length > loopMax || !this.#ascii(value, length)) {
      const bytes = Buffer.byteLength(value);
      this.uint32(bytes);
      this.#reserve(bytes);
      this.pos += this.#buf.write(value, this.pos);
    }
  }

  /** False, and nothing written, when the string has other characters. */
  #ascii(value: string, length: number): boolean {
    this.#reserve(length + 1);
    const buf = this.#buf;
    let at = this.pos;
    buf[at++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      buf[at++] = code;
    }
    this.pos = at;
    return true;
  }

  bytes(value: Uint8Array): void {
    this.uint32(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buf.set(value, this.pos);
    this.pos += value.length;
  }

  /** Writes again what was written from a position on. */
  repeat(start: number, length: number): void {
    this.#reserve(length);
    this.#buf.copyWithin(this.pos, start, start + length);
    this.pos += length;
  }

  /** Begins something that its length goes before; what it gives, `endDelimited` takes. */
  startDelimited(): number {
    this.#reserve(1);
    return this.pos++;
  }

  endDelimited(start: number): void {
    const length = this.pos - start - 1;
    if (length > 127) {
      const end = this.pos;
      const more = length < 2 ** 14 ? 1 : length < 2 ** 21 ? 2 : length < 2 ** 28 ? 3 : 4;
      this.#reserve(more);
      this.#buf.copyWithin(start + 1 + more, start + 1, end);
      this.pos = start;
      this.uint32(length);
      this.pos = end + more;
    } else this.#buf[start] = length;
  }

  #reserve(length: number): void {
    const needed = this.pos + length;
    if (needed > this.#buf.length) this.#resize(Math.max(needed, this.#buf.length * 2));
  }

  #resize(size: number): void {
    const buf = Buffer.allocUnsafeSlow(size);
    this.#buf.copy(buf, 0, 0, Math.min(this.pos, size));
    this.#buf = buf;
    this.#view = viewOf(buf);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function bitsOf(value: unknown): protobuf.util.LongBits {
  return protobuf.util.LongBits.from(value as number);
}
