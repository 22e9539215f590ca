// Certificates for tests: a CA, and what it vouches for, as PEM.
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { ecdsaWithSha256, nameOf, sequence, signedPem, time, tlv } from '../../src/cli/der.js';
import { writeCertificate } from '../../src/cli/write-certificate.js';

/** A key and its certificate in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  /** `spiffe://…`, DNS names and IPv4 addresses. */
  names?: readonly string[];
  commonName?: string;
  /** Already expired where negative. Default an hour. */
  validForMs?: number;
  /** Of the leaf's own key; the CA's is P-256. */
  keyType?: 'ec' | 'rsa';
}

/** A CA of its own; `cert` is its certificate. */
export class TestCa {
  readonly cert: string;
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  constructor(private readonly commonName = 'test ca') {
    const { publicKey, privateKey } = this.keys;
    const subject = commonName;
    this.cert = writeCertificate({
      ...{ subject, issuer: subject, publicKey, issuerKey: privateKey },
      names: [],
      isCa: true,
      ...validity(3_600_000),
    });
  }

  issue({ keyType, ...leaf }: LeafOptions = {}): KeyPair {
    const { publicKey, privateKey } =
      keyType === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { cert: this.certify(publicKey, leaf), key };
  }

  /** The certificate of a key that is made elsewhere. */
  certify(publicKey: KeyObject, options: Omit<LeafOptions, 'keyType'> = {}): string {
    const { names = [], commonName = 'leaf', validForMs = 3_600_000 } = options;
    return writeCertificate({
      ...{ subject: commonName, issuer: this.commonName, publicKey },
      ...{ issuerKey: this.keys.privateKey, names, isCa: false, ...validity(validForMs) },
    });
  }

  /** A list that revokes these certificates, in PEM (RFC 5280, section 5). */
  revoke(...revoked: readonly KeyPair[]): string {
    const [before, after] = [time(Date.now() - 3_600_000), time(Date.now() + 3_600_000)];
    const entries = revoked.map(({ cert }) => {
      const { serialNumber } = new X509Certificate(cert);
      return sequence(tlv(0x02, Buffer.from(serialNumber, 'hex')), before);
    });
    const version2 = tlv(0x02, Buffer.from([1]));
    const head = [version2, ecdsaWithSha256, nameOf(this.commonName), before, after];
    const body = sequence(...head, ...(entries.length > 0 ? [sequence(...entries)] : []));
    return signedPem(body, this.keys.privateKey, 'X509 CRL');
  }
}

function validity(validForMs: number) {
  const notAfterMs = Date.now() + validForMs;
  return { notBeforeMs: notAfterMs - 7_200_000, notAfterMs };
}
