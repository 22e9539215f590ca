// Asking a running server: the admin API as the commands use it.
import { ControlPlaneError, errorMessage } from '../lib/error.js';

export const DEFAULT_ADMIN = '127.0.0.1:15014';

/**
 * GET of a path under /api/v1 of the server at `admin` (`HOST:PORT`). Throws a ControlPlaneError that names the
 * address when there is no server, and carries the server's own message when it refuses.
 */
export async function getApi<T>(admin: string, path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`http://${admin}/api/v1${path}`, {
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
  const body = (await response.json()) as T & { message?: string };
  if (!response.ok) {
    throw new ControlPlaneError('refused', body.message ?? `HTTP ${response.status} from ${admin}`);
  }
  return body;
}
