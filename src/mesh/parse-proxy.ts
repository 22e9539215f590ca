// Envoy's node -> Proxy (DESIGN.md, Proxy identity). Whether the proxy may claim to be what it says is not checked
// here.
import { isIp, parseLocality } from './make-endpoint.js';
import type {
  Proxy as ConnectedProxy,
  InterceptionMode,
  Locality,
  ProxyNode,
  ProxyType,
} from './proxy.js';

const defaultNamespace = 'default';
const defaultDomain = 'svc.cluster.local';

/** The four parts of Istio's node ids: `TYPE~IP~NAME.NAMESPACE~NAMESPACE.svc.DOMAIN`. */
interface NodeId {
  type: ProxyType;
  ip: string;
  name: string;
  dnsDomain: string;
}

/**
 * Reads Istio's node ids and metadata (Istio, pilot node metadata). A node of any other form is served too: its name
 * is node.id, else node.cluster, it serves the service that node.cluster names, its namespace and labels are those of
 * the metadata, whose keys may then be in lower case. Values of wrong types count as absent; never fails.
 */
export function parseProxy(node: ProxyNode): ConnectedProxy {
  const id = parseNodeId(node.id);
  const metadata = id === undefined ? withUpperCase(node.metadata) : node.metadata;
  const fullName = id?.name ?? (node.id || node.cluster);
  const namespace = text(metadata.NAMESPACE) || namespaceOf(id) || defaultNamespace;
  const suffix = `.${namespace}`;
  const workload = text(metadata.WORKLOAD_NAME);
  const listed = ips(metadata.INSTANCE_IPS);
  return {
    id: node.id,
    type: id?.type ?? 'sidecar',
    name: fullName.endsWith(suffix) ? fullName.slice(0, -suffix.length) : fullName,
    namespace,
    labels: labels(metadata.LABELS),
    ips: listed.length > 0 ? listed : ips(id?.ip),
    locality: locality(node, metadata.LABELS),
    network: text(metadata.NETWORK),
    clusterId: text(metadata.CLUSTER_ID),
    serviceAccount: text(metadata.SERVICE_ACCOUNT),
    workloadName: workload,
    dnsDomain: id?.dnsDomain || `${namespace}.${defaultDomain}`,
    interceptionMode: interceptionMode(metadata.INTERCEPTION_MODE),
    virtualHostDiscovery: takesVirtualHosts(node, metadata.VIRTUAL_HOST_DISCOVERY),
    generator: text(metadata.GENERATOR),
    workloadGroup: text(metadata.AUTO_REGISTER_GROUP),
    ...healthFrom(metadata),
    ...((metadata.LOCAL_CLUSTER === true || metadata.LOCAL_CLUSTER === 'true') && {
      localCluster: true,
    }),
    dnsCapture: metadata.DNS_CAPTURE === true || metadata.DNS_CAPTURE === 'true',
    cluster: node.cluster,
    service: id === undefined ? node.cluster : '',
    envoyVersion: node.version ?? '',
    ...(text(metadata.ISTIO_VERSION) !== '' && { istioVersion: text(metadata.ISTIO_VERSION) }),
    ...withStrings(node.metadata),
  };
}

/**
 * HEALTH_DISCOVERY, which is fairlead's own: the bootstrap has `hds_config`. Istio's agents that have a probe say so in
 * the proxy's configuration.
 */
function healthFrom(metadata: ProxyNode['metadata']): Pick<ConnectedProxy, 'healthFrom'> {
  const { HEALTH_DISCOVERY: discovery, PROXY_CONFIG: config } = metadata;
  if (discovery === true || discovery === 'true') return { healthFrom: 'envoy' };
  const probe = (config as { readinessProbe?: unknown } | null | undefined)?.readinessProbe;
  return typeof probe === 'object' && probe !== null ? { healthFrom: 'agent' } : {};
}

/** As the node has it, without what is no string; PROXY_CONFIG may be an object, and is its JSON then. */
function withStrings(metadata: ProxyNode['metadata']): Pick<ConnectedProxy, 'metadata'> {
  const config = metadata.PROXY_CONFIG;
  const isObject = typeof config === 'object' && config !== null;
  const strings = {
    ...labels(metadata),
    ...(isObject && { PROXY_CONFIG: JSON.stringify(config) }),
  };
  return Object.keys(strings).length === 0 ? {} : { metadata: strings };
}

/** Envoy 1.37 is the first one that takes virtual hosts over an aggregated stream. */
const virtualHostDiscoveryMinor = 37;

/**
 * VIRTUAL_HOST_DISCOVERY, which is fairlead's own: `true`, by an Envoy that can. Over state-of-the-world there are no
 * virtual hosts as resources; whoever parses such a node says so.
 */
function takesVirtualHosts({ version = '' }: ProxyNode, wanted: unknown): boolean {
  if (wanted !== true && wanted !== 'true') return false;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || minor >= virtualHostDiscoveryMinor;
}

/** `namespace` and `labels` are what somebody writes who does not know Istio; its own spelling goes before. */
function withUpperCase(metadata: ProxyNode['metadata']): ProxyNode['metadata'] {
  const upper = Object.entries(metadata).map(([key, value]) => [key.toUpperCase(), value] as const);
  return { ...Object.fromEntries(upper), ...metadata };
}

function parseNodeId(nodeId: string): NodeId | undefined {
  const [type, ip, name, dnsDomain, ...rest] = nodeId.split('~');
  if (type !== 'sidecar' && type !== 'router') return undefined;
  if (ip === undefined || name === undefined || dnsDomain === undefined) return undefined;
  return rest.length > 0 ? undefined : { type, ip, name, dnsDomain };
}

/** Nodes without NAMESPACE: the domain names it, as istiod reads old proxies. */
function namespaceOf(id: NodeId | undefined): string {
  const [first = '', ...rest] = id?.dnsDomain.split('.') ?? [];
  return rest.length > 0 ? first : '';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function labels(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

/** INSTANCE_IPS is a comma-separated list; a list of strings is taken too. */
function ips(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value.map(text) : text(value).split(',');
  return [...new Set(list.map((ip) => ip.trim()).filter(isIp))];
}

/** INTERCEPTION_MODE; REDIRECT when absent or unknown. */
function interceptionMode(value: unknown): InterceptionMode {
  return value === 'TPROXY' || value === 'NONE' ? value : 'REDIRECT';
}

/** node.locality, else the label `istio-locality` of the workload (`region.zone.subzone`). */
function locality(node: ProxyNode, metadataLabels: unknown): Locality {
  const { region = '', zone = '', sub_zone: subzone = '' } = node.locality ?? {};
  if (region !== '' || zone !== '' || subzone !== '') return { region, zone, subzone };
  const label = labels(metadataLabels)['istio-locality'] ?? '';
  return parseLocality(label.includes('/') ? label : label.replaceAll('.', '/'));
}
