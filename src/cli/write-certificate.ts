// X.509 certificates made with node:crypto alone: P-256 keys, version 3, DER written by hand (RFC 5280), with just what
// TLS libraries look at. Whom to vouch for is the caller's business.
import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** What a certificate says, and the key that signs it. */
export interface CertificateContents {
  /** Common names. */
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  /** Of a P-256 pair. */
  issuerKey: KeyObject;
  /** `spiffe://…`, DNS names and IPv4 addresses. */
  names: readonly string[];
  isCa: boolean;
  notBeforeMs: number;
  /** Before 2050. */
  notAfterMs: number;
}

/** The certificate in PEM. */
export function writeCertificate(contents: CertificateContents): string {
  const { subject, issuer, publicKey, issuerKey, names, isCa } = contents;
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
  const extensions = [
    extension('551d13', sequence(...(isCa ? [tlv(0x01, Buffer.from([0xff]))] : []))),
    ...(names.length > 0 ? [extension('551d11', sequence(...names.map(generalName)))] : []),
  ];
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(contents.notBeforeMs), time(contents.notAfterMs)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, issuerKey);
  const der = sequence(body, ecdsaWithSha256, bitString(signature));
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]) => tlv(0x30, ...parts);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const bitString = (bytes: Buffer) => tlv(0x03, Buffer.from([0]), bytes);
const extension = (id: string, value: Buffer) => sequence(oid(id), tlv(0x04, value));

/** A name with only a CN. */
const nameOf = (commonName: string) =>
  sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));

/** UTCTime. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function generalName(name: string): Buffer {
  if (name.includes('://')) return tlv(0x86, Buffer.from(name));
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  return tlv(0x82, Buffer.from(name));
}
