// The certificate of the demo's gateway, made on the spot for the names of this machine: a Secret in the watched
// directory, readable by its owner alone. It vouches for itself; nobody else should trust it.
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { writeCertificate } from '../write-certificate.js';

/** Its file in the watched directory; ignored by git. */
export const certificateFile = 'gateway-certificate.yaml';

/** The name that gateway.yaml has in `credentialName`. */
export const credentialName = 'gateway-certificate';

const dayMs = 24 * 3_600_000;
const validDays = 30;

interface GatewayCertificate {
  /** In PEM, for clients. */
  certificate: string;
  /** The Secret with certificate and key, in YAML. */
  secret: string;
}

/** A new certificate for localhost and 127.0.0.1. */
export function makeCertificate(): GatewayCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const nowMs = Date.now();
  const certificate = writeCertificate({
    subject: 'fairlead demo',
    issuer: 'fairlead demo',
    publicKey,
    issuerKey: privateKey,
    names: ['localhost', '127.0.0.1'],
    isCa: false,
    // Clocks of containers and browsers differ a little.
    notBeforeMs: nowMs - 3_600_000,
    notAfterMs: nowMs + validDays * dayMs,
  });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const secret = stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: credentialName, namespace: 'default' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  });
  return { certificate, secret: `# Made by the demo for this machine.\n${secret}` };
}

/**
 * Puts one into the directory where there is none that is good for a day. `made`: by this call, so that the caller
 * takes it away again.
 */
export function ensureCertificate(dir: string): { certificate: string; made: boolean } {
  const file = join(dir, certificateFile);
  const found = readCertificate(file);
  if (found !== undefined) return { certificate: found, made: false };
  const { certificate, secret } = makeCertificate();
  const whole = join(dir, `.${certificateFile}.${process.pid}`);
  writeFileSync(whole, secret, { mode: 0o600 });
  try {
    // Of two demos that start at once, one makes it.
    linkSync(whole, file);
  } catch {
    const other = readCertificate(file);
    if (other !== undefined) return { certificate: other, made: false };
    renameSync(whole, file);
  } finally {
    rmSync(whole, { force: true });
  }
  return { certificate, made: true };
}

/** The certificate in a file; undefined where there is none, or not for another day. */
function readCertificate(file: string): string | undefined {
  try {
    const { stringData } = parse(readFileSync(file, 'utf8')) as {
      stringData: Record<string, string>;
    };
    const certificate = stringData['tls.crt']!;
    const endMs = Date.parse(new X509Certificate(certificate).validTo);
    return endMs > Date.now() + dayMs ? certificate : undefined;
  } catch {
    return undefined;
  }
}
