// DestinationRule outlierDetection for gRPC clients (gRFC A50), which eject by success rate or by the share of failed
// calls in an interval, and cannot count errors in a row. Istio's grpcgen leaves it out (docs/divergence.md).
import type { OutlierDetection as EnvoyOutlierDetection } from '../../envoy/gen/types/envoy/config/cluster/v3/OutlierDetection.js';
import { toDuration } from '../duration.js';
import type { OutlierDetection } from '../traffic-policy.js';

/** Istio's and Envoy's default of consecutive5xxErrors. */
const errorsDefault = 5;

/**
 * N errors in a row become: at least N calls in the interval, none of which succeeded. gRPC counts every status but OK
 * as an error. Undefined where errors are not to be counted.
 */
export function grpcOutlierDetection(
  outlier: OutlierDetection | undefined,
): EnvoyOutlierDetection | undefined {
  if (outlier === undefined) return undefined;
  const limits = [
    outlier.consecutive5xxErrors ?? errorsDefault,
    outlier.consecutiveGatewayErrors ?? 0,
  ].filter((limit) => limit > 0);
  if (limits.length === 0) return undefined;
  return {
    enforcing_success_rate: { value: 0 },
    enforcing_failure_percentage: { value: 100 },
    // Above this share: all of them.
    failure_percentage_threshold: { value: 99 },
    failure_percentage_minimum_hosts: { value: 1 },
    failure_percentage_request_volume: { value: Math.min(...limits) },
    ...(outlier.interval !== undefined && { interval: toDuration(outlier.interval) }),
    ...(outlier.baseEjectionTime !== undefined && {
      base_ejection_time: toDuration(outlier.baseEjectionTime),
    }),
    ...(outlier.maxEjectionPercent && {
      max_ejection_percent: { value: outlier.maxEjectionPercent },
    }),
  };
}
