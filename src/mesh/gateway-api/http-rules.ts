// The rules of an HTTPRoute or GRPCRoute as those of a VirtualService, one for each match, each with its rank. What
// backends lead to has been resolved before: it is a part of what the result is made of.
import type { GrpcRouteMatch, GrpcRouteSpec } from '../../kinds/grpc-route.js';
import type {
  HttpBackendRef,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  HttpRouteSpec,
} from '../../kinds/http-route.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';
import type { HttpMatch, HttpRouteDestination, HttpRule } from '../rules.js';
import type { Backend } from './backends.js';
import { corsOf, headersOf, mirrorsOf, redirectOf, rewriteOf, sessionOf } from './filters.js';
import { type RankedRule, rankOf } from './precedence.js';

/** What the references of a rule lead to, in the order in which they are written. */
export interface RuleBackends {
  backends: readonly Backend[];
  /** Of the mirrors of the rule. */
  mirrors: readonly Backend[];
  /** Of the mirrors of each backend. */
  backendMirrors: readonly (readonly Backend[])[];
}

/** The rules as they are written; an HTTPRoute without any has one for everything (Gateway API, default of `rules`). */
export function rulesOf({ kind, spec }: Resource): readonly HttpRouteRule[] {
  const { rules } = spec as HttpRouteSpec | GrpcRouteSpec;
  return (rules as readonly HttpRouteRule[] | undefined) ?? (kind === 'HTTPRoute' ? [{}] : []);
}

/** The rules of a route, in the order in which they are written; the same array for the same input. */
export const httpRulesOf = memoize((route: Resource, resolved: string): readonly RankedRule[] => {
  const backends = JSON.parse(resolved) as RuleBackends[];
  const rules = rulesOf(route);
  return rules.flatMap((rule, i) => {
    const name = rule.name ?? `${route.namespace}.${route.name}.${i}`;
    const matches = matchesOf(route.kind, rule);
    return matches.flatMap((match) => {
      const built = rulesFor(rule, match, { name, backends: backends[i]! });
      const rank = rankOf(match);
      return built.map((one) => ({ rule: one, rank }));
    });
  });
});

/** Rules of a HTTPRoute without any are `{}`: the API fills in a match of everything. */
function matchesOf(kind: string, rule: HttpRouteRule): HttpMatch[] {
  const { matches = [] } = rule;
  if (kind === 'GRPCRoute') {
    const calls = matches as readonly GrpcRouteMatch[];
    return calls.length === 0 ? [{ uri: { prefix: '/' } }] : calls.map(grpcMatch);
  }
  return matches.length === 0 ? [{ uri: { prefix: '/' } }] : matches.map(httpMatch);
}

function httpMatch({ path = {}, headers, queryParams, method }: HttpRouteMatch): HttpMatch {
  const { type = 'PathPrefix', value = '/' } = path;
  return {
    ...(type === 'Exact'
      ? { uri: { exact: value } }
      : type === 'RegularExpression'
        ? { uri: { regex: value } }
        : prefixMatch(value)),
    ...(method && { method: { exact: method } }),
    ...named('headers', headers),
    ...named('queryParams', queryParams),
  };
}

/** `/a` and `/a/` are the same prefix: whole elements of the path. */
function prefixMatch(value: string): HttpMatch {
  const prefix = value.replace(/\/+$/, '');
  return prefix === '' ? { uri: { prefix: '/' } } : { pathPrefix: prefix };
}

/** Of several of one name the first counts; names of headers have no case. */
function named(
  field: 'headers' | 'queryParams',
  matches: HttpRouteMatch['headers'],
): Pick<HttpMatch, 'headers' | 'queryParams'> {
  const map: NonNullable<HttpMatch['headers']> = {};
  for (const { type, name, value } of matches ?? []) {
    const key = field === 'headers' ? name.toLowerCase() : name;
    if (Object.hasOwn(map, key)) continue;
    map[key] = type === 'RegularExpression' ? { regex: value } : { exact: value };
  }
  return Object.keys(map).length > 0 ? { [field]: map } : {};
}

function grpcMatch({ method: call, headers }: GrpcRouteMatch): HttpMatch {
  return { ...grpcPath(call), ...named('headers', headers) };
}

/** A call is the path `/SERVICE/METHOD`. */
function grpcPath(call: GrpcRouteMatch['method']): Pick<HttpMatch, 'uri'> {
  const { type, service, method } = call ?? {};
  if (!service && !method) return { uri: { prefix: '/' } };
  if (type === 'RegularExpression') {
    return { uri: { regex: `/(?:${service || '[^/]+'})/(?:${method || '[^/]+'})` } };
  }
  if (service && method) return { uri: { exact: `/${service}/${method}` } };
  if (service) return { uri: { prefix: `/${service}/` } };
  return { uri: { regex: `/[^/]+/${method?.replaceAll('.', '\\.')}` } };
}

interface RuleContext {
  name: string;
  backends: RuleBackends;
}

