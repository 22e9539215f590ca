// Envoy's bootstrap for one workload, as a plain object: who it is (node), where the control plane
// is (ADS), its admin, metrics and health ports. Readable by an Envoy that somebody already has.
// Everything else comes over xDS. Starting Envoy and reading flags are not here.
import { isIP } from 'node:net';
import { stringify } from 'yaml';
import { healthListener, metricsCluster, metricsListener } from './bootstrap-listeners.js';
import { overloadManager } from './bootstrap-overload.js';
import { localClusterName, peersCluster, peersMetadata } from './bootstrap-peers.js';
import { statsConfig } from './bootstrap-stats.js';
import { type XdsTlsOptions, xdsInitialMetadata, xdsTransportSocket } from './bootstrap-xds-tls.js';

/** Where something listens: `HOST:PORT`, `[IPV6]:PORT`, or `unix:/path`. */
export type Address = string;

/** What a bootstrap says about a workload and its control plane. */
export interface BootstrapOptions {
  /**
   * `sidecar` and `router` use Istio's node form; `plain` leaves node.id and node.cluster to the
   * user.
   */
  type: 'sidecar' | 'router' | 'plain';
  /** The workload instance (pod) name; node.id itself for `plain`. */
  name: string;
  /** `default` where absent. */
  namespace?: string;
  /** The instance's addresses; the first one goes into node.id. */
  ips?: readonly string[];
  /** A router's are `istio: ingressgateway` where it has none. */
  labels?: Readonly<Record<string, string>>;
  /** `default` where absent. */
  serviceAccount?: string;
  /** The name shared by a workload's instances; the `app` label or the name where absent. */
  workloadName?: string;
  /** Of a sidecar. */
  interceptionMode?: 'REDIRECT' | 'TPROXY' | 'NONE';
  /** `Kubernetes` where absent, as in Istio. */
  clusterId?: string;
  network?: string;
  /** The WorkloadGroup that the workload registers itself in, and whose probe its Envoy runs. */
  workloadGroup?: string;
  /** DNS queries of the workload are sent to the sidecar. */
  dnsCapture?: boolean;
  /** `region`, `region/zone` or `region/zone/subzone`. */
  locality?: string;
  /** The workload's own peers are asked for, so that calls can stay within a zone; needs `locality`. */
  peers?: boolean;
  /** node.cluster; derived from workload and namespace for a sidecar, the name for `plain`. */
  cluster?: string;
  /** Further node metadata; wins over what is derived. */
  metadata?: Readonly<Record<string, unknown>>;
  /** The control plane. */
  xds: Address;
  /** Plaintext without a token where absent. */
  xdsTls?: XdsTlsOptions;
  /** `delta` where absent. */
  xdsProtocol?: 'delta' | 'sotw';
  /** Envoy's admin; `127.0.0.1:15000` where absent. */
  admin?: Address;
  /**
   * SO_MARK for upstream sockets, where interception tells the sidecar by mark (needs
   * CAP_NET_ADMIN).
   */
  mark?: number;
  /** Prometheus listener; 15090 where absent, 0 leaves it out. */
  metricsPort?: number;
  /** Readiness listener (`/healthz/ready`); 15021 where absent, 0 leaves it out. */
  healthPort?: number;
  /** Bound of the downstream connections of the whole Envoy; unbounded where absent, a router's 50,000. */
  downstreamConnectionsMax?: number;
  /** Bound of the heap, near which load is shed; for a router 2 GiB where absent; 0: none. */
  heapBytesMax?: number;
}

/** The numbers of Envoy's guide for edge proxies. */
const edge = { connectionsMax: 50_000, heapBytesMax: 2 ** 31 };

type Json = { [key: string]: unknown };

/**
 * The Istio release whose API and defaults fairlead follows: what our own proxies say they are, so that EnvoyFilters
 * which ask for a version (match.proxy.proxyVersion) are in force on them.
 */
export const followedIstioVersion = '1.31.0';

const xdsCluster = 'xds-grpc';
const extensions = 'type.googleapis.com/envoy.extensions';

