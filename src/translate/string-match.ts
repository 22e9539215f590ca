// Istio's StringMatch as Envoy's StringMatcher, shared by headers, query parameters and CORS origins. Paths have
// matchers of their own (route-match.ts).
import type { StringMatcher } from '../envoy/gen/types/envoy/type/matcher/v3/StringMatcher.js';
import type { HttpMatch } from '../mesh/rules.js';

export type StringMatch = NonNullable<HttpMatch['uri']>;

/**
 * Whether only presence is asked for: no form given (`{}`), or the regex `*`, which is no RE2 expression and which
 * Istio reads as "present".
 */
export function isPresence(match: StringMatch): boolean {
  if (match.exact !== undefined || match.prefix !== undefined) return false;
  return match.regex === undefined || match.regex === '*';
}

/** The matcher; undefined when no form is given. */
export function stringMatcher(match: StringMatch): StringMatcher | undefined {
  if (match.exact !== undefined) return { exact: match.exact };
  // Envoy refuses an empty prefix and an empty regex; these say the same.
  if (match.prefix === '') return { safe_regex: { regex: '.*' } };
  if (match.prefix !== undefined) return { prefix: match.prefix };
  if (match.regex === '') return { exact: '' };
  if (match.regex !== undefined) return { safe_regex: { regex: match.regex } };
  return undefined;
}
