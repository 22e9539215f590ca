// ProxyConfig, the message behind `defaultConfig` of MeshConfig. Most of it is read by Istio's agent when it
// starts Envoy; those fields have no effect in a control plane. (The ProxyConfig kind is another, smaller one.)
import { z } from 'zod';
import { noEffect, notImplemented } from './field.js';
import { enumeration, list, map, message, named } from './schema.js';
import { clientTlsSettings, tcpKeepalive } from './traffic-policy.js';
import {
  bool,
  double,
  duration,
  int32,
  port,
  string,
  stringMap,
  strings,
  uint32,
} from './values.js';

const agent = 'The bootstrap or the agent of the proxy decides it, not the control plane.';
const telemetry = 'Traces are not there yet.';
const gone = 'Istio has given it up.';
const notRead = 'Istio checks it and does not act on it either.';
const int64 = named('integer', z.int());

const remoteService = message({ address: string, tlsSettings: clientTlsSettings, tcpKeepalive });

const tracing = message({
  zipkin: message({ address: string }),
  lightstep: message({ address: string, accessToken: string }),
  datadog: message({ address: string }),
  stackdriver: message({
    debug: bool,
    maxNumberOfAttributes: int64,
    maxNumberOfAnnotations: int64,
    maxNumberOfMessageEvents: int64,
  }),
  openCensusAgent: message({
    address: string,
    context: list(
      enumeration(['UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3']),
    ),
  }),
  customTags: map(
    message({
      literal: message({ value: string }),
      environment: message({ name: string, defaultValue: string }),
      header: message({ name: string, defaultValue: string }),
    }),
  ),
  maxPathTagLength: uint32,
  sampling: double,
  tlsSettings: clientTlsSettings,
  enableIstioTags: bool,
});

const readinessProbe = message({
  initialDelaySeconds: int32,
  timeoutSeconds: int32,
  periodSeconds: int32,
  successThreshold: int32,
  failureThreshold: int32,
  httpGet: message({
    path: string,
    port,
    host: string,
    scheme: string,
    httpHeaders: list(message({ name: string, value: string })),
  }),
  tcpSocket: message({ host: string, port }),
  exec: message({ command: strings }),
  grpc: message({ port, service: string }),
});

const clientCertDetails = enumeration([
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
]);

const offload = message({ pollDelay: duration, fallback: bool });

const proxyHeaders = message({
  forwardedClientCert: clientCertDetails.describe('forward_client_cert_details, inbound'),
  setCurrentClientCertDetails: message({
    subject: bool,
    cert: bool,
    chain: bool,
    dns: bool,
    uri: bool,
  }).describe('set_current_client_cert_details'),
  requestId: message({ disabled: bool }).describe('generate_request_id'),
  server: message({ disabled: bool, value: string }).describe('server_name; off: PASS_THROUGH'),
  attemptCount: message({ disabled: bool }).describe('include_request_attempt_count'),
  envoyDebugHeaders: message({ disabled: bool }).describe('suppress_envoy_headers of the router'),
  metadataExchangeHeaders: noEffect(
    message({ mode: enumeration(['UNDEFINED', 'IN_MESH']) }),
    'Stock Envoy has no filters that exchange metadata, so no such headers are added.',
  ),
  preserveHttp1HeaderCase: bool.describe(
    'header names of HTTP/1.1 as client and server wrote them (preserve_case)',
  ),
  xForwardedHost: message({ enabled: bool }).describe('append_x_forwarded_host'),
  xForwardedPort: message({ enabled: bool }).describe('append_x_forwarded_port'),
});

const connectionSettings = message({
  profile: enumeration(['SIDECAR', 'EDGE']).describe('defaults of gateways for what follows'),
  listenerPerConnectionBufferLimitBytes: int32.describe('of gateways only'),
  clusterPerConnectionBufferLimitBytes: int32.describe('of gateways only'),
  httpIdleTimeout: duration,
  httpMaxConnectionDuration: duration,
  httpDrainTimeout: duration,
  httpRequestTimeout: duration,
  httpRequestHeadersTimeout: duration,
  httpStreamIdleTimeout: duration,
  httpMaxStreamDuration: duration,
  httpMaxConcurrentStreams: int32,
  http2InitialStreamWindowSize: int32,
  http2InitialConnectionWindowSize: int32,
  httpHeadersWithUnderscoresAction: enumeration([
    'HEADERS_WITH_UNDERSCORES_UNSPECIFIED',
    'HEADERS_WITH_UNDERSCORES_ALLOW',
    'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
    'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
  ]),
  httpMergeSlashes: bool,
  httpPathWithEscapedSlashesAction: enumeration([
    'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED',
    'KEEP_UNCHANGED',
    'REJECT_REQUEST',
    'UNESCAPE_AND_REDIRECT',
    'UNESCAPE_AND_FORWARD',
  ]),
  listenerConnectionLimit: noEffect(int32, notRead),
  globalDownstreamConnectionLimit: noEffect(int32, agent),
});

