// Protobuf by hand, for the simulated sidecars: they take a response apart into slices and write requests from parts
// that many of them share. Only what ADS messages need; everything else is src/envoy/codec.ts.

/** Calls `each` for every length-delimited field of a message; others are skipped. */
export function readFields(bytes: Buffer, each: (number: number, bytes: Buffer) => void): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = varint();
      each(Math.floor(tag / 8), bytes.subarray(at, at + length));
      at += length;
    }
  }
}

/** The first field with that number, as text; '' when there is none. */
export function readText(bytes: Buffer, number: number): string {
  let found: string | undefined;
  readFields(bytes, (n, field) => {
    if (n === number) found ??= field.toString('latin1');
  });
  return found ?? '';
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
