// Clusters towards one service: one for each port, and one more for each subset of its DestinationRule. Endpoints
// of clusters that learn them by EDS are sent apart (load-assignments.ts), so that their changes leave these alone.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { unreachable } from '../lib/error.js';
import { memoize } from '../lib/memo.js';
import type { ServiceEndpoints } from '../mesh/endpoint.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { askedByService } from '../mesh/place.js';
import type { ProxyPlace, ProxyType } from '../mesh/proxy.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { DestinationRule, Subset } from '../mesh/rules.js';
import type { Secrets } from '../mesh/secret.js';
import type { Service, ServicePort } from '../mesh/service.js';
import { circuitBreakers, upstreamConnectionOptions } from './circuit-breakers.js';
import { blackHoleCluster, istioMetadata } from './cluster.js';
import { toDuration } from './duration.js';
import { type DnsLookupFamily, dnsLookupFamily, dynamicForwardProxy } from './dynamic-dns.js';
import { type EndpointFilter, localityLbEndpoints } from './endpoint.js';
import { httpProtocolOptions, speaksHttp2, type UpstreamHttp } from './http-protocol-options.js';
import { isPassthrough, loadBalancerFields } from './load-balancer.js';
import {
  type ClusterLocality,
  clusterLocality,
  type LocalityPolicy,
  placementAt,
} from './locality.js';
import { outboundClusterName, parseClusterName, sniClusterName, statName } from './names.js';
import { healthyPanicThreshold, outlierDetection } from './outlier-detection.js';
import type { Credentials } from './server-credentials.js';
import { clusterStatName } from './stat-name.js';
import { type EffectivePolicy, effectivePolicy } from './traffic-policy.js';
import { credentialKey, upstreamCredentials } from './upstream-credentials.js';
import { checksEachName, upstreamSecrets, upstreamTransport } from './upstream-tls.js';

type ClusterType = 'EDS' | 'STRICT_DNS' | 'LOGICAL_DNS' | 'ORIGINAL_DST' | 'DYNAMIC';

/** A cluster and, where its endpoints come by EDS, which ones those are. */
export interface OutboundCluster {
  name: string;
  cluster: Cluster;
  assignment?: { port: number; locality?: LocalityPolicy } & EndpointFilter;
  /** Files that its TLS names. */
  secrets?: readonly Secret[];
  /** Secrets that its TLS names. */
  credentials?: Credentials;
  /** Why nothing can be sent through it: its TLS names a Secret that is not there. */
  missing?: string;
}

/** The clusters of one service as this proxy sees it; the same objects while service, rule and settings are. */
export function outboundClusters(
  view: ServiceView,
  settings: MeshSettings,
  options: {
    proxy: ProxyTraits;
    endpoints: ServiceEndpoints | undefined;
    place?: ProxyPlace | undefined;
    secrets?: Secrets | undefined;
    /** Clusters for AUTO_PASSTHROUGH as well. */
    passthrough?: boolean;
  },
): readonly OutboundCluster[] {
  const { type, interceptionMode, ipv4, ipv6 } = options.proxy;
  const intercepted = type === 'sidecar' && interceptionMode !== 'NONE';
  // Only names to be resolved are part of a cluster; all other endpoints must not rebuild it.
  const inline = isDns(view.service) ? options.endpoints : undefined;
  const place = inline && askedByService(view, settings) ? options.place : undefined;
  const family = dnsLookupFamily({ ipv4, ipv6 });
  const isRouter = type === 'router';
  const held = credentialKey(view.destinationRule, { isRouter, secrets: options.secrets });
  const own = build(settings, type, intercepted, family, inline, place, held, view);
  return options.passthrough ? withPassthrough(own) : own;
}

/** Whether a service's endpoints stand in its clusters. */
export function isDns(service: Service): boolean {
  return service.resolution === 'dns' || service.resolution === 'dns-round-robin';
}

interface Context {
  service: Service;
  rule: DestinationRule | undefined;
  settings: MeshSettings;
  endpoints: ServiceEndpoints | undefined;
  place: ProxyPlace | undefined;
  proxyType: ProxyType;
  intercepted: boolean;
  family: DnsLookupFamily;
  /** What is there of Secrets that the rule names (credentialKey). */
  held: string | undefined;
}

const build = memoize(
  (
    settings: MeshSettings,
    proxyType: ProxyType,
    intercepted: boolean,
    family: DnsLookupFamily,
    endpoints: ServiceEndpoints | undefined,
    place: ProxyPlace | undefined,
    held: string | undefined,
    view: ServiceView,
  ): readonly OutboundCluster[] => {
    const { service, destinationRule: rule } = view;
    const client = { place, proxyType, intercepted, family, held };
    const context = { service, rule, settings, endpoints, ...client };
    const clusters: OutboundCluster[] = [];
    for (const port of service.ports) {
      if (port.protocol === 'UDP') continue;
      // No endpoint that is found on the way has labels.
      const subsets = service.resolution === 'dynamic-dns' ? [] : (rule?.subsets ?? []);
      for (const subset of [undefined, ...subsets]) {
        const cluster = outboundCluster(context, port, subset);
        // Names of a service that resolves none of them are left out, subsets and all (mesh-semantics 2.3).
        if (cluster === undefined && subset === undefined) break;
        if (cluster !== undefined) clusters.push(cluster);
      }
    }
    return clusters;
  },
);

