// Asking a running server: the admin API as the commands use it.
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import { formatAddress, parseHostPort } from './address.js';

export const DEFAULT_ADMIN = '127.0.0.1:15014';

/**
 * GET of a path under /api/v1 of the server at `admin` (`HOST:PORT`). Throws a ControlPlaneError that names the
 * address when there is no server, and carries the server's own message when it refuses.
 */
export async function getApi<T>(admin: string, path: string): Promise<T> {
  const { host, port } = parseHostPort('--admin', admin);
  // The address that a server listens on for all addresses is none that can be called everywhere.
  const address = formatAddress({ host: host === '0.0.0.0' ? '127.0.0.1' : host, port });
  let response: Response;
  try {
    response = await fetch(`http://${address}/api/v1${path}`, {
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    const reason =
      cause instanceof Error && cause.cause ? errorMessage(cause.cause) : errorMessage(cause);
    throw new ControlPlaneError(
      'no-server',
      `no fairlead server answers at ${admin} (${reason}); is 'fairlead serve' running? --admin names another address`,
      { cause },
    );
  }
  const body = await bodyOf<T>(response);
  if (response.ok && body !== undefined) return body;
  const message = body?.message ?? `what answers at ${admin} is no fairlead server`;
  throw new ControlPlaneError('refused', message);
}

/** The JSON of a response; undefined when it is none, as from another program's port. */
async function bodyOf<T>(response: Response): Promise<(T & { message?: string }) | undefined> {
  try {
    return (await response.json()) as T & { message?: string };
  } catch {
    return undefined;
  }
}
