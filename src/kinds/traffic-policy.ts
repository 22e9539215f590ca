// The traffic policy of a DestinationRule, whose parts MeshConfig and later Sidecar use too. The rules that need
// more than one field are in traffic-policy-check.ts.
import { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, map, message, named } from './schema.js';
import {
  bool,
  double,
  duration,
  int32,
  port,
  portOrZero,
  string,
  strings,
  struct,
  uint32,
  uint64,
} from './values.js';

const count = named('integer', z.int32().min(0));
const wholePercent = named('integer 0-100', z.int32().min(0).max(100));

const failover = list(
  message({
    from: string.describe('region of the client'),
    to: string.describe('region that stands in for it'),
  }),
).describe('the region whose endpoints are next when those of one are gone');

/** Locality load balancing; MeshConfig has one as its default. */
export const localityLbSetting = message({
  distribute: list(
    message({
      from: string.describe('locality of the client: region/zone/subzone, * as the last step'),
      to: map(uint32).describe('locality -> percent; the sum is 100'),
    }),
  ).describe('weights of localities; those not named get nothing'),
  failover,
  failoverPriority: strings.describe('priorities by labels that endpoint and client share'),
  enabled: bool.describe('false: endpoints anywhere are alike'),
});

/** Zone aware load balancing; MeshConfig has one as its default. */
export const zoneAwareLbSetting = message({
  enabled: bool.describe('false: endpoints anywhere are alike'),
  failover,
  failoverPriority: strings.describe('priorities by labels that endpoint and client share'),
  minClusterSize: uint64.describe('min_cluster_size'),
});

const httpCookie = message(
  {
    name: string.describe('name of the cookie'),
    path: string.describe('path of the cookie that Envoy issues'),
    ttl: duration.describe(
      'life of the cookie that Envoy issues; 0s: a session cookie; absent: Envoy issues none',
    ),
    attributes: list(message({ name: string, value: string }, 'name')).describe(
      'further attributes of the cookie',
    ),
  },
  'name',
);

const consistentHash = message({
  httpHeaderName: string.describe('hash_policy.header'),
  httpCookie: httpCookie.describe('hash_policy.cookie'),
  useSourceIp: bool.describe('hash_policy.connection_properties.source_ip'),
  httpQueryParameterName: string.describe('hash_policy.query_parameter'),
  ringHash: message({
    minimumRingSize: uint64.describe('minimum_ring_size (1024 when absent)'),
  }).describe('RING_HASH, the default'),
  maglev: message({
    tableSize: uint64.describe('table_size, a prime up to 5000011'),
  }).describe('MAGLEV'),
  minimumRingSize: uint64.describe('deprecated form of ringHash.minimumRingSize'),
});

const warmup = message(
  {
    duration: duration.describe('slow_start_window'),
    minimumPercent: double.describe('min_weight_percent (10 when absent)'),
    aggression: double.describe('aggression (1 when absent)'),
  },
  'duration',
);

const loadBalancer = message({
  simple: enumeration([
    'UNSPECIFIED',
    'LEAST_CONN',
    'RANDOM',
    'PASSTHROUGH',
    'ROUND_ROBIN',
    'LEAST_REQUEST',
  ]).describe('lb_policy; LEAST_REQUEST when absent'),
  consistentHash: consistentHash.describe('RING_HASH or MAGLEV and the hash_policy of routes'),
  localityLbSetting: localityLbSetting.describe('weights or priorities of endpoints by locality'),
  zoneAwareLbSetting: zoneAwareLbSetting.describe(
    'priorities by region; zone_aware_lb_config, which needs `fairlead bootstrap --peers`',
  ),
  backendUtilization: noEffect(
    struct,
    'Istio has it in its API only: its control plane does not act on it either.',
  ),
  warmupDurationSecs: duration.describe('deprecated form of warmup.duration'),
  warmup: warmup.describe('slow_start_config'),
});

/** TCP keepalive; MeshConfig has one as its default. */
export const tcpKeepalive = message({
  probes: uint32.describe('keepalive_probes'),
  time: duration.describe('keepalive_time'),
  interval: duration.describe('keepalive_interval'),
});

/** Limits of connections and requests to a service. */
export const connectionPool = message({
  tcp: message({
    maxConnections: count.describe('max_connections of the circuit breaker'),
    connectTimeout: duration.describe('connect_timeout (10s when absent)'),
    tcpKeepalive: tcpKeepalive.describe('upstream_connection_options.tcp_keepalive'),
    maxConnectionDuration: duration.describe('max_connection_duration'),
    idleTimeout: duration.describe('idle_timeout of tcp_proxy and of the pool'),
  }).describe('connections'),
  http: message({
    http1MaxPendingRequests: count.describe('max_pending_requests of the circuit breaker'),
    http2MaxRequests: count.describe('max_requests of the circuit breaker, HTTP/1 too'),
    maxRequestsPerConnection: count.describe('max_requests_per_connection; 1: no keep-alive'),
    maxRetries: count.describe('max_retries of the circuit breaker (retries at one time)'),
    idleTimeout: duration.describe('common_http_protocol_options.idle_timeout'),
    h2UpgradePolicy: enumeration(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).describe(
      'HTTP/2 to the service on plain HTTP ports',
    ),
    useClientProtocol: bool.describe('use_downstream_protocol_config'),
    maxConcurrentStreams: count.describe('max_concurrent_streams of HTTP/2'),
    http2KeepAlive: message({
      interval: duration.describe('connection_keepalive.interval'),
      timeout: duration.describe('connection_keepalive.timeout'),
    }).describe('pings of HTTP/2'),
  }).describe('requests'),
});

