// TLS for the xDS port from files: the server's certificate and key, and the CAs of client certificates. Rotated files
// hold for new connections; open ones are not touched. Which client may do what is authentication.ts.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
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

/** A client that does not finish its handshake in this time is cut off; Node would wait for two minutes. */
const handshakeTimeoutMs = 10_000;

/**
 * Credentials for `listen`. The files are read at once and then looked at every few seconds while they are in use; a
 * pair that does not fit together (half of it is written) leaves the last good one in force and is reported. Throws a
 * ControlPlaneError when there is no good one to begin with.
 */
export function tlsCredentials(files: TlsFiles): ServerCredentials {
  return new FileCredentials(files);
}

/** grpc-js asks for these in the same way as for its own: a watcher for each listening socket. */
class FileCredentials extends ServerCredentials {
  private readonly reloaded: ReloadedFiles<SecureContextOptions>;

  constructor(files: TlsFiles) {
    const paths = [files.certFile, files.keyFile];
    if (files.clientCaFile !== undefined) paths.push(files.clientCaFile);
    const reloaded = new ReloadedFiles(paths, readMaterial, files);
    super(
      {
        requestCert: files.clientCaFile !== undefined,
        rejectUnauthorized: (files.clientCertificate ?? 'required') === 'required',
        handshakeTimeout: handshakeTimeoutMs,
      },
      reloaded.value,
    );
    this.reloaded = reloaded;
  }

  override _addWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    super._addWatcher(watcher);
    this.reloaded.watch((material) => this.updateSecureContextOptions(material));
  }

  override _removeWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    super._removeWatcher(watcher);
    if (this.getWatcherCount() === 0) this.reloaded.stop();
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function readMaterial([cert, key, ca]: readonly Buffer[]): SecureContextOptions {
  const leaf = readCertificates('certificate', cert!);
  if (!leaf.checkPrivateKey(createPrivateKey(key!))) {
    throw new Error('the key does not belong to the certificate');
  }
  if (ca !== undefined) readCertificates('client CA', ca);
  const material = { cert: cert!, key: key!, ...(ca && { ca }) };
  // What OpenSSL would refuse later, it refuses now.
  createSecureContext(material);
  return material;
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
