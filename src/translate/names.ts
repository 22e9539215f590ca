// The names of Envoy resources, made and read only here. Byte for byte Istio's (mesh-semantics 2.2): tools,
// dashboards and EnvoyFilters parse them.

/** `outbound|PORT|SUBSET|HOST`. */
export function outboundClusterName(host: string, port: number, subset = ''): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** `inbound|PORT||`: one cluster per port of the workload. */
export function inboundClusterName(port: number): string {
  return `inbound|${port}||`;
}

/** The parts of an `outbound|…` or `inbound|…` cluster name; undefined for any other cluster. */
export function parseClusterName(
  name: string,
): { direction: 'outbound' | 'inbound'; port: number; subset: string; host: string } | undefined {
  const [direction, port, subset, host, ...rest] = name.split('|');
  if ((direction !== 'outbound' && direction !== 'inbound') || rest.length > 0) return undefined;
  if (port === undefined || subset === undefined || host === undefined) return undefined;
  return { direction, port: Number(port), subset, host };
}

/** alt_stat_name: Istio ends it with `;`, where the bootstrap's stats_tags cut the cluster name out of statistics. */
export function statName(clusterName: string): string {
  return `${clusterName};`;
}

/** SDS name of a certificate and its key in files of the sidecar's host. */
export function certificateSecretName(certificate: string, key: string): string {
  return `file-cert:${certificate}~${key}`;
}

/** SDS name of the trusted CAs in a file of the sidecar's host. */
export function rootSecretName(file: string): string {
  return `file-root:${file}`;
}

/** SDS name of the certificate of a Secret, as `credentialName` has it: `NAME`, or with a scheme for other namespaces. */
export function credentialSecretName(credential: string): string {
  return credential.includes('://') ? credential : `kubernetes://${credential}`;
}

/** SDS name of the CAs that belong to a Secret. */
export function credentialRootName(credential: string): string {
  return `${credentialSecretName(credential)}-cacert`;
}

/**
 * Envoy's cache of the addresses of a wildcard host. Envoy keeps the settings of a name for as long as it runs: Istio's
 * name with others than the usual ones is another name.
 */
export function dnsCacheName(host: string, refreshRateMs: number): string {
  const usual = `${host}_dfp_dns_cache`;
  return refreshRateMs === 60_000 ? usual : `${usual}_${refreshRateMs}ms`;
}

export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
/** The cluster of a backend that is none (Gateway API): there never is one of that name. */
export const UNKNOWN_CLUSTER = 'UnknownService';
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const DYNAMIC_DNS_CLUSTER = 'AllowAnyDynamicDNSCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';

/** The cluster of a workload's own peers, in the bootstrap; over xDS its endpoints. */
export const LOCAL_CLUSTER = 'local_cluster';

/** What an Envoy is told to check of its own workload (HDS); it is in no other cluster's statistics. */
export const PROBE_CLUSTER = 'workload_probe';

export const VIRTUAL_OUTBOUND_LISTENER = 'virtualOutbound';
export const VIRTUAL_INBOUND_LISTENER = 'virtualInbound';

/** fairlead's own: the agent answers DNS in Istio, and there is no listener for it. */
export const DNS_LISTENER = 'dns';
export const DNS_LISTENER_IPV6 = 'dns_ipv6';

/** `ADDRESS_PORT`, e.g. `0.0.0.0_8080` or `10.0.0.1_9000`. */
export function listenerName(address: string, port: number): string {
  return `${address}_${port}`;
}

/** A listener over QUIC: `udp_ADDRESS_PORT`. */
export function quicListenerName(address: string, port: number): string {
  return `udp_${listenerName(address, port)}`;
}

/** RDS shared by all HTTP services of one port: `PORT`. */
export function portRouteName(port: number): string {
  return String(port);
}

/** RDS of one sniffed service at its own address: `HOST:PORT`. */
export function serviceRouteName(host: string, port: number): string {
  return `${host}:${port}`;
}

/**
 * RDS of all servers of plain HTTP at one place of a gateway: `http.PORT`, the listener's, with the address where it is
 * bound to one.
 */
export function gatewayRouteName(port: number, bind: string): string {
  return bind === '' ? `http.${port}` : `http.${port}.${bind}`;
}

/**
 * RDS of one HTTPS server of a Gateway (`NAMESPACE/NAME`): `https.PORT.PORTNAME.GATEWAY.NAMESPACE`, with the address where
 * it is bound to one. The port is that of the server, unlike in `http.PORT`.
 */
