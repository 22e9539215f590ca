// Which calls a route is for, in the terms of gRPC: no query, no claims, always POST, and pseudo-headers that clients
// do not match on. What can be decided here is decided here.
import type { HeaderMatcher } from '../../envoy/gen/types/envoy/config/route/v3/HeaderMatcher.js';
import type { RouteMatch } from '../../envoy/gen/types/envoy/config/route/v3/RouteMatch.js';
import type { StringMatcher } from '../../envoy/gen/types/envoy/type/matcher/v3/StringMatcher.js';

/**
 * The matches that together stand for an Envoy route's; empty when no call can match. `authority` is what the client
 * calls, `HOST:PORT`.
 */
export function grpcMatches(match: RouteMatch, authority: string): readonly RouteMatch[] {
  // Calls have neither a query nor claims of a token.
  if (match.query_parameters?.length || match.dynamic_metadata?.length) return [];
  const known = pseudoHeaders(authority);
  const headers: HeaderMatcher[] = [];
  for (const header of match.headers ?? []) {
    const values = known[header.name ?? ''];
    if (values === undefined) headers.push(header);
    else if (!values.some((value) => accepts(header, value))) return [];
  }
  const { headers: _, ...path } = match;
  return variants(headers).map((each) => ({
    ...knownPath(path),
    ...(each.length > 0 && { headers: [...each] }),
  }));
}

/** gRPC has no prefixes of whole elements, and refuses what it does not know: they are an expression for it. */
function knownPath({ path_separated_prefix: prefix, ...match }: RouteMatch): RouteMatch {
  if (prefix === undefined) return match;
  const escaped = prefix.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return { ...match, safe_regex: { regex: `${escaped}(?:/.*)?` } };
}

/** Whether a call is in plain text is not known here, so both schemes hold. */
function pseudoHeaders(authority: string): Readonly<Record<string, readonly string[]>> {
  return { ':method': ['POST'], ':scheme': ['http', 'https'], ':authority': [authority] };
}

/**
 * "Without header x: y" holds for calls that have no x at all. Envoy is told so by treat_missing_header_as_empty, which
 * gRPC does not have and clients differ in: here it is two matches, one for calls without x.
 */
function variants(headers: readonly HeaderMatcher[]): readonly (readonly HeaderMatcher[])[] {
  let all: (readonly HeaderMatcher[])[] = [[]];
  for (const header of headers) {
    const forms = header.treat_missing_header_as_empty ? withoutForms(header) : [header];
    all = all.flatMap((before) => forms.map((form) => [...before, form]));
  }
  return all;
}

function withoutForms({ treat_missing_header_as_empty: _, ...header }: HeaderMatcher) {
  const absent = { name: header.name ?? '', present_match: true, invert_match: true };
  return accepts(header, '') ? [header, absent] : [header];
}

function accepts({ string_match, present_match, invert_match }: HeaderMatcher, value: string) {
  const matches = string_match ? matchesString(string_match, value) : present_match === true;
  return matches !== (invert_match === true);
}

function matchesString(matcher: StringMatcher, value: string): boolean {
  const { exact, prefix, suffix, contains, safe_regex: regex } = matcher;
  if (exact !== undefined) return value === exact;
  if (prefix !== undefined) return value.startsWith(prefix);
  if (suffix !== undefined) return value.endsWith(suffix);
  if (contains !== undefined) return value.includes(contains);
  return regex?.regex !== undefined && matchesWhole(regex.regex, value);
}

/** RE2 expressions that JavaScript does not know count as not matching. */
function matchesWhole(regex: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${regex})$`).test(value);
  } catch {
    return false;
  }
}
