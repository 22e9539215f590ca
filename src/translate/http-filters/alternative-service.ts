// The header_mutation filter, for one header: `alt-svc` tells clients that the same port speaks HTTP/3 (RFC 7838).
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';

/** The filter; clients may remember it for a day. */
export function alternativeService(port: number): HttpFilter {
  return {
    name: 'envoy.filters.http.header_mutation',
    typed_config: any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: {
        response_mutations: [
          {
            append: {
              header: { key: 'alt-svc', value: `h3=":${port}"; ma=86400` },
              append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
            },
          },
        ],
      },
    }),
  };
}
