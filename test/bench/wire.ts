// Protobuf by hand, for the simulated sidecars: they take a response apart into slices and write requests from parts
// that many of them share. Only what ADS messages need; everything else is src/envoy/codec.ts.

/** Goes through the length-delimited fields of a message; others are skipped. */
export class FieldReader {
  /** Of the present field: its number, where its tag is, and where its value is. */
  number = 0;
  start = 0;
  end = 0;
  #from = 0;
  #at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** On to the next field; false at the end. */
  next(): boolean {
    while (this.#at < this.#bytes.length) {
      this.start = this.#at;
      const tag = this.#varint();
      const wire = tag % 8;
      if (wire === 0) this.#varint();
      else if (wire === 1) this.#at += 8;
      else if (wire === 5) this.#at += 4;
      else {
        const length = this.#varint();
        this.number = Math.floor(tag / 8);
        this.#from = this.#at;
        this.#at += length;
        this.end = this.#at;
        return true;
      }
    }
    return false;
  }

  /** The number of the next field, if that is below 16 and length-delimited; the reader stays where it is. */
  peek(): number | undefined {
    const tag = this.#bytes[this.#at];
    return tag !== undefined && tag < 128 && tag % 8 === 2 ? Math.floor(tag / 8) : undefined;
  }

  /** Goes on from there. */
  skipTo(at: number): void {
    this.#at = at;
  }

  value(): Buffer {
    return this.#bytes.subarray(this.#from, this.end);
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#from, this.end);
  }

  #varint(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }
}

/** The first field with that number, as text; '' when there is none. */
export function readText(bytes: Buffer, number: number): string {
  const reader = new FieldReader(bytes);
  while (reader.next()) if (reader.number === number) return reader.text();
  return '';
}

/** A length-delimited field of text or of a message's bytes. */
export function field(number: number, value: string | Buffer): Buffer {
  const body = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varintBytes(number * 8 + 2), varintBytes(body.length), body]);
}

function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
