// TLS for the xDS port from files: the server's certificate and key, and the CAs of client certificates. Rotated files
// hold for new connections; open ones are not touched. Which client may do what is authentication.ts.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import { ReloadedFiles, type ReloadOptions } from './reload.js';

/** Where the keys are, all in PEM. */
export interface TlsFiles extends ReloadOptions {
  /** The server's certificate, and after it the intermediate ones. */
  readonly certFile: string;
  readonly keyFile: string;
  /** CAs that vouch for clients. Absent: no client certificates. */
  readonly clientCaFile?: string;
  /**
   * 'required' (default): a connection without a good certificate is refused in the handshake. 'optional': it is let
   * in without an identity, so that `authenticate` may ask for something else.
   */
  readonly clientCertificate?: 'required' | 'optional';
}

/** What a set of files holds. */
interface Material {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly caCertificate: Buffer;
}

type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];
type IdentityListener = Parameters<Provider['addIdentityCertificateListener']>[0];
type CaListener = Parameters<Provider['addCaCertificateListener']>[0];

/**
 * Credentials for `listen`. The files are read at once and then looked at every few seconds while they are in use; a
 * pair that does not fit together (half of it is written) leaves the last good one in force and is reported. Throws a
 * ControlPlaneError when there is no good one to begin with.
 */
export function tlsCredentials(files: TlsFiles): ServerCredentials {
  const provider = new FileProvider(files);
  // Its declaration has the two providers in the other order; the same one serves as both.
  return experimental.createCertificateProviderServerCredentials(
    provider,
    files.clientCaFile === undefined ? null : provider,
    (files.clientCertificate ?? 'required') === 'required',
  );
}

/** Gives the content of the files to grpc-js, which sets it on its listening sockets. */
class FileProvider implements Provider {
  private readonly reloaded: ReloadedFiles<Material>;
  private readonly identityListeners = new Set<IdentityListener>();
  private readonly caListeners = new Set<CaListener>();

  constructor(files: TlsFiles) {
    const paths = [files.certFile, files.keyFile];
    if (files.clientCaFile !== undefined) paths.push(files.clientCaFile);
    this.reloaded = new ReloadedFiles(paths, readMaterial, files);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.add(listener);
    this.begin(() => listener(this.reloaded.value));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.delete(listener);
    this.endIfUnused();
  }

  addCaCertificateListener(listener: CaListener): void {
    this.caListeners.add(listener);
    this.begin(() => listener(this.reloaded.value));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.caListeners.delete(listener);
    this.endIfUnused();
  }

  private begin(tell: () => void): void {
    // grpc-js takes the credentials up after it has added itself.
    process.nextTick(tell);
    this.reloaded.watch((material) => {
      for (const listener of this.identityListeners) listener(material);
      for (const listener of this.caListeners) listener(material);
    });
  }

  private endIfUnused(): void {
    if (this.identityListeners.size + this.caListeners.size === 0) this.reloaded.stop();
  }
}

function readMaterial([certificate, privateKey, ca]: readonly Buffer[]): Material {
  const leaf = readCertificates('certificate', certificate!);
  if (!leaf.checkPrivateKey(createPrivateKey(privateKey!))) {
    throw new Error('the key does not belong to the certificate');
  }
  if (ca !== undefined) readCertificates('client CA', ca);
  // What OpenSSL would refuse later, it refuses now.
  createSecureContext({ cert: certificate!, key: privateKey!, ...(ca && { ca }) });
  return {
    certificate: certificate!,
    privateKey: privateKey!,
    caCertificate: ca ?? Buffer.alloc(0),
  };
}

/** The first of the certificates. A file that was cut off in the middle of a later one is refused too. */
function readCertificates(what: string, pem: Buffer): X509Certificate {
  const text = pem.toString('latin1');
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const begun = text.split('-----BEGIN ').length - 1;
  if (blocks.length === 0 || begun !== blocks.length) {
    throw new Error(`the ${what} file does not hold whole certificates`);
  }
  const [first] = blocks.map((block) => new X509Certificate(block));
  return first!;
}
