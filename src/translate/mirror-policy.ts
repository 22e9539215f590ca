// Mirroring: copies of requests whose answers nobody waits for.
import type { _envoy_config_route_v3_RouteAction_RequestMirrorPolicy as MirrorPolicy } from '../envoy/gen/types/envoy/config/route/v3/RouteAction.js';
import type { FractionalPercent } from '../envoy/gen/types/envoy/type/v3/FractionalPercent.js';
import type { HttpRouteDestination, HttpRule } from '../mesh/rules.js';
import { fixedFraction, percentOfMillion, wholePercent } from './duration.js';

type Destination = HttpRouteDestination['destination'];

/**
 * The mirrors of a rule, `mirror` first. Without a percentage all requests are mirrored, with 0 none.
 * The host of copies is not suffixed with `-shadow` (Istio's default, DISABLE_SHADOW_HOST_SUFFIX).
 */
export function mirrorPolicies(
  rule: HttpRule,
  clusterOf: (destination: Destination) => string,
): MirrorPolicy[] {
  const mirrors = [
    ...(rule.mirror ? [{ destination: rule.mirror, share: mirrorShare(rule) }] : []),
    ...(rule.mirrors ?? []).map(({ destination, percentage }) => ({
      destination,
      share: percentage ? percentOfMillion(percentage.value ?? 0) : wholePercent(100),
    })),
  ];
  return mirrors
    .filter(({ share }) => (share.numerator ?? 0) > 0)
    .map(({ destination, share }) => ({
      cluster: clusterOf(destination),
      runtime_fraction: fixedFraction(share),
      trace_sampled: { value: false },
      disable_shadow_host_suffix_append: true,
    }));
}

function mirrorShare(rule: HttpRule): FractionalPercent {
  if (rule.mirrorPercentage !== undefined)
    return percentOfMillion(rule.mirrorPercentage.value ?? 0);
  return wholePercent(rule.mirrorPercent ?? rule.mirror_percent ?? 100);
}
