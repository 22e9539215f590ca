// The settings of one router: MeshConfig's defaultConfig, what the proxy says of itself (PROXY_CONFIG), and what Envoy
// recommends at the edge.
import { type ProxyDefaults, proxyDefaults } from '../kinds/proxy-defaults.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from './mesh-settings.js';
import type { Proxy as ConnectedProxy } from './proxy.js';

type ConnectionSettings = NonNullable<ProxyDefaults['connectionSettings']>;

/** Limits that clients of good will do not meet (Envoy, "Configuring Envoy as an edge proxy"). */
const edge: ConnectionSettings = {
  listenerPerConnectionBufferLimitBytes: 32_768,
  clusterPerConnectionBufferLimitBytes: 32_768,
  httpIdleTimeout: 3_600_000,
  httpStreamIdleTimeout: 300_000,
  httpRequestHeadersTimeout: 60_000,
  httpMaxConcurrentStreams: 100,
  http2InitialStreamWindowSize: 65_536,
  http2InitialConnectionWindowSize: 1_048_576,
  httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
};

/** What Istio's profile EDGE has besides: long requests and some paths are changed by it. */
const wholeEdge: ConnectionSettings = {
  ...edge,
  httpRequestTimeout: 300_000,
  httpMergeSlashes: true,
  httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
};

/**
 * The settings of a router; the same object for the same settings and PROXY_CONFIG. Fields that are set go before
 * those of a profile (Istio API, ConnectionSettings.profile). Without a profile the limits hold, and nothing that
 * changes requests.
 */
export function routerSettings(
  settings: MeshSettings,
  { metadata }: Pick<ConnectedProxy, 'metadata'>,
): MeshSettings {
  return withProxyConfig(settings, metadata?.['PROXY_CONFIG'] ?? '');
}

const withProxyConfig = memoize((settings: MeshSettings, text: string): MeshSettings => {
  const own = readProxyConfig(text);
  const { defaultConfig = {} } = settings.config;
  const given = { ...defaultConfig.connectionSettings, ...own.connectionSettings };
  const defaults = given.profile === 'EDGE' ? wholeEdge : given.profile === 'SIDECAR' ? {} : edge;
  const gatewayTopology = { ...defaultConfig.gatewayTopology, ...own.gatewayTopology };
  return {
    ...settings,
    config: {
      ...settings.config,
      defaultConfig: {
        ...defaultConfig,
        ...own,
        gatewayTopology,
        connectionSettings: { ...defaults, ...given },
      },
    },
  };
});

/** Of PROXY_CONFIG, what a proxy is told by it; nothing when it is not of the form of ProxyConfig. */
export function readProxyConfig(
  text: string,
): Pick<ProxyDefaults, 'gatewayTopology' | 'connectionSettings' | 'proxyHeaders'> {
  if (text === '') return {};
  const { gatewayTopology, connectionSettings, proxyHeaders } = parse(text) ?? {};
  return {
    ...(gatewayTopology && { gatewayTopology }),
    ...(connectionSettings && { connectionSettings }),
    ...(proxyHeaders && { proxyHeaders }),
  };
}

function parse(text: string): ProxyDefaults | undefined {
  try {
    return proxyDefaults.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
