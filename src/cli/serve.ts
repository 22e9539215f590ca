// The server as a running whole: control plane, xDS addresses and admin port, opened in the order that makes the
// first answer complete, and closed in order. Used by `serve`, by the demo and by tests.
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { createAdminServer } from '../admin/server.js';
import type { Source } from '../config/source.js';
import { ControlPlane, type Log } from '../control-plane.js';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import type { ListenAddress } from '../xds/server.js';
import { formatAddress, isLoopback, parseAddress, parseHostPort } from './address.js';
import { openSource } from './open-source.js';
import { registrationsFile } from './registrations-file.js';
import { removeStaleSocket } from './unix-socket.js';
import { version } from './version.js';
import { checkPlaintext, type XdsSecurityOptions, xdsSecurity } from './xds-security.js';

export interface ServerOptions {
  /** The watched directory. */
  config: string;
  meshConfigFile?: string;
  /** `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`; plaintext. */
  xds: readonly string[];
  /** The same with TLS; needs the keys in `xdsSecurity`. */
  xdsTls?: readonly string[];
  xdsSecurity?: XdsSecurityOptions;
  /** `HOST:PORT`; port 0 takes a free one. */
  admin: string;
  adminToken?: string;
  /** Where registered sidecars are remembered across restarts. */
  registrationsFile?: string;
  /** How long a registered sidecar may be away, in ms. */
  registrationGraceMs?: number;
  /** Instead of pino to standard error. */
  log?: Log;
  /** Instead of the directory. */
  source?: Source;
}

export interface RunningServer {
  controlPlane: ControlPlane;
  /** The bound addresses, as `HOST:PORT` or `unix:/path`. */
  xds: readonly string[];
  xdsTls: readonly string[];
  admin: string;
  stop(): Promise<void>;
}

/** The log of `serve`: pino, JSON lines to standard error, so that standard output stays for data. */
export function createLog(level = 'info'): Log {
  return pino({ level }, pino.destination(2));
}

/**
 * Starts everything; resolves when all ports answer. The admin port opens first, not ready; xDS when the directory was
 * read. Throws a ControlPlaneError for a port or directory it cannot have, and then leaves nothing open.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = options.log ?? createLog();
  const adminAddress = parseHostPort('--admin', options.admin);
  const xdsAddresses = options.xds.map(parseAddress);
  const tlsAddresses = (options.xdsTls ?? []).map(parseAddress);
  if (!isLoopback(adminAddress.host) && !options.adminToken) {
    throw new ControlPlaneError(
      'admin-token',
      `the admin API listens off loopback (${options.admin}) only with a token: --admin-token or FAIRLEAD_ADMIN_TOKEN`,
    );
  }
  for (const address of xdsAddresses) {
    const warning = checkPlaintext(address, options.xdsSecurity ?? {});
    if (warning !== undefined) log.warn({ xds: formatAddress(address) }, warning);
  }
  const security = xdsSecurity(options.xdsSecurity ?? {}, log);
  const { credentials, checks } = security;
  if (credentials === undefined && tlsAddresses.length > 0) {
    throw new ControlPlaneError('usage', '--xds-tls needs --xds-tls-cert and --xds-tls-key');
  }
  const controlPlane = new ControlPlane({
    source: options.source ?? openSource(options.config, options.meshConfigFile),
    log,
    identifier: `fairlead/${version}`,
    ...(checks && { checks }),
    registrationGraceMs: options.registrationGraceMs,
    ...(options.registrationsFile !== undefined && {
      registrationMemory: registrationsFile(options.registrationsFile, log),
    }),
  });
  const admin = await createAdminServer({
    state: controlPlane.state,
    metrics: () => controlPlane.metrics.page(),
    token: options.adminToken,
    version,
  });
  const stop = async (): Promise<void> => {
    security.close();
    await Promise.all([controlPlane.stop(), admin.close()]);
  };
  try {
    await admin.listen(adminAddress).catch((cause) => {
      throw new ControlPlaneError('listen', `admin ${options.admin}: ${errorMessage(cause)}`, {
        cause,
      });
    });
    await controlPlane.start();
    const xds: string[] = [];
    for (const address of xdsAddresses) xds.push(await listenXds(controlPlane, address));
    const xdsTls: string[] = [];
    for (const address of tlsAddresses) {
      xdsTls.push(await listenXds(controlPlane, { ...address, credentials }));
    }
    const { port } = admin.server.address() as AddressInfo;
    const bound = formatAddress({ host: adminAddress.host, port });
    const addresses = { xds, ...(xdsTls.length > 0 && { xdsTls }), admin: bound };
    log.info({ config: options.config, ...addresses, version }, 'serving');
    return { controlPlane, xds, xdsTls, admin: bound, stop };
  } catch (thrown) {
    await stop().catch(() => undefined);
    throw thrown;
  }
}

async function listenXds(controlPlane: ControlPlane, address: ListenAddress): Promise<string> {
  const text = formatAddress(address);
  try {
    if ('path' in address) await removeStaleSocket(address.path);
    return formatAddress(await controlPlane.listen(address));
  } catch (cause) {
    // grpc-js counts addresses, and has the reason of each in brackets.
    const reason = /\[(.+)\]$/.exec(errorMessage(cause))?.[1] ?? errorMessage(cause);
    throw new ControlPlaneError('listen', `xDS ${text}: ${reason}`, { cause });
  }
}
