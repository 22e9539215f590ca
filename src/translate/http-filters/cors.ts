// The cors filter. It does nothing by itself: policies come with routes (typed_per_filter_config).
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';
import { CORS_FILTER } from '../cors.js';

export const CORS: HttpFilter = {
  name: CORS_FILTER,
  typed_config: any('envoy.extensions.filters.http.cors.v3.Cors', {}),
};