/** When endpoints are taken out for their errors. Presence turns it on. */
export const outlierDetection = message({
  consecutiveErrors: noEffect(int32, 'Istio ignores it; use consecutive5xxErrors.'),
  splitExternalLocalOriginErrors: bool.describe('split_external_local_origin_errors'),
  consecutiveLocalOriginFailures: uint32.describe('consecutive_local_origin_failure'),
  consecutiveGatewayErrors: uint32.describe('consecutive_gateway_failure; 0 turns it off'),
  consecutive5xxErrors: uint32.describe('consecutive_5xx (5 when absent); 0 turns it off'),
  interval: duration.describe('interval (10s when absent)'),
  baseEjectionTime: duration.describe('base_ejection_time (30s when absent)'),
  maxEjectionPercent: wholePercent.describe('max_ejection_percent (10 when absent)'),
  minHealthPercent: wholePercent.describe('healthy_panic_threshold (0, off, when absent)'),
  outlierDetectionHttpErrorCodes: list(named('integer', z.int().min(100).max(599))).describe(
    'outlier_detection.error_matcher of the HTTP options: status codes that are errors',
  ),
});

/** TLS towards a service. */
export const clientTlsSettings = message({
  mode: enumeration(
    ['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'],
    ['ISTIO_MUTUAL'],
    'It needs certificates of workloads, which come with mutual TLS.',
  ).describe('kind of TLS'),
  clientCertificate: string.describe('file with the own certificate'),
  privateKey: string.describe('file with the own key'),
  caCertificates: string.describe(
    'file with the CAs that are trusted; /etc/ssl/certs/ca-certificates.crt when absent',
  ),
  credentialName: string.describe(
    'Secret in the namespace of the proxy, with CAs and, for MUTUAL, the own certificate; for gateways, and for ' +
      'sidecars by rules with a workloadSelector (others have no TLS then, as in Istio)',
  ),
  subjectAltNames: strings.describe('match_typed_subject_alt_names, exact'),
  sni: string.describe('server name sent; auto_sni and auto_san_validation when absent'),
  insecureSkipVerify: bool.describe('trusts any certificate'),
  caCrl: string.describe('file with revoked certificates'),
});

const portTrafficPolicy = message({
  port: message({ number: portOrZero }).describe('port of the service'),
  loadBalancer: loadBalancer.describe('replaces the section of the destination'),
  connectionPool: connectionPool.describe('replaces the section of the destination'),
  outlierDetection: outlierDetection.describe('replaces the section of the destination'),
  tls: clientTlsSettings.describe('replaces the section of the destination'),
});

/** The traffic policy of a host or of a subset. */
export const trafficPolicy = message({
  loadBalancer: loadBalancer.describe('how an endpoint is chosen'),
  connectionPool: connectionPool.describe('circuit_breakers and connection limits'),
  outlierDetection: outlierDetection.describe('outlier_detection; presence turns it on'),
  tls: clientTlsSettings.describe('TLS towards the service'),
  portLevelSettings: list(portTrafficPolicy).describe('sections for single ports'),
  tunnel: message(
    {
      protocol: string.describe('CONNECT (default) or POST'),
      targetHost: string.describe('host asked for'),
      targetPort: port.describe('port asked for'),
    },
    'targetHost',
    'targetPort',
  ).describe('tunneling_config of tcp_proxy'),
  proxyProtocol: message({
    version: enumeration(['V1', 'V2']).describe('form of the header; V1 when absent'),
  }).describe('PROXY header towards the service'),
  retryBudget: message({
    percent: named('number 0-100', z.number().min(0).max(100)).describe(
      'budget_percent (20 when absent)',
    ),
    minRetryConcurrency: uint32.describe('min_retry_concurrency (3 when absent)'),
    budgetInterval: duration.describe('budget_interval; Envoys that do not know it take no notice'),
  }).describe('retry_budget of the circuit breaker'),
});

export type TrafficPolicy = z.output<typeof trafficPolicy>;
export type PortTrafficPolicy = z.output<typeof portTrafficPolicy>;
export type LoadBalancer = z.output<typeof loadBalancer>;
export type ConsistentHash = z.output<typeof consistentHash>;
export type LocalityLbSetting = z.output<typeof localityLbSetting>;
export type ZoneAwareLbSetting = z.output<typeof zoneAwareLbSetting>;
export type ConnectionPool = z.output<typeof connectionPool>;
export type TcpKeepalive = z.output<typeof tcpKeepalive>;
export type OutlierDetection = z.output<typeof outlierDetection>;
export type ClientTlsSettings = z.output<typeof clientTlsSettings>;