export function gatewayTlsRouteName(
  { number, name: portName }: { number: number; name: string },
  gateway: string,
  bind: string,
): string {
  const [namespace = '', name = ''] = gateway.split('/');
  const routeName = `https.${number}.${portName}.${name}.${namespace}`;
  return bind === '' ? routeName : `${routeName}.${bind}`;
}

/** The parts of a gateway's RDS name; undefined for names of another form. Of `http.PORT` only the port is known. */
export function parseGatewayRouteName(
  name: string,
): { port: number; portName?: string; gateway?: string } | undefined {
  const [scheme, port, portName, gateway, namespace] = name.split('.');
  if (port === undefined || !/^\d+$/.test(port)) return undefined;
  if (scheme === 'http') return { port: Number(port) };
  if (scheme !== 'https' || !portName || !gateway || !namespace) return undefined;
  return { port: Number(port), portName, gateway: `${namespace}/${gateway}` };
}

/** The virtual host of a gateway's port without any rule: every request gets a 404. */
export function blackHoleVirtualHostName(port: number): string {
  return `blackhole:${port}`;
}

/** `outbound_.PORT_.SUBSET_.HOST`: the server name that sidecars call with, and the cluster behind AUTO_PASSTHROUGH. */
export function sniClusterName(host: string, port: number, subset = ''): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** RDS of the HTTP proxy of a sidecar without interception: the services of all ports. */
export const HTTP_PROXY_ROUTE = 'http_proxy';

const UNIX_SOCKET = 'unix://';

/** RDS of a Sidecar's listener on a Unix socket, and its address in names of listeners: `unix://PATH`. */
export function socketRouteName(path: string): string {
  return `${UNIX_SOCKET}${path}`;
}

/** The path of a socket's route; undefined for any other route. */
export function parseSocketRouteName(name: string): string | undefined {
  return name.startsWith(UNIX_SOCKET) ? name.slice(UNIX_SOCKET.length) : undefined;
}

/** Virtual host of a service: `HOST:PORT`. */
export function virtualHostName(host: string, port: number): string {
  return `${host}:${port}`;
}

/** VHDS: the resource name, and with it the name, of a virtual host of a route configuration. */
export function virtualHostResourceName(route: string, virtualHost: string): string {
  return `${route}/${virtualHost}`;
}

/** The route configuration and the virtual host of a VHDS resource name; Envoy cuts at the last `/` too. */
export function parseVirtualHostResourceName(name: string): { route: string; virtualHost: string } {
  const slash = name.lastIndexOf('/');
  return { route: name.slice(0, slash), virtualHost: name.slice(slash + 1) };
}

export const ALLOW_ANY_VIRTUAL_HOST = 'allow_any';
export const BLOCK_ALL_VIRTUAL_HOST = 'block_all';

/** `inbound|http|PORT`: the virtual host of an inbound chain; its inline route is named like the cluster. */
export function inboundVirtualHostName(port: number): string {
  return `inbound|http|${port}`;
}

export const DEFAULT_ROUTE = 'default';
export const VIRTUAL_OUTBOUND_BLACKHOLE_CHAIN = 'virtualOutbound-blackhole';
export const VIRTUAL_OUTBOUND_CATCHALL_CHAIN = 'virtualOutbound-catchall-tcp';
export const VIRTUAL_INBOUND_CHAIN = 'virtualInbound';
export const VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN = 'virtualInbound-catchall-http';
export const VIRTUAL_INBOUND_BLACKHOLE_CHAIN = 'virtualInbound-blackhole';
export const PASSTHROUGH_CHAIN = 'PassthroughFilterChain';

/** The filter of a WasmPlugin; `plugin` is `NAMESPACE.NAME`. */
export function wasmFilterName(plugin: string): string {
  return `extensions.istio.io/wasmplugin/${plugin}`;
}

/** `HOST:PORT`: what gRPC clients ask LDS for, the host as their target has it; IPv6 addresses in brackets. */
export function grpcListenerName(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const GRPC_SERVER_LISTENER = 'xds.istio.io/grpc/lds/inbound/';

/** What gRPC clients write in server_listener_resource_name_template; Istio's own. */
export const GRPC_SERVER_LISTENER_TEMPLATE = `${GRPC_SERVER_LISTENER}%s`;

/** What a gRPC server that listens at an address asks LDS for. */
export function grpcServerListenerName(address: string, port: number): string {
  return `${GRPC_SERVER_LISTENER}${grpcListenerName(address, port)}`;
}

/** The port of a gRPC server's listener; undefined for any other name. */
export function parseGrpcServerListenerName(name: string): number | undefined {
  if (!name.startsWith(GRPC_SERVER_LISTENER)) return undefined;
  return Number(name.slice(name.lastIndexOf(':') + 1));
}