function outboundCluster(
  context: Context,
  port: ServicePort,
  subset: Subset | undefined,
): OutboundCluster | undefined {
  const { service, rule, settings } = context;
  const policy = effectivePolicy(rule, port.number, { settings, ...(subset && { subset }) });
  const name = outboundClusterName(service.hostname, port.number, subset?.name);
  const panicThreshold = healthyPanicThreshold(policy.outlierDetection, service);
  const filter: EndpointFilter = {
    labels: subset?.labels ?? {},
    // Left out where the panic threshold could bring them into use.
    unhealthy: panicThreshold === 0,
  };
  const locality = clusterLocality(policy, service, settings);
  const discovery = discoveryFields({ context, port, policy, name, filter, locality });
  if (discovery === undefined) return undefined;
  const pool = policy.connectionPool;
  const keepalive = upstreamConnectionOptions(pool, settings);
  const upstream: UpstreamHttp = {
    protocol: port.protocol,
    proxyType: context.proxyType,
    direction: 'outbound',
    pool,
    settings,
    errorCodes: policy.outlierDetection?.outlierDetectionHttpErrorCodes,
  };
  const http2 = speaksHttp2(upstream);
  const found = upstreamCredentials(policy.tls, context.held);
  if (found && 'missing' in found) return { name, ...found, cluster: deadCluster(name, settings) };
  const credentials = found;
  const transport = upstreamTransport(policy, { service, http2, settings, credentials });
  const { socket, perRequest } = transport;
  const http = httpProtocolOptions(upstream, perRequest);
  const cluster: Cluster = {
    name,
    alt_stat_name: clusterStatName(name, settings.config.outboundClusterStatName, {
      service,
      port,
      subset: subset?.name,
    }),
    ...discovery,
    connect_timeout: toDuration(pool?.tcp?.connectTimeout ?? settings.connectTimeoutMs),
    ...balancingFields(isChosenByClient(discovery), policy.loadBalancer, {
      healthy_panic_threshold: { value: panicThreshold },
      ...locality.lbConfig,
    }),
    circuit_breakers: circuitBreakers(pool, policy.retryBudget),
    ...(policy.outlierDetection && {
      outlier_detection: outlierDetection(policy.outlierDetection),
    }),
    ...bufferLimit(context),
    ...(keepalive && { upstream_connection_options: keepalive }),
    ...(http && { typed_extension_protocol_options: http }),
    ...(socket && { transport_socket: socket }),
    metadata: istioMetadata({
      services: [service],
      rule,
      ...(subset && { subset: subset.name }),
      external: service.meshExternal && subset === undefined,
    }),
  };
  const assignment = {
    port: port.number,
    ...filter,
    ...(locality.policy && { locality: locality.policy }),
  };
  const secrets = upstreamSecrets(policy, settings);
  return {
    name,
    cluster,
    ...(discovery.type === 'EDS' && { assignment }),
    ...(secrets.length > 0 && { secrets }),
    ...(credentials && { credentials }),
  };
}

/** Of routers only, as in Istio. */
function bufferLimit({ proxyType, settings }: Context): Cluster {
  const limit =
    settings.config.defaultConfig?.connectionSettings?.clusterPerConnectionBufferLimitBytes;
  if (proxyType !== 'router' || limit === undefined) return {};
  return { per_connection_buffer_limit_bytes: { value: limit } };
}

/** Without endpoints: what must not go out without its TLS does not go out at all. */
function deadCluster(name: string, settings: MeshSettings): Cluster {
  return { ...blackHoleCluster(settings), name, alt_stat_name: statName(name) };
}

/**
 * For each cluster another one by the name that sidecars call with as SNI, and without TLS of its own: what arrives is
 * TLS already (Istio, AUTO_PASSTHROUGH).
 */
const withPassthrough = memoize(
  (clusters: readonly OutboundCluster[]): readonly OutboundCluster[] => [
    ...clusters,
    ...clusters.flatMap(({ name, cluster, assignment }): OutboundCluster[] => {
      const parsed = parseClusterName(name);
      if (parsed === undefined) return [];
      const own = sniClusterName(parsed.host, parsed.port, parsed.subset);
      const { transport_socket: _tls, typed_extension_protocol_options: _http, ...rest } = cluster;
      const { eds_cluster_config: eds, load_assignment: inline } = rest;
      return [
        {
          name: own,
          cluster: {
            ...rest,
            name: own,
            alt_stat_name: statName(own),
            ...(eds && { eds_cluster_config: { ...eds, service_name: own } }),
            ...(inline && { load_assignment: { ...inline, cluster_name: own } }),
          },
          ...(assignment && { assignment }),
        },
      ];
    }),
  ],
);

