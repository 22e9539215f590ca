// X.509 certificates made with node:crypto alone: P-256 keys, version 3 (RFC 5280), with just what TLS libraries
// look at. Whom to vouch for is the caller's business.
import { type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { ecdsaWithSha256, nameOf, oid, sequence, signedPem, time, tlv } from './der.js';

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
  return signedPem(body, issuerKey, 'CERTIFICATE');
}

const extension = (id: string, value: Buffer) => sequence(oid(id), tlv(0x04, value));

function generalName(name: string): Buffer {
  if (name.includes('://')) return tlv(0x86, Buffer.from(name));
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  return tlv(0x82, Buffer.from(name));
}
