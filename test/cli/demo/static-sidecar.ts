// A sidecar without a control plane: everything that arrives passes to its original destination,
// and each request and response carries the name of the sidecar it passed. For tests of the
// interception itself.
import type { Bypass } from '../../../src/cli/interception.js';

interface StaticSidecar {
  name: string;
  /** Unix socket of the admin. */
  admin: string;
  bypass: Bypass;
}

const extensions = 'type.googleapis.com/envoy.extensions';

export function staticSidecar({ name, admin, bypass }: StaticSidecar): object {
  const mark = { level: '1', name: '36', int_value: '1337', state: 'STATE_PREBIND' };
  return {
    node: { id: name, cluster: name },
    admin: { address: { pipe: { path: admin } } },
    ...(bypass.by === 'mark'
      ? { cluster_manager: { upstream_bind_config: { socket_options: [mark] } } }
      : {}),
    static_resources: {
      listeners: [
        listener('virtualOutbound', 15001, `${name}-out`),
        listener('virtualInbound', 15006, `${name}-in`),
      ],
      clusters: [{ name: 'passthrough', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' }],
    },
  };
}

function listener(name: string, port: number, hop: string): object {
  const manager = {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: {
      request_headers_to_add: [{ header: { key: 'x-hop', value: hop } }],
      response_headers_to_add: [{ header: { key: 'x-hop-back', value: hop } }],
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'passthrough' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` },
      },
    ],
  };
  return {
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: { '@type': `${extensions}.filters.listener.original_dst.v3.OriginalDst` },
      },
    ],
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  };
}