/** By the address that it called, or the name. */
function isChosenByClient({ type, cluster_type }: Partial<Cluster>): boolean {
  return type === 'ORIGINAL_DST' || Boolean(cluster_type);
}

/** How an endpoint is chosen; where the client has chosen it, localities have no say. */
function balancingFields(
  byClient: boolean,
  balancer: EffectivePolicy['loadBalancer'],
  common: NonNullable<Cluster['common_lb_config']>,
): Partial<Cluster> {
  if (!byClient) return { ...loadBalancerFields(balancer), common_lb_config: common };
  const { healthy_panic_threshold } = common;
  return {
    lb_policy: 'CLUSTER_PROVIDED',
    common_lb_config: { ...(healthy_panic_threshold && { healthy_panic_threshold }) },
  };
}

interface Discovery {
  context: Context;
  port: ServicePort;
  policy: EffectivePolicy;
  name: string;
  filter: EndpointFilter;
  locality: ClusterLocality;
}

/** Without a time limit: an endpoint list that is late must not become an empty one. */
const overAds: NonNullable<Cluster['eds_cluster_config']>['eds_config'] = {
  ads: {},
  resource_api_version: 'V3',
  initial_fetch_timeout: toDuration(0),
};

/** How the endpoints are found; undefined for a name that has none. */
function discoveryFields(discovery: Discovery): Partial<Cluster> | undefined {
  const { context, port, name } = discovery;
  const type = clusterType(context, discovery.policy);
  switch (type) {
    case 'EDS':
      return {
        type,
        eds_cluster_config: {
          eds_config: overAds,
          service_name: name,
        },
      };
    case 'ORIGINAL_DST': {
      const override = portOverride(context.service, port);
      return {
        type,
        ...(override && {
          original_dst_lb_config: { upstream_port_override: { value: override } },
        }),
      };
    }
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return dnsFields(discovery, type);
    case 'DYNAMIC':
      return {
        cluster_type: dynamicForwardProxy(
          context.service.hostname,
          context.family,
          context.settings,
          checksEachName(discovery.policy),
        ),
      };
    default:
      return unreachable(type);
  }
}

function dnsFields(
  { context, port, name, filter, locality }: Discovery,
  type: 'STRICT_DNS' | 'LOGICAL_DNS',
): Partial<Cluster> | undefined {
  const listed = context.endpoints?.byPort.get(port.number) ?? [];
  const placement = context.place && placementAt(locality.policy, context.place);
  const unplaced = localityLbEndpoints(listed, filter);
  const groups = placement ? localityLbEndpoints(listed, filter, placement) : unplaced;
  const first = groups.find(({ priority = 0 }) => priority === 0) ?? unplaced[0];
  if (first === undefined) return undefined;
  // Envoy takes exactly one name in a LOGICAL_DNS cluster.
  const one = { ...first, lb_endpoints: first.lb_endpoints?.slice(0, 1) ?? [] };
  return {
    type,
    dns_lookup_family: context.service.racesAddresses ? 'ALL' : context.family,
    dns_refresh_rate: toDuration(context.settings.dnsRefreshRateMs),
    respect_dns_ttl: true,
    load_assignment: { cluster_name: name, endpoints: type === 'LOGICAL_DNS' ? [one] : groups },
  };
}

/**
 * By resolution. Connections to headless services and to ServiceEntries without one go where the client sends them;
 * without interception nobody knows where that is, so that endpoints are balanced instead.
 */
function clusterType(context: Context, policy: EffectivePolicy): ClusterType {
  const { service, intercepted } = context;
  if (isPassthrough(policy.loadBalancer)) return 'ORIGINAL_DST';
  if (service.headless) return intercepted ? 'ORIGINAL_DST' : 'EDS';
  switch (service.resolution) {
    case 'none':
      return context.proxyType === 'router' ? 'EDS' : 'ORIGINAL_DST';
    case 'dns':
      return 'STRICT_DNS';
    case 'dns-round-robin':
      return 'LOGICAL_DNS';
    case 'dynamic-dns':
      return 'DYNAMIC';
    case 'static':
      return 'EDS';
    default:
      return unreachable(service.resolution);
  }
}

/**
 * A ServiceEntry without resolution may still move the port (targetPort). It also counts where it is the port itself:
 * a rule may send calls of another port to this one.
 */
function portOverride(service: Service, { targetPort }: ServicePort): number | undefined {
  if (service.registry !== 'external' || service.resolution !== 'none') return undefined;
  return typeof targetPort === 'number' ? targetPort : undefined;
}
