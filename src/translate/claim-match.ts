// Matching on claims of a JWT: header names such as `@request.auth.claims.group` or `@request.auth.claims[a.b][c]`
// stand for claims that the JWT filter left in the metadata. Verifying tokens is not done here.
import type { MetadataMatcher } from '../envoy/gen/types/envoy/type/matcher/v3/MetadataMatcher.js';
import type { ValueMatcher } from '../envoy/gen/types/envoy/type/matcher/v3/ValueMatcher.js';
import { isPresence, type StringMatch, stringMatcher } from './string-match.js';

const prefix = '@request.auth.claims';

/** The path of the claim that a header name stands for; undefined for a real header. */
export function claimPath(name: string): string[] | undefined {
  if (!name.toLowerCase().startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  if (rest.startsWith('.') && rest.length > 1) return rest.slice(1).split('.');
  if (rest.startsWith('[') && rest.endsWith(']') && rest.length > 2) {
    return rest.slice(1, -1).split('][');
  }
  return undefined;
}

/** A matcher for a claim that is a string or a list of strings; undefined when `name` is a real header. */
export function claimMatcher(
  name: string,
  match: StringMatch,
  invert: boolean,
): MetadataMatcher | undefined {
  const path = claimPath(name);
  if (path === undefined) return undefined;
  const value: ValueMatcher = isPresence(match)
    ? { present_match: true }
    : { string_match: stringMatcher(match) };
  return {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ key })),
    value: { or_match: { value_matchers: [{ list_match: { one_of: value } }, value] } },
    ...(invert && { invert }),
  };
}
