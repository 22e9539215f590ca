// CORS of a route: the per-route configuration of Envoy's cors filter. The filter itself is one of the listener's
// HTTP filters.
import type { CorsPolicy as EnvoyCorsPolicy } from '../envoy/gen/types/envoy/extensions/filters/http/cors/v3/CorsPolicy.js';
import type { HttpRule } from '../mesh/rules.js';
import { fixedFraction, wholePercent } from './duration.js';
import { stringMatcher } from './string-match.js';

type CorsPolicy = NonNullable<HttpRule['corsPolicy']>;

/** The name that the filter and its per-route configuration share. */
export const CORS_FILTER = 'envoy.filters.http.cors';
export const CORS_TYPE = 'envoy.extensions.filters.http.cors.v3.CorsPolicy';

/**
 * The CORS policy of a route. A preflight whose origin does not match goes on to the service, unless
 * `unmatchedPreflights: IGNORE`.
 */
export function corsPolicy(policy: CorsPolicy): EnvoyCorsPolicy {
  const origins = policy.allowOrigins?.length
    ? policy.allowOrigins
    : (policy.allowOrigin ?? []).map((exact) => ({ exact }));
  const { allowCredentials, maxAge } = policy;
  return {
    allow_origin_string_match: origins.flatMap((origin) => stringMatcher(origin) ?? []),
    ...joined('allow_methods', policy.allowMethods),
    ...joined('allow_headers', policy.allowHeaders),
    ...joined('expose_headers', policy.exposeHeaders),
    ...(maxAge !== undefined && { max_age: String(Math.trunc(maxAge / 1000)) }),
    ...(allowCredentials !== undefined && { allow_credentials: { value: allowCredentials } }),
    filter_enabled: fixedFraction(wholePercent(100)),
    forward_not_matching_preflights: { value: policy.unmatchedPreflights !== 'IGNORE' },
  };
}

function joined(field: string, list: readonly string[] | undefined): Record<string, string> {
  return list === undefined || list.length === 0 ? {} : { [field]: list.join(',') };
}
