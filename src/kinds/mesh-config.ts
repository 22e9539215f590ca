// MeshConfig, the settings of the whole mesh. Its largest parts are in proxy-defaults.ts (defaultConfig) and
// extension-providers.ts; the rules that need more than one field are in mesh-config-check.ts.
import type { z } from 'zod';
import { extensionProvider } from './extension-providers.js';
import { noEffect, notImplemented } from './field.js';
import { proxyDefaults } from './proxy-defaults.js';
import { enumeration, list, message } from './schema.js';
import {
  clientTlsSettings,
  connectionPool,
  localityLbSetting,
  outlierDetection,
  tcpKeepalive,
  zoneAwareLbSetting,
} from './traffic-policy.js';
import { bool, duration, labelSelector, port, portOrZero, string, strings } from './values.js';
import { httpRetry } from './virtual-service.js';

const ingress = 'fairlead does not read Kubernetes Ingress.';
const agent = 'The agent of Istio reads it, not the control plane.';

const oneCluster = 'There is one cluster, to which every service belongs.';

const tlsParameters = message({
  minProtocolVersion: enumeration(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']),
  ecdhCurves: strings,
  cipherSuites: strings,
});

const visibility = enumeration(['VISIBILITY_UNSPECIFIED', 'NONE', 'NAMESPACE', 'PUBLIC']);

const serviceEntryVisibility = message({
  defaultVisibility: visibility.describe('where no policy matches'),
  applyToSidecars: bool.describe('without it nothing here has an effect on sidecars and gateways'),
  policies: list(
    message({
      visibility: visibility.describe('nobody, the own namespace, or whom exportTo says'),
      matchingRules: list(
        message({ namespaceSelector: labelSelector.describe('labels of the Namespace') }),
      ).describe('all of them must match'),
    }),
  ).describe('the first that matches counts'),
});

/** Listeners, policies and defaults that fairlead acts on. */
const traffic = {
  proxyListenPort: port.describe('port of the listener virtualOutbound (15001)'),
  proxyInboundListenPort: port.describe('port of the listener virtualInbound (15006)'),
  connectTimeout: duration.describe('connect_timeout of clusters (10s)'),
  protocolDetectionTimeout: duration.describe('listener_filters_timeout (0: wait for ever)'),
  tcpKeepalive: tcpKeepalive.describe('TCP keepalive towards services'),
  outboundTrafficPolicy: message({
    mode: enumeration(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS']).describe(
      'traffic to unknown hosts passes (ALLOW_ANY, default), is refused, or passes with the host of HTTP requests ' +
        'looked up by the sidecar (ALLOW_ANY_DYNAMIC_DNS)',
    ),
    tls: clientTlsSettings
      .extend({
        credentialName: noEffect(
          string,
          'Sidecars use Secrets by DestinationRules with a workloadSelector only; name files here.',
        ).optional(),
      })
      .describe('TLS towards unknown hosts, with ALLOW_ANY_DYNAMIC_DNS'),
  }).describe('traffic to hosts that the mesh does not know'),
  inboundTrafficPolicy: message({
    mode: enumeration(['PASSTHROUGH', 'LOCALHOST']).describe(
      'the application is called at its own address (default) or at 127.0.0.1',
    ),
  }).describe('how a sidecar calls its application'),
  defaultServiceExportTo: strings.describe('exportTo of Services and ServiceEntries without one'),
  defaultVirtualServiceExportTo: strings.describe('exportTo of VirtualServices without one'),
  defaultDestinationRuleExportTo: strings.describe('exportTo of DestinationRules without one'),
  serviceEntryVisibility: serviceEntryVisibility.describe(
    'how far ServiceEntries of a namespace are seen, whatever their exportTo',
  ),
  rootNamespace: string.describe('namespace whose rules hold for the mesh (istio-system)'),
  dnsRefreshRate: duration.describe('dns_refresh_rate of DNS clusters (60s)'),
  h2UpgradePolicy: enumeration(['DO_NOT_UPGRADE', 'UPGRADE']).describe(
    'HTTP/2 between sidecars on plain HTTP ports',
  ),
  pathNormalization: message({
    normalization: enumeration([
      'DEFAULT',
      'NONE',
      'BASE',
      'MERGE_SLASHES',
      'DECODE_AND_MERGE_SLASHES',
    ]).describe('normalize_path, merge_slashes and escaped slashes'),
  }).describe('how paths are normalised before they are matched'),
  defaultHttpRetryPolicy: httpRetry.describe('retries of routes without a policy (2 attempts)'),
  defaultInboundHttpRetryPolicy: httpRetry.describe(
    'retries of sidecars towards their application: attempts, retryOn and backoff',
  ),
  defaultTrafficPolicy: message({
    connectionPool: connectionPool.describe('where a DestinationRule has no connectionPool'),
    outlierDetection: outlierDetection.describe('where a DestinationRule has no outlierDetection'),
  }).describe('below the rules of all hosts'),
  localityLbSetting: localityLbSetting.describe('where a DestinationRule has none'),
  zoneAwareLbSetting: zoneAwareLbSetting.describe('where a DestinationRule has none'),
  trustDomain: string.describe('trust domain of identities (cluster.local)'),
  proxyHttpPort: portOrZero.describe('port of an HTTP proxy at 127.0.0.1, for `http_proxy`'),
  inboundClusterStatName: string.describe('alt_stat_name of inbound clusters: a pattern'),
  outboundClusterStatName: string.describe('alt_stat_name of outbound clusters: a pattern'),
  disableEnvoyListenerLog: bool.describe('no log of connections that no filter chain takes'),
  accessLogFile: string.describe('file of the access log, such as /dev/stdout; empty: none'),
  accessLogFormat: string.describe('format of the access log'),
  accessLogEncoding: enumeration(['TEXT', 'JSON']).describe('text lines (default) or JSON'),
};

const identities = 'Mutual TLS between sidecars is not there yet.';
const telemetry = 'Traces, and metrics and logs by services of their own, are not there yet.';

/** What fairlead accepts and does not act on yet. */
const pending = {
  enableTracing: notImplemented(bool.describe('tracing by defaultConfig.tracing'), telemetry),
  enableEnvoyAccessLogService: notImplemented(
    bool.describe('access log by gRPC'),
    'Access logs go to a file (accessLogFile).',
  ),
  enableAutoMtls: notImplemented(
    bool.describe('TLS between sidecars without a DestinationRule'),
    identities,
  ),
  trustDomainAliases: notImplemented(
    strings.describe('other names of the trust domain'),
    identities,
  ),
  caCertificates: notImplemented(
    list(
      message({
        pem: string,
        spiffeBundleUrl: string,
        certSigners: strings,
        trustDomains: strings,
      }),
    ).describe('further trusted roots'),
    identities,
  ),
  ca: notImplemented(
    message({
      address: string,
      tlsSettings: clientTlsSettings,
      requestTimeout: duration,
      istiodSide: bool,
    }).describe('certificate authority outside'),
    identities,
  ),
  extensionProviders: notImplemented(
    list(extensionProvider).describe('services for authorization, traces, metrics and logs'),
    'AuthorizationPolicy and Telemetry, which name them, are not there yet.',
  ),
  defaultProviders: notImplemented(
    message({ tracing: strings, metrics: strings, accessLogging: strings }).describe(
      'extensionProviders used by default',
    ),
    telemetry,
  ),
  meshMTLS: notImplemented(tlsParameters.describe('TLS parameters between sidecars'), identities),
  tlsDefaults: message({
    minProtocolVersion: enumeration(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']).describe(
      'tls_minimum_protocol_version of TLS that proxies terminate, unless a port says it',
    ),
    ecdhCurves: strings.describe('ecdh_curves'),
    cipherSuites: strings.describe('cipher_suites'),
  }).describe('parameters of TLS towards services'),
  defaultConfig: proxyDefaults.describe('settings of every proxy'),
};

/** What fairlead ignores for good. */
const ignored = {
  ingressClass: noEffect(string, ingress),
  ingressService: noEffect(string, ingress),
  ingressSelector: noEffect(string, ingress),
  ingressControllerMode: noEffect(
    enumeration(['UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT']),
    ingress,
  ),
  configSources: noEffect(
    list(
      message({
        address: string,
        tlsSettings: clientTlsSettings,
        subscribedResources: list(enumeration(['SERVICE_REGISTRY'])),
      }),
    ),
    'The command line says where resources are read.',
  ),
  hboneIdleTimeout: noEffect(duration, 'Sidecars do not speak HBONE; ambient mode does.'),
  serviceSettings: noEffect(
    list(message({ settings: message({ clusterLocal: bool }), hosts: strings })),
    oneCluster,
  ),
  serviceScopeConfigs: noEffect(
    list(
      message({
        namespaceSelector: labelSelector,
        servicesSelector: labelSelector,
        scope: enumeration(['LOCAL', 'GLOBAL']),
      }),
    ),
    oneCluster,
  ),
  discoverySelectors: noEffect(list(labelSelector), 'What is in the directory is the mesh.'),
  enablePrometheusMerge: noEffect(bool, agent),
  verifyCertificateAtClient: noEffect(bool, 'Istio has given it up.'),
  certificates: noEffect(
    list(message({ secretName: string, dnsNames: strings })),
    'Istio has given it up.',
  ),
};

/** Opening of the page in docs/kinds/. */
export const meshConfigDoc = [
  'The settings of the whole mesh. In the directory it is a document of `kind: MeshConfig`',
  '(apiVersion `mesh.istio.io/v1alpha1`, which may be left out, as may metadata) with the fields',
  'below `spec`, or the ConfigMap `istio` in `istio-system` of Istio with the fields in `data.mesh`;',
  'or a plain file given with `--mesh-config`.',
].join('\n');

/** The fields of MeshConfig. */
export const meshConfigSpec = message({ ...traffic, ...pending, ...ignored });

export type MeshConfigSpec = z.output<typeof meshConfigSpec>;
