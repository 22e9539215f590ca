// Settings that one proxy says of itself in the metadata of its node, as Istio's agents do (ISTIO_META_…, and
// PROXY_CONFIG of a sidecar; that of a router is in router-settings.ts). Most proxies say nothing of the kind.
import { parseDurationMs } from '../lib/duration.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings, NodeSettings } from './mesh-settings.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import { readProxyConfig } from './router-settings.js';

/** What counts of the metadata. */
interface Said {
  node: NodeSettings;
  idleTimeoutMs?: number;
  httpProxyPort?: number;
  config: Pick<ReturnType<typeof readProxyConfig>, 'connectionSettings' | 'proxyHeaders'>;
}

/** What a proxy says of itself, as a text that is equal for proxies that say the same; empty: nothing. */
export function nodeSettingsOf({ type, metadata }: ConnectedProxy): string {
  return metadata === undefined ? '' : textOf(metadata, type === 'sidecar');
}

const textOf = memoize(
  (metadata: Readonly<Record<string, string>>, withConfig: boolean): string => {
    const said = read(metadata, withConfig ? metadata['PROXY_CONFIG'] : undefined);
    const text = JSON.stringify(said);
    return text === nothing ? '' : text;
  },
);

const nothing = JSON.stringify({ node: {}, config: {} } satisfies Said);

function read(metadata: Readonly<Record<string, string>>, proxyConfig = ''): Said {
  const idle = parseDurationMs(metadata['IDLE_TIMEOUT'] ?? '');
  const port = Number(metadata['HTTP_PROXY_PORT'] ?? '');
  const { connectionSettings, proxyHeaders } = readProxyConfig(proxyConfig);
  const isTrue = (key: string) => metadata[key] === 'true' || metadata[key] === '1';
  return {
    node: {
      ...(metadata['HTTP10'] === '1' && { http10: true }),
      ...(idle !== undefined && { tcpIdleTimeoutMs: idle }),
      ...(isTrue('INBOUND_LISTENER_EXACT_BALANCE') && { balancedInbound: true }),
      ...(isTrue('OUTBOUND_LISTENER_EXACT_BALANCE') && { balancedOutbound: true }),
      ...(isTrue('UNPRIVILEGED_POD') && { unprivileged: true }),
    },
    ...(idle !== undefined && { idleTimeoutMs: idle }),
    ...(Number.isInteger(port) && port > 0 && port <= 65_535 && { httpProxyPort: port }),
    config: {
      ...(connectionSettings && { connectionSettings }),
      ...(proxyHeaders && { proxyHeaders }),
    },
  };
}

/** The settings for proxies that say this of themselves (`nodeSettingsOf`). */
export function withNodeSettings(settings: MeshSettings, text: string): MeshSettings {
  return text === '' ? settings : applied(settings, text);
}

const applied = memoize((settings: MeshSettings, text: string): MeshSettings => {
  const { node, idleTimeoutMs, httpProxyPort, config } = JSON.parse(text) as Said;
  const { defaultConfig } = settings.config;
  const connectionSettings = {
    ...(idleTimeoutMs !== undefined && { httpIdleTimeout: idleTimeoutMs }),
    ...defaultConfig?.connectionSettings,
    ...config.connectionSettings,
  };
  return {
    ...settings,
    node,
    config: {
      ...settings.config,
      ...(httpProxyPort !== undefined && { proxyHttpPort: httpProxyPort }),
      defaultConfig: {
        ...defaultConfig,
        ...config,
        ...(Object.keys(connectionSettings).length > 0 && { connectionSettings }),
      },
    },
  };
});
