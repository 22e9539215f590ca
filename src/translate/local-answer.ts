// Answers that the proxy gives by itself: redirects and direct responses. Their routes have no cluster.
import type { DirectResponseAction } from '../envoy/gen/types/envoy/config/route/v3/DirectResponseAction.js';
import type { RedirectAction } from '../envoy/gen/types/envoy/config/route/v3/RedirectAction.js';
import type { HttpRule } from '../mesh/rules.js';

type Redirect = NonNullable<HttpRule['redirect']>;
type DirectResponse = NonNullable<HttpRule['directResponse']>;

const responseCodes: Readonly<Record<number, RedirectAction['response_code']>> = {
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
};

/**
 * A redirect for calls to a listener port, of plain HTTP unless `tls`. `derivePort: FROM_REQUEST_PORT` is that port, as routes are
 * made per port; a port that is the default of the scheme is left out of the location.
 */
export function redirectAction(
  redirect: Redirect,
  from: { listenerPort: number; tls?: boolean },
): RedirectAction {
  const { uri, authority, scheme, prefixRewrite, uriRegexRewrite } = redirect;
  const port = redirectPort(redirect, from);
  const code = responseCodes[redirect.redirectCode ?? 301];
  return {
    ...(authority && { host_redirect: authority }),
    ...(prefixRewrite ? { prefix_rewrite: prefixRewrite } : uri && { path_redirect: uri }),
    ...(uriRegexRewrite && {
      regex_rewrite: {
        pattern: { regex: uriRegexRewrite.match },
        substitution: uriRegexRewrite.rewrite,
      },
    }),
    ...(scheme && { scheme_redirect: scheme }),
    ...(port !== undefined && { port_redirect: port }),
    // 301 is Envoy's default.
    ...(code && { response_code: code }),
  };
}

/** A fixed answer. A body in `bytes` is base64, as ProtoJSON has it. */
export function directResponse(response: DirectResponse): DirectResponseAction {
  const { string, bytes } = response.body ?? {};
  return {
    status: response.status,
    ...(string !== undefined
      ? { body: { inline_string: string } }
      : bytes !== undefined && { body: { inline_bytes: Buffer.from(bytes, 'base64') } }),
  };
}

function redirectPort(
  redirect: Redirect,
  { listenerPort, tls }: { listenerPort: number; tls?: boolean },
): number | undefined {
  const port =
    redirect.port ?? (redirect.derivePort === 'FROM_REQUEST_PORT' ? listenerPort : undefined);
  const scheme = redirect.scheme || (tls ? 'https' : 'http');
  if ((port === 80 && scheme === 'http') || (port === 443 && scheme === 'https')) return undefined;
  return port;
}