/**
 * The bootstrap as a JSON object (Envoy's field names in snake_case). Throws RangeError for an
 * address it cannot read.
 */
export function buildBootstrap(options: BootstrapOptions): Json {
  const admin = options.admin ?? '127.0.0.1:15000';
  const metricsPort = options.metricsPort ?? 15090;
  const healthPort = options.healthPort ?? 15021;
  const listeners: Json[] = [];
  const clusters: Json[] = [controlPlaneCluster(options)];
  if (metricsPort !== 0) {
    listeners.push(metricsListener(metricsPort));
    clusters.push(metricsCluster(toEnvoyAddress(admin)));
  }
  if (healthPort !== 0) listeners.push(healthListener(healthPort));
  if (options.peers) clusters.push(peersCluster);
  const manager = {
    ...(options.peers && localClusterName),
    ...(options.mark !== undefined && markedSockets(options.mark)),
  };
  return {
    node: buildNode(options),
    admin: { address: toEnvoyAddress(admin) },
    dynamic_resources: dynamicResources(options),
    ...(options.workloadGroup !== undefined && { hds_config: healthDiscovery(options) }),
    static_resources: { clusters, ...(listeners.length > 0 ? { listeners } : {}) },
    ...(Object.keys(manager).length > 0 && { cluster_manager: manager }),
    stats_config: statsConfig(),
    layered_runtime: {
      layers: [
        // Envoy's own limit of 100 refuses regular expressions that Istio users write; this is
        // Istio's.
        { name: 'static', static_layer: { 're2.max_program_size.error_level': 32768 } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    overload_manager: overloadManager(overloadBounds(options)),
  };
}

/** The bootstrap as text that `envoy -c FILE` reads (the file's extension must say which). */
export function bootstrapText(options: BootstrapOptions, format: 'json' | 'yaml'): string {
  const bootstrap = buildBootstrap(options);
  if (format === 'json') return `${JSON.stringify(bootstrap, null, 2)}\n`;
  return stringify(bootstrap, { lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * Envoy's node: Istio's id `sidecar~IP~NAME.NAMESPACE~NAMESPACE.svc.cluster.local` and the metadata
 * that goes with it.
 */
export function buildNode(options: BootstrapOptions): Json {
  const namespace = options.namespace ?? 'default';
  const labels = labelsOf(options);
  const workload = options.workloadName ?? labels['app'] ?? options.name;
  const locality = toLocality(options.locality);
  const domain = `${namespace}.svc.cluster.local`;
  const ips = options.ips ?? [];
  const plain = options.type === 'plain';
  const sidecar = options.type === 'sidecar';
  const metadata = {
    NAME: options.name,
    NAMESPACE: namespace,
    ...(ips.length > 0 ? { INSTANCE_IPS: ips.join(',') } : {}),
    LABELS: labels,
    ...(plain ? {} : { SERVICE_ACCOUNT: options.serviceAccount ?? 'default' }),
    ...(plain ? {} : { WORKLOAD_NAME: workload, CLUSTER_ID: options.clusterId ?? 'Kubernetes' }),
    ...(sidecar ? { INTERCEPTION_MODE: options.interceptionMode ?? 'REDIRECT' } : {}),
    ...(plain ? {} : { ISTIO_VERSION: followedIstioVersion }),
    ...(options.network === undefined ? {} : { NETWORK: options.network }),
    ...(options.workloadGroup === undefined ? {} : registered(options.workloadGroup)),
    ...(options.dnsCapture ? { DNS_CAPTURE: 'true' } : {}),
    ...(options.peers && peersMetadata),
    ...options.metadata,
  };
  return {
    id: plain
      ? options.name
      : `${options.type}~${ips[0] ?? '127.0.0.1'}~${options.name}.${namespace}~${domain}`,
    cluster: options.cluster ?? (plain ? options.name : `${workload}.${namespace}`),
    ...(locality === undefined ? {} : { locality }),
    metadata,
  };
}

/** A router without labels is what Istio's Gateways select most of the time. */
function labelsOf({ type, labels = {} }: BootstrapOptions): Readonly<Record<string, string>> {
  const some = Object.keys(labels).length > 0;
  return some || type !== 'router' ? labels : { istio: 'ingressgateway' };
}

/**
 * An Address as Envoy's core.v3.Address. Throws RangeError when it is neither `HOST:PORT` nor
 * `unix:/path`.
 */
export function toEnvoyAddress(address: Address): Json {
  if (address.startsWith('unix:')) return { pipe: { path: address.slice('unix:'.length) } };
  const { host, port } = splitHostPort(address);
  return { socket_address: { address: host, port_value: port } };
}

function splitHostPort(address: Address): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) {
    throw new RangeError(`not an address (HOST:PORT or unix:/path): ${address}`);
  }
  return { host, port };
}

function toLocality(text: string | undefined): Json | undefined {
  if (text === undefined || text === '') return undefined;
  const [region, zone, subZone] = text.split('/');
  return {
    region,
    ...(zone === undefined ? {} : { zone }),
    ...(subZone === undefined ? {} : { sub_zone: subZone }),
  };
}

// Envoy's own longest wait between attempts is 30 s: a control plane that came back would be heard
// of only then.
const reconnect = { retry_back_off: { base_interval: '0.5s', max_interval: '5s' } };

function dynamicResources(options: BootstrapOptions): Json {
  const { xdsProtocol = 'delta' } = options;
  // A time-out of 0 waits for the control plane: an Envoy never starts serving with half its
  // configuration.
  const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return {
    ads_config: {
      api_type: xdsProtocol === 'delta' ? 'DELTA_GRPC' : 'GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [xdsService(options)],
    },
    lds_config: ads,
    cds_config: ads,
  };
}

function xdsService({ xdsTls = {} }: BootstrapOptions): Json {
  const initial_metadata = xdsInitialMetadata(xdsTls);
  return {
    envoy_grpc: { cluster_name: xdsCluster, retry_policy: reconnect },
    ...(initial_metadata && { initial_metadata }),
  };
}

/** Where Envoy learns what to check of its workload, and tells what it finds (HDS). */
function healthDiscovery(options: BootstrapOptions): Json {
  return {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [xdsService(options)],
  };
}

/** The node's word that it is a workload of the group, and that it runs the group's probe. */
function registered(workloadGroup: string): Json {
  return { AUTO_REGISTER_GROUP: workloadGroup, HEALTH_DISCOVERY: 'true' };
}

function controlPlaneCluster({ xds, xdsTls = {} }: BootstrapOptions): Json {
  const address = toEnvoyAddress(xds);
  const overTcp = 'socket_address' in address;
  const host = overTcp ? splitHostPort(xds).host : undefined;
  const byName = host !== undefined && isIP(host) === 0;
  const transport_socket = xdsTransportSocket(xdsTls, host);
  return {
    name: xdsCluster,
    alt_stat_name: `${xdsCluster};`,
    type: byName ? 'STRICT_DNS' : 'STATIC',
    ...(byName ? { dns_lookup_family: 'V4_PREFERRED' } : {}),
    connect_timeout: '1s',
    // A half-open connection (a host gone without a FIN) is noticed within 35 s, not by TCP after
    // hours.
    ...(overTcp ? { upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } } } : {}),
    ...(transport_socket && { transport_socket }),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${extensions}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: {
          http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '5s' } },
        },
      },
    },
    load_assignment: {
      cluster_name: xdsCluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}

// Linux: level 1 is SOL_SOCKET, name 36 is SO_MARK. A cluster with a bind config of its own does
// not inherit this.
function markedSockets(mark: number): Json {
  const option = { level: '1', name: '36', int_value: String(mark), state: 'STATE_PREBIND' };
  return { upstream_bind_config: { socket_options: [option] } };
}

function overloadBounds({ type, downstreamConnectionsMax, heapBytesMax }: BootstrapOptions) {
  const bounds = type === 'router' ? edge : { connectionsMax: 2 ** 31 - 1, heapBytesMax: 0 };
  return {
    connectionsMax: downstreamConnectionsMax ?? bounds.connectionsMax,
    // Zero would be no heap at all.
    heapBytesMax: (heapBytesMax ?? bounds.heapBytesMax) || undefined,
  };
}
