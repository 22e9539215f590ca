// The compressor filter: responses of texts are compressed where the client accepts it. A Gateway asks for it by its
// annotation; several algorithms are as many filters, and Envoy takes the one that the client likes best.
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import type { GatewayOptions } from '../../mesh/gateway.js';
import { any } from '../any.js';

type Algorithm = NonNullable<GatewayOptions['compression']>[number];

const types: Readonly<Record<Algorithm, string>> = {
  gzip: 'envoy.extensions.compression.gzip.compressor.v3.Gzip',
  brotli: 'envoy.extensions.compression.brotli.compressor.v3.Brotli',
  zstd: 'envoy.extensions.compression.zstd.compressor.v3.Zstd',
};

/** The filter of one algorithm. Small bodies and types that are compressed already are left alone (Envoy's list). */
export function compressor(algorithm: Algorithm): HttpFilter {
  return {
    name: `envoy.filters.http.compressor.${algorithm}`,
    typed_config: any('envoy.extensions.filters.http.compressor.v3.Compressor', {
      response_direction_config: {
        common_config: { min_content_length: { value: 1024 } },
        // A tag that names exact bytes does not hold for compressed ones.
        disable_on_etag_header: true,
      },
      compressor_library: {
        name: algorithm,
        typed_config: any(types[algorithm], {}),
      },
    }),
  };
}
