// Looking into PEM texts of certificates and keys with node:crypto. Whom to trust is not decided here. Envoy's library
// is stricter than Node's: a block begins at the beginning of a line, and one that is cut off spoils the text.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

const certificateBlock = /^-----BEGIN CERTIFICATE-----[^-]*^-----END CERTIFICATE-----/gm;
const revocationBlock = /^-----BEGIN X509 CRL-----([^-]*)^-----END X509 CRL-----/gm;
const anyBegin = /^-----BEGIN /gm;
const anyEnd = /^-----END /gm;

function isCutOff(pem: string): boolean {
  return (pem.match(anyBegin) ?? []).length !== (pem.match(anyEnd) ?? []).length;
}

/** What is wrong with a text that should be one or more certificates; undefined: nothing. */
export function certificatesProblem(pem: string): string | undefined {
  const blocks = pem.match(certificateBlock) ?? [];
  if (blocks.length === 0) return 'has no certificate in PEM form';
  for (const [i, block] of blocks.entries()) {
    if (parseCertificate(block) === undefined) return `certificate ${i + 1} cannot be read`;
  }
  if (isCutOff(pem)) return 'ends within a block of PEM';
  return undefined;
}

/** What is wrong with a private key; undefined: nothing. Keys that ask for a passphrase cannot be used. */
export function privateKeyProblem(pem: string): string | undefined {
  if (parseKey(pem) !== undefined && /^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(pem)) {
    return undefined;
  }
  return pem.includes('ENCRYPTED') ? 'is encrypted' : 'is no private key in PEM form';
}

/** What is wrong with a list of revoked certificates; undefined: nothing that can be seen. */
export function crlProblem(pem: string): string | undefined {
  const blocks = [...pem.matchAll(revocationBlock)];
  if (blocks.length === 0) return 'has no revocation list in PEM form';
  const wrong = blocks.findIndex(([, body = '']) => !isSequence(Buffer.from(body, 'base64')));
  if (wrong >= 0) return `revocation list ${wrong + 1} cannot be read`;
  return isCutOff(pem) ? 'ends within a block of PEM' : undefined;
}

/** Whether bytes are a SEQUENCE in DER that begins with another and leaves nothing over; Node reads no lists itself. */
function isSequence(der: Buffer): boolean {
  if (der.length < 2 || der[0] !== 0x30) return false;
  const first = der[1]!;
  const more = first < 0x80 ? 0 : first - 0x80;
  if (more > 4 || der.length < 2 + more) return false;
  const length = more === 0 ? first : der.readUIntBE(2, more);
  return der.length === 2 + more + length && der[2 + more] === 0x30;
}

const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Why Envoy would refuse the first certificate of `chain` for its key; undefined: it would not. It has been found readable. */
export function keyKindProblem(chain: string): string | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = parseCertificate(chain)?.publicKey ?? {};
  const { modulusLength = 0, namedCurve = '' } = asymmetricKeyDetails ?? {};
  if (!['rsa', 'ec', 'ed25519'].includes(asymmetricKeyType ?? '')) {
    return `is of a key of type ${asymmetricKeyType}; Envoy takes RSA and EC`;
  }
  if (asymmetricKeyType === 'rsa' && modulusLength < 2048) {
    return `is of an RSA key of ${modulusLength} bits; Envoy takes 2048 and more`;
  }
  if (asymmetricKeyType === 'ec' && !curves.has(namedCurve)) {
    return `is of an EC key on ${namedCurve}; Envoy takes P-256, P-384 and P-521`;
  }
  return undefined;
}

/** Whether Envoy can show the first certificate of `chain` over QUIC, where it has no Ed25519. It has been found readable. */
export function isForQuic(chain: string): boolean {
  return parseCertificate(chain)?.publicKey.asymmetricKeyType !== 'ed25519';
}

/** Whether the first certificate of `chain` is of this key. Both have been found readable. */
export function isKeyOf(chain: string, key: string): boolean {
  const certificate = parseCertificate(chain);
  const parsed = parseKey(key);
  return certificate !== undefined && parsed !== undefined && certificate.checkPrivateKey(parsed);
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
