// What all clusters have in common, and the clusters that every sidecar has whatever the mesh holds. Clusters of
// services are in outbound-cluster.ts and inbound-cluster.ts.
import type { Cluster } from '../envoy/gen/types/envoy/config/cluster/v3/Cluster.js';
import type { Metadata } from '../envoy/gen/types/envoy/config/core/v3/Metadata.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { Value } from '../envoy/gen/types/google/protobuf/Value.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { DestinationRule, TrafficPolicy } from '../mesh/rules.js';
import type { Service } from '../mesh/service.js';
import { circuitBreakers, upstreamConnectionOptions } from './circuit-breakers.js';
import { toDuration } from './duration.js';
import { dnsLookupFamily, dynamicForwardProxy } from './dynamic-dns.js';
import { passthroughHttpProtocolOptions } from './http-protocol-options.js';
import {
  BLACK_HOLE_CLUSTER,
  DYNAMIC_DNS_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  PASSTHROUGH_CLUSTER,
  statName,
} from './names.js';
import { toValue } from './struct.js';
import { checksEachName, upstreamSecrets, upstreamTransport } from './upstream-tls.js';

/** Sources that interception rules let pass: what a sidecar sends to its own application (Istio's magic addresses). */
const PASSTHROUGH_SOURCE = { ipv4: '127.0.0.6', ipv6: '::6' } as const;

/** IP families that the workload has. */
export interface IpFamilies {
  ipv4: boolean;
  ipv6: boolean;
}

/** upstream_bind_config of clusters towards the application: one family, or the other as an extra source. */
export function passthroughBindConfig(families: IpFamilies): Cluster['upstream_bind_config'] {
  const { ipv4, ipv6 } = PASSTHROUGH_SOURCE;
  const source = (address: string) => ({ address, port_value: 0 });
  if (!families.ipv4 && families.ipv6) return { source_address: source(ipv6) };
  return {
    source_address: source(ipv4),
    ...(families.ipv6 && { extra_source_addresses: [{ address: source(ipv6) }] }),
  };
}

export interface IstioMetadata {
  services: readonly Service[];
  rule?: DestinationRule | undefined;
  subset?: string;
  /** The service is outside the mesh: telemetry expects no word from its side. */
  external?: boolean;
}

/**
 * metadata.filter_metadata.istio as Istio writes it and its tools read it. Stable names only: a changed cluster is
 * rebuilt by Envoy and loses its connections (DESIGN.md, invariant 10).
 */
export function istioMetadata({ services, rule, subset, external }: IstioMetadata): Metadata {
  const fields: Record<string, Value> = { services: servicesValue(...services) };
  const source = rule?.sources[0];
  if (source !== undefined) {
    fields['config'] = toValue(
      `/apis/networking.istio.io/v1/namespaces/${source.namespace}/destination-rule/${source.name}`,
    );
  }
  if (subset !== undefined) fields['subset'] = toValue(subset);
  if (external) fields['external'] = toValue(true);
  return { filter_metadata: { istio: { fields } } };
}

/** One object for all clusters of a service. */
const servicesValue = memoize(
  (...services: readonly Service[]): Value =>
    toValue(services.map(({ hostname, name, namespace }) => ({ host: hostname, name, namespace }))),
);

/** No endpoints: what routes and chains use to refuse traffic. */
export const blackHoleCluster = memoize(
  (settings: MeshSettings): Cluster => ({
    name: BLACK_HOLE_CLUSTER,
    alt_stat_name: statName(BLACK_HOLE_CLUSTER),
    type: 'STATIC',
    connect_timeout: toDuration(settings.connectTimeoutMs),
    lb_policy: 'ROUND_ROBIN',
  }),
);

/** To the address that the application called, whatever it is. */
export const passthroughCluster = memoize((settings: MeshSettings): Cluster => {
  const pool = settings.config.defaultTrafficPolicy?.connectionPool;
  const keepalive = upstreamConnectionOptions(pool, settings);
  return {
    name: PASSTHROUGH_CLUSTER,
    alt_stat_name: statName(PASSTHROUGH_CLUSTER),
    type: 'ORIGINAL_DST',
    connect_timeout: toDuration(pool?.tcp?.connectTimeout ?? settings.connectTimeoutMs),
    lb_policy: 'CLUSTER_PROVIDED',
    circuit_breakers: circuitBreakers(pool),
    ...(keepalive && { upstream_connection_options: keepalive }),
    typed_extension_protocol_options: passthroughHttpProtocolOptions(settings),
  };
});

/** To the host of the request, looked up when it is called (ALLOW_ANY_DYNAMIC_DNS). */
export const dynamicDnsCluster = memoize(
  (settings: MeshSettings, ipv4: boolean, ipv6: boolean): Cluster => {
    const policy = dynamicDnsPolicy(settings);
    const upstream = { service: {}, http2: false, settings };
    const { socket, perRequest } = upstreamTransport(policy, upstream);
    const { type: _, ...passthrough } = passthroughCluster(settings);
    return {
      ...passthrough,
      name: DYNAMIC_DNS_CLUSTER,
      alt_stat_name: statName(DYNAMIC_DNS_CLUSTER),
      cluster_type: dynamicForwardProxy(
        DYNAMIC_DNS_CLUSTER,
        dnsLookupFamily({ ipv4, ipv6 }),
        settings,
        checksEachName(policy),
      ),
      typed_extension_protocol_options: passthroughHttpProtocolOptions(settings, perRequest),
      ...(socket && { transport_socket: socket }),
    };
  },
);

/** The secrets that its TLS names. */
export function dynamicDnsSecrets(settings: MeshSettings): readonly Secret[] {
  const dynamic = settings.outboundTrafficPolicy === 'ALLOW_ANY_DYNAMIC_DNS';
  return dynamic ? upstreamSecrets(dynamicDnsPolicy(settings), settings) : [];
}

function dynamicDnsPolicy({ config }: MeshSettings): Pick<TrafficPolicy, 'tls'> {
  const tls = config.outboundTrafficPolicy?.tls;
  return tls === undefined ? {} : { tls };
}

/** To the port of the application that the client called, where no service declares it. */
export const inboundPassthroughCluster = memoize(
  (settings: MeshSettings, ipv4: boolean, ipv6: boolean): Cluster => ({
    ...passthroughCluster(settings),
    name: INBOUND_PASSTHROUGH_CLUSTER,
    // Istio leaves PassthroughCluster's here, which adds the two up in one statistic.
    alt_stat_name: statName(INBOUND_PASSTHROUGH_CLUSTER),
    upstream_bind_config: passthroughBindConfig({ ipv4, ipv6 }),
  }),
);