/** The fields of MeshConfig's defaultConfig. */
export const proxyDefaults = message({
  tracing: notImplemented(tracing.describe('tracing of HTTP requests'), telemetry),
  gatewayTopology: message({
    numTrustedProxies: uint32.describe('xff_num_trusted_hops'),
    forwardClientCertDetails: clientCertDetails.describe('forward_client_cert_details'),
    proxyProtocol: message({}).describe('PROXY header from the client'),
  }).describe('what stands before the gateways'),
  tracingServiceName: notImplemented(
    enumeration([
      'APP_LABEL_AND_NAMESPACE',
      'CANONICAL_NAME_ONLY',
      'CANONICAL_NAME_AND_NAMESPACE',
    ]).describe('name of the service in traces'),
    telemetry,
  ),
  interceptionMode: noEffect(
    enumeration(['REDIRECT', 'TPROXY', 'NONE']),
    'The proxy says it in its metadata (INTERCEPTION_MODE).',
  ),
  envoyAccessLogService: notImplemented(
    remoteService.describe('access log by gRPC'),
    'Access logs go to a file (accessLogFile).',
  ),
  privateKeyProvider: noEffect(
    message({ cryptomb: offload, qat: offload }),
    'Stock Envoy is built without providers for such hardware.',
  ),
  proxyHeaders: proxyHeaders.describe('headers that proxies add'),
  connectionSettings: connectionSettings.describe('limits of connections from clients'),
  meshId: noEffect(string, 'It tells meshes apart that are joined; fairlead runs one mesh.'),
  caCertificatesPem: notImplemented(
    strings.describe('further trusted roots'),
    'Mutual TLS between sidecars is not there yet.',
  ),
  configPath: noEffect(string, agent),
  binaryPath: noEffect(string, agent),
  serviceCluster: noEffect(string, agent),
  drainDuration: noEffect(duration, agent),
  discoveryAddress: noEffect(string, agent),
  statsdUdpAddress: noEffect(string, agent),
  proxyAdminPort: noEffect(port, agent),
  controlPlaneAuthPolicy: noEffect(enumeration(['NONE', 'MUTUAL_TLS', 'INHERIT']), agent),
  customConfigFile: noEffect(string, agent),
  statNameLength: noEffect(int32, agent),
  concurrency: noEffect(int32, agent),
  proxyBootstrapTemplatePath: noEffect(string, agent),
  envoyMetricsService: noEffect(remoteService, agent),
  proxyMetadata: noEffect(stringMap, agent),
  runtimeValues: noEffect(stringMap, agent),
  statusPort: noEffect(int32, agent),
  extraStatTags: noEffect(strings, agent),
  terminationDrainDuration: noEffect(duration, agent),
  readinessProbe: noEffect(readinessProbe, agent),
  proxyStatsMatcher: noEffect(
    message({ inclusionPrefixes: strings, inclusionSuffixes: strings, inclusionRegexps: strings }),
    agent,
  ),
  holdApplicationUntilProxyStarts: noEffect(bool, agent),
  image: noEffect(message({ imageType: string }), agent),
  fileFlushInterval: noEffect(duration, agent),
  fileFlushMinSizeKb: noEffect(uint32, agent),
  statsCompression: noEffect(bool, agent),
  discoveryRefreshDelay: noEffect(duration, gone),
  zipkinAddress: noEffect(string, gone),
  envoyMetricsServiceAddress: noEffect(string, gone),
  availabilityZone: noEffect(string, gone),
  sds: noEffect(message({ enabled: bool, k8sSaJwtPath: string }), gone),
});

export type ProxyDefaults = z.output<typeof proxyDefaults>;
