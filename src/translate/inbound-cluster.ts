// Clusters from a sidecar to its own application: one for each port of the workload that a service selects. Ports
// that none declares go through InboundPassthroughCluster (cluster.ts).
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Address } from '../envoy/gen/types/envoy/config/core/v3/Address.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { InboundPort, ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { DestinationRule } from '../mesh/rules.js';
import { circuitBreakers, upstreamConnectionOptions } from './circuit-breakers.js';
import { istioMetadata, passthroughBindConfig } from './cluster.js';
import { toDuration } from './duration.js';
import { httpProtocolOptions } from './http-protocol-options.js';
import { isBound } from './inbound-plan.js';
import { inboundClusterName } from './names.js';
import { clusterStatName } from './stat-name.js';
import { type ConnectionPool, effectivePolicy } from './traffic-policy.js';

/** "Never": the longest that Istio writes. A cleaned-up host would be a connection pool lost. */
const NEVER = { seconds: 9_223_372_035, nanos: 0 };

/** The inbound clusters of a view, in order of port. Routers have none. */
export function inboundClusters(view: ProxyView): readonly Cluster[] {
  const { proxy, settings, inbound, outbound } = view;
  if (proxy.type !== 'sidecar') return [];
  const byPort = new Map<number, InboundPort[]>();
  for (const port of inbound.ports) {
    if (port.port.protocol === 'UDP') continue;
    const same = byPort.get(port.targetPort);
    if (same === undefined) byPort.set(port.targetPort, [port]);
    else same.push(port);
  }
  return [...byPort.values()].map((ports) => {
    const { service, selectedBy } = ports[0] as InboundPort;
    const rule = rulesByHost(outbound.services).get((selectedBy ?? service).hostname);
    const bound = isBound(ports[0] as InboundPort, proxy.interceptionMode);
    const local = bound || settings.inboundTrafficPolicy === 'LOCALHOST';
    const own = bound ? inbound.ips[0] : undefined;
    const pool = inbound.connectionPool;
    return inboundCluster(settings, rule, pool, local, proxy.ipv4, proxy.ipv6, own, ...ports);
  });
}

/** The rules in force for calls of each service, by hostname. */
const rulesByHost = memoize(
  (services: readonly ServiceView[]) =>
    new Map(services.map(({ service, destinationRule }) => [service.hostname, destinationRule])),
);

/**
 * One port. The first service of the port decides protocol and limits: the limits of its rule hold at the server
 * too, so that it takes what clients may send. Nothing else of a rule applies here.
 */
const inboundCluster = memoize(
  (
    settings: MeshSettings,
    rule: DestinationRule | undefined,
    ofSidecar: ConnectionPool | undefined,
    local: boolean,
    ipv4: boolean,
    ipv6: boolean,
    own: string | undefined,
    ...ports: readonly InboundPort[]
  ): Cluster => {
    const first = ports[0] as InboundPort;
    const name = inboundClusterName(first.targetPort);
    const service = first.selectedBy ?? first.service;
    const pool =
      first.connectionPool ??
      ofSidecar ??
      effectivePolicy(rule, first.port.number, { settings }).connectionPool;
    const keepalive = upstreamConnectionOptions(pool, settings);
    const http = httpProtocolOptions({
      protocol: first.port.protocol,
      proxyType: 'sidecar',
      direction: 'inbound',
      pool,
      settings,
    });
    return {
      name,
      alt_stat_name: clusterStatName(name, settings.config.inboundClusterStatName, {
        ...first,
        service,
      }),
      ...whereTo(name, first, { local, ipv4, ipv6, own }),
      connect_timeout: toDuration(pool?.tcp?.connectTimeout ?? settings.connectTimeoutMs),
      common_lb_config: {},
      circuit_breakers: circuitBreakers(pool),
      ...(keepalive && { upstream_connection_options: keepalive }),
      ...(http && { typed_extension_protocol_options: http }),
      metadata: istioMetadata({
        services: first.selectedBy ? [service] : servicesOf(first, ports),
        rule: rule?.trafficPolicy && rule,
      }),
    };
  },
);

/** How the application is called where its port does not say: at 127.0.0.1, or at the address that was called. */
interface Way {
  local: boolean;
  ipv4: boolean;
  ipv6: boolean;
  /** The workload's address, without interception: there the address that was called is not known. */
  own: string | undefined;
}

function whereTo(name: string, inbound: InboundPort, way: Way): Partial<Cluster> {
  const { targetPort, endpoint } = inbound;
  if (endpoint && 'unixSocket' in endpoint) {
    return fixedFields(name, { pipe: { path: endpoint.unixSocket } });
  }
  const { ipv4, ipv6 } = way;
  const port = endpoint?.port ?? targetPort;
  const address = targetAddress(endpoint, way);
  if (address !== '') {
    return fixedFields(name, { socket_address: { address, port_value: port } });
  }
  return {
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    cleanup_interval: NEVER,
    upstream_bind_config: passthroughBindConfig({ ipv4, ipv6 }),
    ...(port !== targetPort && {
      original_dst_lb_config: { upstream_port_override: { value: port } },
    }),
  };
}

/** Empty: the one that was called. Where nothing is captured that is the sidecar's own. */
function targetAddress(
  endpoint: { address: string } | undefined,
  { local, ipv4, ipv6, own }: Way,
): string {
  const loopback = ipv4 || !ipv6 ? '127.0.0.1' : '::1';
  if (endpoint === undefined) return local ? loopback : '';
  if (endpoint.address === '') return own ?? '';
  return endpoint.address === '::1' && ipv6 ? '::1' : loopback;
}

/** Where the application of a bound port is called; undefined for a Unix socket. */
export function boundTarget(
  { targetPort, endpoint }: InboundPort,
  { proxy: { ipv4, ipv6 }, inbound }: ProxyView,
): { address: string; port: number } | undefined {
  if (endpoint && 'unixSocket' in endpoint) return undefined;
  const address = targetAddress(endpoint, { local: true, ipv4, ipv6, own: inbound.ips[0] });
  return { address, port: endpoint?.port ?? targetPort };
}

/**
 * The application at one place: at 127.0.0.1 (or ::1) with inboundTrafficPolicy LOCALHOST and without interception,
 * where Envoy holds the workload's own address itself; or where a Sidecar says.
 */
function fixedFields(name: string, address: Address): Partial<Cluster> {
  return {
    type: 'STATIC',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}

/** Services of the same port number, one for each hostname, as Istio's telemetry wants them. */
function servicesOf(first: InboundPort, ports: readonly InboundPort[]) {
  const byHost = new Map(
    ports
      .filter(({ port }) => port.number === first.port.number)
      .map(({ service }) => [service.hostname, service]),
  );
  return [...byHost.values()];
}
