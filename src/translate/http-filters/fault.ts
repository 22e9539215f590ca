// The fault filter. It does nothing by itself: delays and aborts come with routes (typed_per_filter_config).
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';
import { FAULT_FILTER } from '../fault.js';

export const FAULT: HttpFilter = {
  name: FAULT_FILTER,
  typed_config: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {}),
};
