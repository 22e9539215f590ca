// HTTPRoute of gateway.networking.k8s.io. Rules beyond the schema are in gateway-api-check.ts.
import { z } from 'zod';
import { notImplemented } from './field.js';
import {
  backendObjectRef,
  backendRefWith,
  gatewayDuration,
  headerModifier,
  localRef,
  mirrorFilter,
  routeFields,
  sessionPersistence,
} from './gateway-api-values.js';
import { enumeration, list, message, named } from './schema.js';
import { bool, int32, port, string, strings } from './values.js';

const matchType = enumeration(['Exact', 'RegularExpression']);

/** Name and value, of headers and query parameters. */
export const namedMatch = message(
  {
    type: matchType.describe('Exact when absent'),
    name: string.describe('its name'),
    value: string.describe('its value'),
  },
  'name',
  'value',
);

const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const;

const match = message({
  path: message({
    type: enumeration(['Exact', 'PathPrefix', 'RegularExpression']).describe(
      'PathPrefix when absent: whole elements of the path',
    ),
    value: string.describe('/ when absent'),
  }).describe('the path'),
  headers: list(namedMatch).describe(
    'headers; all must fit, of two with one name the first counts',
  ),
  queryParams: list(namedMatch).describe('query parameters; all must fit'),
  method: enumeration(methods).describe('the method'),
});

const pathModifier = message(
  {
    type: enumeration(['ReplaceFullPath', 'ReplacePrefixMatch']).describe('what is replaced'),
    replaceFullPath: string.describe('the new path'),
    replacePrefixMatch: string.describe('in place of the prefix that the rule matches'),
  },
  'type',
);

const redirect = message({
  scheme: string.describe('http or https; that of the request when absent'),
  hostname: string.describe('host; that of the request when absent'),
  path: pathModifier.describe('path; that of the request when absent'),
  port: port.describe('port; that of the scheme, else of the listener, when absent'),
  statusCode: named('integer', z.int()).describe('301, 302, 303, 307 or 308; 302 when absent'),
});

const cors = message({
  allowOrigins: strings.describe('origins; `*` for any, also as the first label of a host'),
  allowCredentials: bool.describe('whether cookies and the like may be sent'),
  allowMethods: strings.describe('methods, or `*`'),
  allowHeaders: strings.describe('headers of requests, or `*`'),
  exposeHeaders: strings.describe('headers of responses that scripts may read'),
  maxAge: int32.describe('seconds that answers to preflights may be kept; 5 when absent'),
});

const externalAuth = message({
  protocol: enumeration(['GRPC', 'HTTP']),
  backendRef: backendObjectRef,
  grpc: message({ allowedHeaders: strings }),
  http: message({ path: string, allowedHeaders: strings, allowedResponseHeaders: strings }),
  forwardBody: message({ maxSize: int32 }),
});

const filter = message(
  {
    type: enumeration(
      [
        'RequestHeaderModifier',
        'ResponseHeaderModifier',
        'RequestMirror',
        'RequestRedirect',
        'URLRewrite',
        'CORS',
        'ExternalAuth',
        'ExtensionRef',
      ],
      ['ExternalAuth', 'ExtensionRef'],
      'There are no extensions, and external authorisation comes with the security kinds.',
    ).describe('what the filter does; the field of that name says how'),
    requestHeaderModifier: headerModifier.describe('headers of requests'),
    responseHeaderModifier: headerModifier.describe('headers of responses'),
    requestMirror: mirrorFilter.describe('copies of requests'),
    requestRedirect: redirect.describe('requests are answered with a redirect'),
    urlRewrite: message({
      hostname: string.describe('host that the backend sees'),
      path: pathModifier.describe('path that the backend sees'),
    }).describe('what backends see'),
    cors: cors.describe('calls of scripts of other origins'),
    externalAuth: notImplemented(
      externalAuth.describe('asks a service whether the request may go on'),
      'External authorisation comes with the security kinds.',
    ),
    extensionRef: notImplemented(
      localRef.describe('a filter of ours'),
      'There are no filters of our own.',
    ),
  },
  'type',
);

const rule = message({
  name: string.describe('name of the routes, instead of NAMESPACE.NAME.INDEX'),
  matches: list(match).describe('which requests; any of them must fit. All when absent'),
  filters: list(filter).describe('what happens to requests and responses'),
  backendRefs: list(backendRefWith(filter)).describe('where requests go; 500 when there are none'),
  timeouts: message({
    request: gatewayDuration.describe('for the whole request; 0s: none'),
    backendRequest: gatewayDuration.describe('for each try; 0s: none'),
  }).describe('limits of time'),
  retry: message({
    codes: list(named('integer', z.int().min(400).max(599))).describe('status codes to try again'),
    attempts: named('integer', z.int().min(0)).describe('how often; 2 when absent'),
    backoff: gatewayDuration.describe('shortest time between tries'),
  }).describe('tries after failures'),
  sessionPersistence: sessionPersistence.describe('requests of a session go to one backend'),
});

/** Opening of the page in docs/kinds/. */
export const httpRouteDoc = [
  'HTTPRoute of the Gateway API: which HTTP requests go where, for Gateways, and with a Service as parent for traffic in',
  'the mesh. See docs/gateway-api.md.',
].join('\n');

/** The spec of an HTTPRoute. */
export const httpRouteSpec = message({
  ...routeFields,
  hostnames: strings.describe('hosts; those of the listeners when absent'),
  rules: list(rule).describe('the rules'),
});

export type HttpRouteSpec = z.output<typeof httpRouteSpec>;
export type HttpRouteRule = NonNullable<HttpRouteSpec['rules']>[number];
export type HttpRouteMatch = NonNullable<HttpRouteRule['matches']>[number];
export type HttpRouteFilter = NonNullable<HttpRouteRule['filters']>[number];
export type HttpBackendRef = NonNullable<HttpRouteRule['backendRefs']>[number];