/** One rule, or one for each backend where backends have filters that only a route of its own can have. */
function rulesFor(rule: HttpRouteRule, match: HttpMatch, context: RuleContext): HttpRule[] {
  const { filters = [] } = rule;
  const { name, backends } = context;
  const prefix = match.pathPrefix ?? '/';
  const headers = headersOf(filters);
  const redirect = redirectOf(filters, prefix);
  const cors = corsOf(filters);
  const common: HttpRule = {
    name,
    gatewayApi: true,
    ...(headers && { headers }),
    ...(cors && { corsPolicy: cors }),
  };
  if (redirect) return [{ ...common, match: [match], redirect }];
  const rewrite = rewriteOf(filters, prefix);
  const mirrors = mirrorsOf(filters, backends.mirrors);
  const session = sessionOf(rule.sessionPersistence, name);
  const routed: HttpRule = {
    ...common,
    ...(rewrite && { rewrite }),
    ...(mirrors.length > 0 && { mirrors }),
    ...limitsOf(rule),
    ...(session && { session }),
  };
  const shares = sharesOf(rule.backendRefs ?? [], backends);
  if (shares.length === 0) return [{ ...common, match: [match], directResponse: { status: 500 } }];
  if (!shares.some(({ filters: own }) => own.some(needsRoute))) {
    return [{ ...routed, match: [match], route: shares.map(destinationOf) }];
  }
  return split(shares).map(([share, upTo]) => ({
    ...routed,
    ...ownParts(share, routed, prefix),
    match: [upTo < MILLION ? { ...match, share: upTo } : match],
  }));
}

/** A backend with its share of the requests. */
interface Share {
  backend: Backend;
  weight: number;
  filters: readonly HttpRouteFilter[];
  mirrors: readonly Backend[];
}

function sharesOf(refs: readonly HttpBackendRef[], { backends, backendMirrors }: RuleBackends) {
  return refs
    .map(
      ({ weight = 1, filters = [] }, i): Share => ({
        backend: backends[i] ?? null,
        weight,
        filters,
        mirrors: backendMirrors[i] ?? [],
      }),
    )
    .filter(({ weight }) => weight > 0);
}

function destinationOf({ backend, weight, filters }: Share): HttpRouteDestination {
  const headers = headersOf(filters);
  return {
    destination: backend
      ? { host: backend.host, port: { number: backend.port } }
      : { host: '', port: { number: 0 } },
    weight,
    ...(headers && { headers }),
  };
}

/** Weighted clusters have headers of their own, and nothing else. */
function needsRoute({ type }: HttpRouteFilter): boolean {
  return type !== 'RequestHeaderModifier' && type !== 'ResponseHeaderModifier';
}

const MILLION = 1_000_000;

/** Shares one after the other: the part of all requests that a share and those before it take, of a million. */
function split(shares: readonly Share[]): [Share, number][] {
  const sum = shares.reduce((total, { weight }) => total + weight, 0);
  let taken = 0;
  return shares.map((share) => {
    taken += share.weight;
    return [share, Math.round((taken / sum) * MILLION)];
  });
}

/** What a backend's own filters make of a rule. */
function ownParts(share: Share, rule: HttpRule, prefix: string): Partial<HttpRule> {
  const { filters } = share;
  const redirect = redirectOf(filters, prefix);
  if (redirect) return { redirect, rewrite: undefined, mirrors: undefined };
  const rewrite = rewriteOf(filters, prefix);
  const cors = corsOf(filters);
  const mirrors = [...(rule.mirrors ?? []), ...mirrorsOf(filters, share.mirrors)];
  return {
    route: [{ ...destinationOf(share), weight: 1 }],
    ...(rewrite && { rewrite: { ...rule.rewrite, ...rewrite } }),
    ...(cors && { corsPolicy: cors }),
    ...(mirrors.length > 0 && { mirrors }),
  };
}

/** Times and tries. A limit for each try is one for the whole where there is only one try (Istio). */
function limitsOf({ timeouts = {}, retry }: HttpRouteRule): Pick<HttpRule, 'timeout' | 'retries'> {
  const { request, backendRequest } = timeouts;
  const whole = request || (retry ? undefined : backendRequest) || undefined;
  const limit =
    !retry && backendRequest ? Math.min(backendRequest, whole ?? backendRequest) : whole;
  return {
    ...(limit !== undefined && { timeout: limit }),
    ...(retry && { retries: retriesOf(retry, backendRequest || undefined) }),
  };
}

/** The API wants connections that fail or break off tried again, whatever codes are named. */
const CONNECTION_ERRORS = [
  'connect-failure',
  'refused-stream',
  'unavailable',
  'cancelled',
  'reset',
];

function retriesOf(
  { codes = [], attempts = 2, backoff }: NonNullable<HttpRouteRule['retry']>,
  perTryTimeout: number | undefined,
): NonNullable<HttpRule['retries']> {
  return {
    attempts,
    retryOn: [...CONNECTION_ERRORS, ...codes].join(','),
    ...(perTryTimeout !== undefined && { perTryTimeout }),
    ...(backoff !== undefined && { backoff }),
  };
}
