// The match of an Envoy route, from one match of a VirtualService. What the control plane itself decides (port,
// source labels, source namespace, gateways) is in http-routes.ts and leaves no trace here.
import type { HeaderMatcher } from '../envoy/gen/types/envoy/config/route/v3/HeaderMatcher.js';
import type { QueryParameterMatcher } from '../envoy/gen/types/envoy/config/route/v3/QueryParameterMatcher.js';
import type { RouteMatch } from '../envoy/gen/types/envoy/config/route/v3/RouteMatch.js';
import type { HttpMatch } from '../mesh/rules.js';
import { claimMatcher, claimPath } from './claim-match.js';
import { fixedFraction, ofMillion } from './duration.js';
import { isPresence, type StringMatch, stringMatcher } from './string-match.js';

/** Matches every request: the route of a rule without a match. */
export const EVERY_REQUEST: RouteMatch = { prefix: '/' };

/**
 * The match of one HTTPMatchRequest (istio.io, VirtualService): all its fields must hold. A prefix is a plain string
 * prefix, a regex must match the whole path without the query.
 */
export function routeMatch(match: HttpMatch): RouteMatch {
  const claims = [
    ...entries(match.headers).flatMap(([name, value]) => claimMatcher(name, value, false) ?? []),
    ...entries(match.withoutHeaders).flatMap(([n, value]) => claimMatcher(n, value, true) ?? []),
  ];
  const headers = headerMatchers(match);
  const queryParameters = entries(match.queryParams).map(([name, v]) => queryMatcher(name, v));
  return {
    ...pathSpecifier(match),
    case_sensitive: { value: match.ignoreUriCase !== true },
    ...(headers.length > 0 && { headers }),
    ...(queryParameters.length > 0 && { query_parameters: queryParameters }),
    ...(claims.length > 0 && { dynamic_metadata: claims }),
    ...(match.share !== undefined && { runtime_fraction: fixedFraction(ofMillion(match.share)) }),
  };
}

/** Whether no later route can be reached, by Istio's rule: the path is any path, and nothing else is asked. */
export function isCatchAll(match: RouteMatch): boolean {
  const anyPath = match.prefix === '/' || match.safe_regex?.regex === '.*';
  return (
    anyPath &&
    !match.headers &&
    !match.query_parameters &&
    !match.dynamic_metadata &&
    !match.runtime_fraction
  );
}

/** The path as Istio writes it in names of traced operations: `/api*`, `/exact`, or the expression. */
export function describePath(match: RouteMatch): string {
  if (match.path !== undefined) return match.path;
  if (match.safe_regex?.regex !== undefined) return match.safe_regex.regex;
  return `${match.prefix ?? match.path_separated_prefix ?? '/'}*`;
}

function pathSpecifier({ uri, pathPrefix }: HttpMatch): RouteMatch {
  if (pathPrefix !== undefined) return { path_separated_prefix: pathPrefix };
  if (uri?.exact !== undefined) return { path: uri.exact };
  if (uri?.prefix !== undefined) return { prefix: uri.prefix };
  if (uri?.regex !== undefined) return { safe_regex: { regex: uri.regex } };
  return EVERY_REQUEST;
}

function headerMatchers(match: HttpMatch): HeaderMatcher[] {
  const named = [
    ...entries(match.headers).map(([name, value]) => headerMatcher(name, value)),
    ...entries(match.withoutHeaders).map(([name, value]) => withoutHeader(name, value)),
  ].filter((matcher) => claimPath(matcher.name ?? '') === undefined);
  named.sort((a, b) => compare(a.name ?? '', b.name ?? ''));
  const pseudo: readonly [string, StringMatch | undefined][] = [
    [':method', match.method],
    [':authority', match.authority],
    [':scheme', match.scheme],
  ];
  return [
    ...named,
    ...pseudo.flatMap(([name, value]) => (value === undefined ? [] : headerMatcher(name, value))),
  ];
}

function headerMatcher(name: string, value: StringMatch): HeaderMatcher {
  if (isPresence(value)) return { name, present_match: true };
  return { name, string_match: stringMatcher(value) };
}

function withoutHeader(name: string, value: StringMatch): HeaderMatcher {
  // A missing header is an empty one here, so that "without x: 1" holds for requests that have no x. Envoy does not
  // take the flag together with present_match, which says as much by itself.
  return {
    ...headerMatcher(name, value),
    invert_match: true,
    ...(!isPresence(value) && { treat_missing_header_as_empty: true }),
  };
}

function queryMatcher(name: string, value: StringMatch): QueryParameterMatcher {
  if (isPresence(value)) return { name, present_match: true };
  return { name, string_match: stringMatcher(value) };
}

/** Entries in the order of their keys, so that the order in YAML does not matter. */
function entries<Value>(map: Readonly<Record<string, Value>> | undefined): [string, Value][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => compare(a, b));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
