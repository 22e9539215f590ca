// The router filter: sends the request to the cluster that its route names.
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';

export const ROUTER = router({});

/** Without the headers `x-envoy-*` that the router adds to requests and responses. */
export const QUIET_ROUTER = router({ suppress_envoy_headers: true });

function router(config: object): HttpFilter {
  return {
    name: 'envoy.filters.http.router',
    typed_config: any('envoy.extensions.filters.http.router.v3.Router', config),
  };
}
