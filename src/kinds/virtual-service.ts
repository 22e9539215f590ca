// VirtualService of networking.istio.io: the schema of its spec and the types that the mesh reads. The rules that
// need more than one field are in virtual-service-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, map, message, named } from './schema.js';
import {
  bool,
  duration,
  int32,
  labels,
  percent,
  portOrZero,
  portSelector,
  string,
  stringMap,
  strings,
  uint32,
} from './values.js';

/** One of exact, prefix and regex; none (`{}`) asks for presence where Istio allows that. */
export const stringMatch = message({
  exact: string.describe('equal to this'),
  prefix: string.describe('starts with this (a plain string prefix)'),
  regex: string.describe('all of it matches this RE2 expression'),
});

/** A service that traffic is sent to. */
export const destination = message(
  {
    host: string.describe('the service; a short name is one of the namespace of the rule'),
    subset: string.describe(
      'a subset of a DestinationRule; its cluster is outbound|PORT|SUBSET|HOST',
    ),
    port: portSelector.describe('port of the service; needed when it has several'),
  },
  'host',
);

const headerOperations = message({
  set: stringMap.describe('overwrites; Host or :authority rewrites the host'),
  add: stringMap.describe('appends'),
  remove: strings.describe('removes'),
});

const headers = message({
  request: headerOperations.describe('before the request is sent on'),
  response: headerOperations.describe('before the response is returned'),
});

const httpMatch = message({
  name: string.describe('suffix of the name of the Envoy route'),
  uri: stringMatch.describe('path, prefix or safe_regex of the route'),
  scheme: stringMatch.describe('matcher of :scheme'),
  method: stringMatch.describe('matcher of :method'),
  authority: stringMatch.describe('matcher of :authority'),
  headers: map(stringMatch).describe('header matchers; {} asks for presence'),
  port: portOrZero.describe('the port that the client calls'),
  sourceLabels: labels.describe('labels of the client; decided per proxy'),
  gateways: strings.describe('as the gateways of the resource, for this match alone'),
  queryParams: map(stringMatch).describe('query parameter matchers; {} asks for presence'),
  ignoreUriCase: bool.describe('case_sensitive: false, for exact and prefix'),
  withoutHeaders: map(stringMatch).describe('inverted header matchers; a missing header matches'),
  sourceNamespace: string.describe('namespace of the client; decided per proxy'),
  statPrefix: string.describe('stat_prefix of the route'),
});

const redirect = message({
  uri: string.describe('path_redirect'),
  authority: string.describe('host_redirect'),
  port: portOrZero.describe('port_redirect; not together with derivePort'),
  derivePort: enumeration(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).describe(
    'port_redirect from the scheme, or from the port of the listener',
  ),
  scheme: string.describe('scheme_redirect'),
  redirectCode: uint32.describe('response_code: 301 (default), 302, 303, 307 or 308'),
  prefixRewrite: string.describe('prefix_rewrite of the redirect'),
});

const directResponse = message(
  {
    status: uint32.describe('status code of the answer'),
    body: message({
      string: string.describe('body as text'),
      bytes: string.describe('body in base64'),
    }).describe('one of string and bytes'),
  },
  'status',
);

const rewrite = message({
  uri: string.describe('prefix_rewrite for a prefix match, otherwise the whole path'),
  authority: string.describe('host_rewrite_literal'),
  uriRegexRewrite: message({
    match: string.describe('RE2 expression'),
    rewrite: string.describe('substitution, with \\1 to \\9'),
  }).describe('regex_rewrite'),
});

/** A retry policy; MeshConfig has one as its default. */
export const httpRetry = message({
  attempts: int32.describe('num_retries; 0 turns retries off'),
  perTryTimeout: duration.describe('per_try_timeout'),
  retryOn: string.describe('retry_on; status codes become retriable_status_codes'),
  retryRemoteLocalities: bool.describe('retry_priority previous_priorities'),
  retryIgnorePreviousHosts: bool.describe('retry_host_predicate previous_hosts (default on)'),
  backoff: duration.describe('retry_back_off.base_interval'),
});

const delay = message({
  percent: int32.describe('deprecated form of percentage'),
  fixedDelay: duration.describe('fixed_delay of the fault filter'),
  exponentialDelay: noEffect(duration, 'Istio ignores it; use fixedDelay.'),
  percentage: percent.describe('share of requests delayed; none when absent'),
});

const abort = message({
  httpStatus: int32.describe('http_status of the fault filter'),
  grpcStatus: string.describe('grpc_status, by name such as UNAVAILABLE'),
  http2Error: noEffect(string, 'Istio ignores it; use httpStatus.'),
  percentage: percent.describe('share of requests aborted; none when absent'),
});

const fault = message({ delay, abort });

const corsPolicy = message({
  allowOrigin: strings.describe('deprecated form of allowOrigins (exact; * for any)'),
  allowOrigins: list(stringMatch).describe('allow_origin_string_match'),
  allowMethods: strings.describe('allow_methods'),
  allowHeaders: strings.describe('allow_headers'),
  exposeHeaders: strings.describe('expose_headers'),
  maxAge: duration.describe('max_age, whole seconds'),
  allowCredentials: bool.describe('allow_credentials'),
  unmatchedPreflights: enumeration(['UNSPECIFIED', 'FORWARD', 'IGNORE']).describe(
    'forward_not_matching_preflights',
  ),
});

