// The order of the rules of one host, whatever routes they come from (Gateway API, HTTPRouteRule.matches, and Istio's
// place for regular expressions, which the API leaves open): exact paths, then longer prefixes, expressions, any
// path; then those with a method, with more headers, with more query parameters; then those of the older route.
import type { HttpMatch, HttpRule } from '../rules.js';

/** A rule with exactly one match. */
export interface RankedRule {
  rule: HttpRule;
  rank: readonly number[];
}

/** The rank of a match; the first number that differs decides, and the larger one goes first. */
export function rankOf(match: HttpMatch): readonly number[] {
  const { uri = {}, pathPrefix, method, headers = {}, queryParams = {} } = match;
  const [kind, path] =
    uri.exact !== undefined
      ? [3, uri.exact]
      : uri.regex !== undefined
        ? [1, uri.regex]
        : [2, pathPrefix ?? uri.prefix ?? '/'];
  return [
    // Any path is no path to be preferred for.
    path === '/' && kind === 2 ? 0 : kind,
    path.length,
    method === undefined ? 0 : 1,
    Object.keys(headers).length,
    Object.keys(queryParams).length,
  ];
}

/** Sorts rules; equal ones stay in the order given, which is that of age. */
export function byPrecedence(rules: readonly RankedRule[]): HttpRule[] {
  return [...rules]
    .sort((a, b) => {
      const at = a.rank.findIndex((value, i) => value !== b.rank[i]);
      return at < 0 ? 0 : b.rank[at]! - a.rank[at]!;
    })
    .map(({ rule }) => rule);
}
