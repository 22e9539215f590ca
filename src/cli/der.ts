// DER by hand (X.690), as much of it as certificates and lists of revoked ones need (RFC 5280), and their signature.
import { type KeyObject, sign } from 'node:crypto';

/** A value with its tag and size. */
export function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

export const sequence = (...parts: readonly Buffer[]) => tlv(0x30, ...parts);
export const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const bitString = (bytes: Buffer) => tlv(0x03, Buffer.from([0]), bytes);

/** A name with only a CN. */
export const nameOf = (commonName: string) =>
  sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));

/** UTCTime. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

/** The algorithm of `signedPem`. */
export const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));

/** What is to be signed, its algorithm and signature, in PEM. `key` is of a P-256 pair. */
export function signedPem(body: Buffer, key: KeyObject, what: string): string {
  const der = sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, key)));
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN ${what}-----\n${lines.join('\n')}\n-----END ${what}-----\n`;
}
