// Filters of HTTPRoute and GRPCRoute as what a VirtualService has for them. Values of headers stand as they are written:
// Envoy's variables are not a part of the API.
import type { HeaderModifier, SessionPersistence } from '../../kinds/gateway-api-values.js';
import type { HttpRouteFilter } from '../../kinds/http-route.js';
import type { HttpRule, SessionCookie } from '../rules.js';
import type { Backend } from './backends.js';
import { replacePath, replacePrefix } from './path-rewrite.js';

type Headers = NonNullable<HttpRule['headers']>;

/** Header operations of the filters. */
export function headersOf(filters: readonly HttpRouteFilter[]): Headers | undefined {
  const request = filters.find((each) => each.requestHeaderModifier)?.requestHeaderModifier;
  const response = filters.find((each) => each.responseHeaderModifier)?.responseHeaderModifier;
  if (!request && !response) return undefined;
  return {
    ...(request && { request: operations(request) }),
    ...(response && { response: operations(response) }),
  };
}

function operations({ set = [], add = [], remove = [] }: HeaderModifier) {
  const map = (list: readonly { name: string; value: string }[]) =>
    Object.fromEntries(list.map(({ name, value }) => [name, value.replaceAll('%', '%%')]));
  return {
    ...(set.length > 0 && { set: map(set) }),
    ...(add.length > 0 && { add: map(add) }),
    ...(remove.length > 0 && { remove }),
  };
}

/** The redirect of the filters; `prefix` is what the rule matches. */
export function redirectOf(
  filters: readonly HttpRouteFilter[],
  prefix: string,
): HttpRule['redirect'] | undefined {
  const redirect = filters.find((each) => each.requestRedirect)?.requestRedirect;
  if (!redirect) return undefined;
  const { hostname, path, port, scheme, statusCode = 302 } = redirect;
  const { replaceFullPath, replacePrefixMatch } = path ?? {};
  const replaced =
    replacePrefixMatch === undefined ? undefined : replacePrefix(prefix, replacePrefixMatch);
  return {
    redirectCode: statusCode,
    ...(hostname && { authority: hostname }),
    ...(scheme && { scheme }),
    ...(port !== undefined
      ? { port }
      : { derivePort: scheme ? 'FROM_PROTOCOL_DEFAULT' : 'FROM_REQUEST_PORT' }),
    ...(path?.type === 'ReplaceFullPath' &&
      replaceFullPath && {
        uri: replaceFullPath.startsWith('/') ? replaceFullPath : `/${replaceFullPath}`,
      }),
    ...(replaced && ('uri' in replaced ? { prefixRewrite: replaced.uri } : replaced)),
  };
}

/** What backends see instead. */
export function rewriteOf(
  filters: readonly HttpRouteFilter[],
  prefix: string,
): HttpRule['rewrite'] | undefined {
  const rewrite = filters.find((each) => each.urlRewrite)?.urlRewrite;
  if (!rewrite) return undefined;
  const { replaceFullPath, replacePrefixMatch } = rewrite.path ?? {};
  return {
    ...(rewrite.hostname && { authority: rewrite.hostname }),
    ...(replaceFullPath !== undefined && replacePath(replaceFullPath || '/')),
    ...(replacePrefixMatch !== undefined && replacePrefix(prefix, replacePrefixMatch)),
  };
}

/** Copies of requests; a mirror that leads nowhere is left out. */
export function mirrorsOf(
  filters: readonly HttpRouteFilter[],
  backends: readonly Backend[],
): NonNullable<HttpRule['mirrors']> {
  return filters
    .flatMap(({ requestMirror }) => requestMirror ?? [])
    .flatMap(({ percent, fraction }, i) => {
      const backend = backends[i];
      if (!backend) return [];
      const share = fraction
        ? (fraction.numerator / (fraction.denominator ?? 100)) * 100
        : (percent ?? 100);
      return {
        destination: { host: backend.host, port: { number: backend.port } },
        percentage: { value: share },
      };
    });
}

/** Envoy's CORS; origins may have a wildcard. Preflights that do not match are not passed on. */
export function corsOf(filters: readonly HttpRouteFilter[]): HttpRule['corsPolicy'] | undefined {
  const cors = filters.find((each) => each.cors)?.cors;
  if (!cors) return undefined;
  const { allowOrigins = [], allowMethods, allowHeaders, exposeHeaders, allowCredentials } = cors;
  return {
    allowOrigins: allowOrigins.map((origin) =>
      origin !== '*' && origin.includes('*')
        ? { regex: origin.replaceAll(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*') }
        : { exact: origin },
    ),
    ...(allowMethods && { allowMethods }),
    ...(allowHeaders && { allowHeaders }),
    ...(exposeHeaders && { exposeHeaders }),
    maxAge: (cors.maxAge ?? 5) * 1000,
    ...(allowCredentials !== undefined && { allowCredentials }),
    unmatchedPreflights: 'IGNORE',
  };
}

/** Where the session of a rule is kept. `name` is that of the session, for cookies without one. */
export function sessionOf(
  session: SessionPersistence | undefined,
  name: string,
): HttpRule['session'] | undefined {
  if (!session) return undefined;
  const { type = 'Cookie', cookie = {}, cookieConfig = {}, header, sessionName } = session;
  if (type === 'Header') return { header: header?.name ?? sessionName ?? name };
  const lifetime = cookie.lifetimeType ?? cookieConfig.lifetimeType ?? 'Session';
  const kept: SessionCookie = {
    name: cookie.name ?? sessionName ?? name,
    path: cookie.path ?? '/',
    ...(lifetime === 'Permanent' && { ttlMs: session.absoluteTimeout ?? 0 }),
  };
  return { cookie: kept };
}
