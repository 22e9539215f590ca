// The two listeners that a sidecar has before any xDS: Prometheus metrics and readiness, on Istio's
// ports. They take part in no mesh policy, and neither the connection limit nor overload holds for them,
// so that a full Envoy can still be looked at.

type Json = { [key: string]: unknown };

const extensions = 'type.googleapis.com/envoy.extensions';
const metricsClusterName = 'prometheus_stats';

/** Serves Envoy's own metrics at `/stats/prometheus`; other paths answer 404. */
export function metricsListener(port: number): Json {
  return httpListener('prometheus', port, {
    virtual_hosts: [
      {
        name: 'metrics',
        domains: ['*'],
        routes: [{ match: { path: '/stats/prometheus' }, route: { cluster: metricsClusterName } }],
      },
    ],
  });
}

/** Envoy's admin as a cluster, the source of the metrics. `admin` is a core.v3.Address. */
export function metricsCluster(admin: Json): Json {
  return {
    name: metricsClusterName,
    alt_stat_name: `${metricsClusterName};`,
    type: 'STATIC',
    connect_timeout: '0.25s',
    load_assignment: {
      cluster_name: metricsClusterName,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: admin } }] }],
    },
  };
}

/**
 * Answers 200 at `/healthz/ready`. Envoy accepts connections only once clusters and listeners have
 * arrived (initialisation is complete), so an answer means configured; while draining the health
 * filter answers 503.
 */
export function healthListener(port: number): Json {
  const health = {
    name: 'envoy.filters.http.health_check',
    typed_config: {
      '@type': `${extensions}.filters.http.health_check.v3.HealthCheck`,
      pass_through_mode: false,
      headers: [{ name: ':path', string_match: { exact: '/healthz/ready' } }],
    },
  };
  return httpListener('health', port, { virtual_hosts: [] }, [health]);
}

function httpListener(name: string, port: number, routes: Json, filters: Json[] = []): Json {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` },
  };
  const manager = {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: `${name};`,
    route_config: { name, ...routes },
    http_filters: [...filters, router],
  };
  return {
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  };
}
