// The server as a running whole: control plane, xDS addresses and admin port, opened in the order that makes the
// first answer complete, and closed in order. Used by `serve`, by the demo and by tests.
import { isIP } from 'node:net';
import { pino } from 'pino';
import { createAdminServer } from '../admin/server.js';
import { ControlPlane, type Log } from '../control-plane.js';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import { openSource } from './open-source.js';
import { version } from './version.js';

export interface ServerOptions {
  /** The watched directory. */
  config: string;
  meshConfigFile?: string;
  /** `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`; plaintext. */
  xds: readonly string[];
  /** `HOST:PORT`; port 0 takes a free one. */
  admin: string;
  adminToken?: string;
  logLevel?: string;
  /** Instead of pino to standard error. */
  log?: Log;
}

export interface RunningServer {
  controlPlane: ControlPlane;
  /** The bound addresses, as `HOST:PORT` or `unix:/path`. */
  xds: readonly string[];
  admin: string;
  stop(): Promise<void>;
}

/** Starts everything; resolves when both ports answer. Throws a ControlPlaneError for a port or directory it cannot have. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = options.log ?? pino({ level: options.logLevel ?? 'info' }, pino.destination(2));
  const adminAddress = parseAddress(options.admin);
  if ('path' in adminAddress) throw new ControlPlaneError('usage', '--admin takes HOST:PORT');
  if (!isLoopback(adminAddress.host) && !options.adminToken) {
    throw new ControlPlaneError(
      'admin-token',
      `the admin API listens off loopback (${options.admin}) only with a token: --admin-token or FAIRLEAD_ADMIN_TOKEN`,
    );
  }
  const controlPlane = new ControlPlane({
    source: openSource(options.config, options.meshConfigFile),
    log,
    identifier: `fairlead/${version}`,
  });
  const admin = await createAdminServer({
    state: controlPlane.state,
    metrics: () => controlPlane.metrics.page(),
    token: options.adminToken,
    version,
  });
  const stop = async (): Promise<void> => {
    await Promise.all([controlPlane.stop(), admin.close()]);
  };
  try {
    await controlPlane.start();
    const xds: string[] = [];
    for (const text of options.xds) xds.push(await listenXds(controlPlane, text, log));
    await admin.listen({ host: adminAddress.host, port: adminAddress.port }).catch((cause) => {
      throw new ControlPlaneError('listen', `admin ${options.admin}: ${errorMessage(cause)}`, {
        cause,
      });
    });
    const { port } = admin.server.address() as { port: number };
    const bound = formatAddress({ host: adminAddress.host, port });
    log.info({ config: options.config, xds, admin: bound, version }, 'serving');
    return { controlPlane, xds, admin: bound, stop };
  } catch (thrown) {
    await stop().catch(() => undefined);
    throw thrown;
  }
}

async function listenXds(controlPlane: ControlPlane, text: string, log: Log): Promise<string> {
  const address = parseAddress(text);
  if ('host' in address && !isLoopback(address.host)) {
    log.warn(
      { xds: text },
      'xDS is plaintext and listens off loopback: anybody who reaches it can read the mesh',
    );
  }
  try {
    return formatAddress(await controlPlane.listen(address));
  } catch (cause) {
    throw new ControlPlaneError('listen', `xDS ${text}: ${errorMessage(cause)}`, { cause });
  }
}

/** `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (all addresses) or `unix:/path`; anything else is wrong usage. */
export function parseAddress(text: string): { host: string; port: number } | { path: string } {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new ControlPlaneError('usage', `not an address (HOST:PORT or unix:/path): ${text}`);
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

function formatAddress(address: { host: string; port: number } | { path: string }): string {
  if ('path' in address) return `unix:${address.path}`;
  return `${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
