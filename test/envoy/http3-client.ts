// A client of HTTP/3 for tests: a real Envoy with a static configuration, as Node has none.
import { type EnvoyProcess, startEnvoy } from './envoy-process.js';

/** An Envoy that takes HTTP/1.1 on a port of its own and goes on by HTTP/3 alone. The caller must stop it. */
export async function http3Client(to: {
  host: string;
  port: number;
  sni: string;
  ca: string;
}): Promise<{ envoy: EnvoyProcess; port: number }> {
  const typed = (name: string, type: string, more: object) => ({
    name,
    typed_config: { '@type': `type.googleapis.com/${type}`, ...more },
  });
  const http = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const address = (host: string, number: number) => ({
    address: { socket_address: { address: host, port_value: number } },
  });
  const envoy = await startEnvoy({
    bootstrap: {
      static_resources: {
        listeners: [
          {
            name: 'in',
            ...address('127.0.0.1', 0),
            filter_chains: [
              {
                filters: [
                  typed(
                    'envoy.filters.network.http_connection_manager',
                    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                    {
                      stat_prefix: 'in',
                      http_filters: [
                        typed(
                          'envoy.filters.http.router',
                          'envoy.extensions.filters.http.router.v3.Router',
                          {},
                        ),
                      ],
                      route_config: {
                        virtual_hosts: [
                          {
                            name: 'all',
                            domains: ['*'],
                            routes: [{ match: { prefix: '/' }, route: { cluster: 'h3' } }],
                          },
                        ],
                      },
                    },
                  ),
                ],
              },
            ],
          },
        ],
        clusters: [
          {
            name: 'h3',
            connect_timeout: '2s',
            load_assignment: {
              cluster_name: 'h3',
              endpoints: [{ lb_endpoints: [{ endpoint: address(to.host, to.port) }] }],
            },
            typed_extension_protocol_options: {
              [http]: {
                '@type': `type.googleapis.com/${http}`,
                explicit_http_config: { http3_protocol_options: {} },
              },
            },
            transport_socket: typed(
              'envoy.transport_sockets.quic',
              'envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport',
              {
                upstream_tls_context: {
                  sni: to.sni,
                  common_tls_context: {
                    validation_context: { trusted_ca: { inline_string: to.ca } },
                  },
                },
              },
            ),
          },
        ],
      },
    },
  });
  return { envoy, port: await envoy.listenerPort('in') };
}
