// The grpc_web filter: turns calls of browsers (application/grpc-web) into gRPC. Other requests pass untouched.
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';

export const GRPC_WEB: HttpFilter = {
  name: 'envoy.filters.http.grpc_web',
  typed_config: any('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', {}),
};
