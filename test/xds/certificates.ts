// Certificates for tests: a CA, and what it vouches for, as PEM.
import { generateKeyPairSync } from 'node:crypto';
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

  issue({ names = [], commonName = 'leaf', validForMs = 3_600_000 }: LeafOptions = {}): KeyPair {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = writeCertificate({
      ...{ subject: commonName, issuer: this.commonName, publicKey },
      ...{ issuerKey: this.keys.privateKey, names, isCa: false, ...validity(validForMs) },
    });
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }
}

function validity(validForMs: number) {
  const notAfterMs = Date.now() + validForMs;
  return { notBeforeMs: notAfterMs - 7_200_000, notAfterMs };
}
