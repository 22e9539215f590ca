// The grpc_stats filter: counts messages of gRPC calls. Statistics for each method are off, as in Istio: callers could
// make any number of names.

import type { FilterConfig } from '../../envoy/gen/types/envoy/extensions/filters/http/grpc_stats/v3/FilterConfig.js';
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';

const config: FilterConfig = { emit_filter_state: true, stats_for_all_methods: { value: false } };

export const GRPC_STATS: HttpFilter = {
  name: 'envoy.filters.http.grpc_stats',
  typed_config: any('envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', config),
};
