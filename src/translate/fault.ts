// Fault injection of a route: the per-route configuration of Envoy's fault filter. The filter itself is one of the
// listener's HTTP filters.
import type { HTTPFault } from '../envoy/gen/types/envoy/extensions/filters/http/fault/v3/HTTPFault.js';
import { grpcStatuses } from '../lib/grpc-status.js';
import type { HttpRule } from '../mesh/rules.js';
import { percentOfMillion, toDuration, wholePercent } from './duration.js';

type Fault = NonNullable<HttpRule['fault']>;

/** The name that the filter and its per-route configuration share. */
export const FAULT_FILTER = 'envoy.filters.http.fault';
export const FAULT_TYPE = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

/** The faults of a route; undefined when there is none. Without a percentage a fault hits no request. */
export function httpFault(fault: Fault): HTTPFault | undefined {
  const delay = faultDelay(fault.delay);
  const abort = faultAbort(fault.abort);
  if (delay === undefined && abort === undefined) return undefined;
  return { ...(delay && { delay }), ...(abort && { abort }) };
}

function faultDelay(delay: Fault['delay']): HTTPFault['delay'] {
  // Envoy refuses a delay of 0, which would be none anyway.
  if (!delay?.fixedDelay || delay.fixedDelay <= 0) return undefined;
  return {
    fixed_delay: toDuration(delay.fixedDelay),
    percentage:
      delay.percentage === undefined
        ? wholePercent(delay.percent ?? 0)
        : percentOfMillion(delay.percentage.value ?? 0),
  };
}

function faultAbort(abort: Fault['abort']): HTTPFault['abort'] {
  if (abort === undefined) return undefined;
  const percentage = percentOfMillion(abort.percentage?.value ?? 0);
  if (abort.httpStatus !== undefined) return { http_status: abort.httpStatus, percentage };
  const grpcStatus = grpcStatuses.indexOf(abort.grpcStatus ?? '');
  return grpcStatus < 0 ? undefined : { grpc_status: grpcStatus, percentage };
}