const httpRouteDestination = message(
  {
    destination: destination.describe('where to'),
    weight: int32.describe('share of requests, against the sum of all weights'),
    headers: headers.describe('header operations for this destination'),
  },
  'destination',
);

const mirrorPolicy = message(
  {
    destination: destination.describe('where the copies go'),
    percentage: percent.describe('runtime_fraction; 100 when absent'),
  },
  'destination',
);

const httpRoute = message({
  name: string.describe('name of the Envoy route'),
  match: list(httpMatch).describe('any of these; all fields of one must hold; none is a catch-all'),
  route: list(httpRouteDestination).describe('cluster, or weighted_clusters'),
  redirect: redirect.describe('answers with a redirect'),
  directResponse: directResponse.describe('answers by itself'),
  delegate: message({
    name: string.describe('a VirtualService without hosts'),
    namespace: string.describe('its namespace; that of this one when absent'),
  }).describe('goes on with the routes of another VirtualService, narrowed to what both match'),
  rewrite: rewrite.describe('changes path or host before the request is sent on'),
  timeout: duration.describe('timeout of the route; off when absent'),
  retries: httpRetry.describe('retry_policy; the default of the mesh when absent'),
  fault: fault.describe('the fault filter, for this route'),
  mirror: destination.describe('request_mirror_policies; not together with mirrors'),
  mirrors: list(mirrorPolicy).describe('request_mirror_policies'),
  mirrorPercent: named('integer', uint32).describe('deprecated form of mirrorPercentage'),
  mirror_percent: named('integer', uint32).describe('older spelling of mirrorPercent'),
  mirrorPercentage: percent.describe('share of requests mirrored; 100 when absent'),
  corsPolicy: corsPolicy.describe('the cors filter, for this route'),
  headers: headers.describe('header operations for all destinations'),
});

const routeDestination = message(
  {
    destination: destination.describe('where to'),
    weight: int32.describe('share of connections, against the sum of all weights'),
  },
  'destination',
);

const tcpMatch = message({
  destinationSubnets: strings.describe('prefix_ranges of the filter chain'),
  port: portOrZero.describe('the port that the client calls'),
  sourceSubnet: noEffect(string, 'Istio does not read it.'),
  sourceLabels: labels.describe('labels of the client; decided per proxy'),
  gateways: strings.describe('as the gateways of the resource, for this match alone'),
  sourceNamespace: string.describe('namespace of the client; decided per proxy'),
});

const tcpRoute = message({
  match: list(tcpMatch).describe('any of these; none is a catch-all'),
  route: list(routeDestination).describe('cluster or weighted_clusters of tcp_proxy'),
});

const tlsMatch = message(
  {
    sniHosts: strings.describe('server_names of the filter chain'),
    destinationSubnets: strings.describe('prefix_ranges of the filter chain'),
    port: portOrZero.describe('the port that the client calls'),
    sourceLabels: labels.describe('labels of the client; decided per proxy'),
    gateways: strings.describe('as the gateways of the resource, for this match alone'),
    sourceNamespace: string.describe('namespace of the client; decided per proxy'),
  },
  'sniHosts',
);

const tlsRoute = message(
  {
    match: list(tlsMatch).describe('any of these'),
    route: list(routeDestination).describe('cluster or weighted_clusters of tcp_proxy'),
  },
  'match',
);

/** Opening of the page in docs/kinds/. */
export const virtualServiceDoc = [
  'How requests and connections to a host are routed: by path, header or port to',
  'weighted destinations, with retries, timeouts, faults, mirrors and header operations.',
  'Of several VirtualServices for one host of the mesh, the oldest counts; they are not merged.',
].join('\n');

/** The spec of a VirtualService. */
export const virtualServiceSpec = message({
  hosts: strings.describe('domains of the virtual host; short names are of the own namespace'),
  gateways: strings.describe(
    'proxies that get it: `mesh` (default) is every sidecar, `namespace/name` are those of a Gateway',
  ),
  http: list(httpRoute).describe('routes, in order; the first match counts'),
  tls: list(tlsRoute).describe('routes of TLS connections by SNI'),
  tcp: list(tcpRoute).describe('routes of TCP connections'),
  exportTo: strings.describe('namespaces that see it: `.`, `*` or names'),
});

export type VirtualServiceSpec = z.output<typeof virtualServiceSpec>;
export type StringMatch = z.output<typeof stringMatch>;
export type Destination = z.output<typeof destination>;
export type Headers = z.output<typeof headers>;
export type HttpRoute = z.output<typeof httpRoute>;
export type HttpMatch = z.output<typeof httpMatch>;
export type HttpRedirect = z.output<typeof redirect>;
export type HttpRewrite = z.output<typeof rewrite>;
export type HttpRetry = z.output<typeof httpRetry>;
export type HttpFault = z.output<typeof fault>;
export type CorsPolicy = z.output<typeof corsPolicy>;
export type RouteDestination = z.output<typeof routeDestination>;
export type TcpMatch = z.output<typeof tcpMatch>;
export type TlsMatch = z.output<typeof tlsMatch>;
