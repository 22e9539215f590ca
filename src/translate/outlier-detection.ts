// DestinationRule outlierDetection as Envoy's outlier_detection and panic threshold. Locality failover, which its
// presence turns on, is locality.ts.
import type { OutlierDetection as EnvoyOutlierDetection } from '../envoy/gen/types/envoy/config/cluster/v3/OutlierDetection.js';
import { memoize } from '../lib/memo.js';
import type { Service } from '../mesh/service.js';
import { toDuration } from './duration.js';
import type { OutlierDetection } from './traffic-policy.js';

/**
 * Envoy's detector. Counting detectors are enforced wholly or, at 0, not at all; ejection by success rate is always
 * off, as Istio has it. What is not given keeps Envoy's default (10s interval, 30s base ejection, 10 percent).
 */
export const outlierDetection = memoize((outlier: OutlierDetection): EnvoyOutlierDetection => {
  const out: EnvoyOutlierDetection = { enforcing_success_rate: { value: 0 } };
  const errors = outlier.consecutive5xxErrors;
  if (errors !== undefined) {
    out.consecutive_5xx = { value: errors };
    out.enforcing_consecutive_5xx = { value: errors > 0 ? 100 : 0 };
  }
  const gatewayErrors = outlier.consecutiveGatewayErrors;
  if (gatewayErrors !== undefined) {
    out.consecutive_gateway_failure = { value: gatewayErrors };
    out.enforcing_consecutive_gateway_failure = { value: gatewayErrors > 0 ? 100 : 0 };
  }
  if (outlier.interval !== undefined) out.interval = toDuration(outlier.interval);
  if (outlier.baseEjectionTime !== undefined) {
    out.base_ejection_time = toDuration(outlier.baseEjectionTime);
  }
  if (outlier.maxEjectionPercent) out.max_ejection_percent = { value: outlier.maxEjectionPercent };
  if (outlier.splitExternalLocalOriginErrors) {
    out.split_external_local_origin_errors = true;
    out.enforcing_local_origin_success_rate = { value: 0 };
    const failures = outlier.consecutiveLocalOriginFailures;
    if (failures) {
      out.consecutive_local_origin_failure = { value: failures };
      out.enforcing_consecutive_local_origin_failure = { value: 100 };
    }
  }
  return out;
});

/**
 * Percent of healthy endpoints below which Envoy uses the unhealthy ones too. Off (0) by default, since unready
 * endpoints are sent (mesh-semantics 2.7); always off for trafficDistribution, which goes by them.
 */
export function healthyPanicThreshold(
  outlier: OutlierDetection | undefined,
  service?: Service,
): number {
  return service?.trafficDistribution ? 0 : (outlier?.minHealthPercent ?? 0);
}
