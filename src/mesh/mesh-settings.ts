// MeshConfig with Istio's defaults filled in: the settings that translation reads. One object per generation of
// MeshConfig, the same object while it does not change.
import type { MeshConfigSpec } from '../kinds/mesh-config.js';
import type { Resource } from '../kinds/resource.js';
import type { Destination } from '../kinds/virtual-service.js';
import { memoize } from '../lib/memo.js';

/** What one proxy says of itself (node-settings.ts). */
export interface NodeSettings {
  /** Requests of HTTP/1.0 are served. */
  http10?: true;
  /** How long a TCP connection may be silent where no rule says it. */
  tcpIdleTimeoutMs?: number;
  /** Connections are shared evenly among Envoy's threads. */
  balancedInbound?: true;
  balancedOutbound?: true;
  /** It cannot bind ports below 1024. */
  unprivileged?: true;
}

export interface MeshSettings {
  outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY' | 'ALLOW_ANY_DYNAMIC_DNS';
  /** Where traffic to unknown hosts goes instead of to the address that was called (Sidecar). */
  egressProxy?: Destination;
  /** PASSTHROUGH: inbound clusters go to the address the client called; LOCALHOST: to 127.0.0.1. */
  inboundTrafficPolicy: 'PASSTHROUGH' | 'LOCALHOST';
  proxyListenPort: number;
  proxyInboundListenPort: number;
  connectTimeoutMs: number;
  /** 0 = wait for ever for the first bytes of an undeclared protocol. */
  protocolDetectionTimeoutMs: number;
  dnsRefreshRateMs: number;
  trustDomain: string;
  /** DNS suffix of services, `cluster.local`. */
  domainSuffix: string;
  rootNamespace: string;
  /** exportTo of resources without one. */
  defaultServiceExportTo: readonly string[];
  defaultVirtualServiceExportTo: readonly string[];
  defaultDestinationRuleExportTo: readonly string[];
  /** Of proxies that say something of themselves. */
  node?: NodeSettings;
  /** The user's MeshConfig, for the fields that are used as they stand (tcpKeepalive, accessLog*, retries…). */
  config: MeshConfigSpec;
}

const noConfig: MeshConfigSpec = {};

/** The settings that a MeshConfig makes; those of Istio's defaults (MeshConfig reference) without one. */
export function meshSettings(resource?: Resource): MeshSettings {
  return settingsOf((resource?.spec as MeshConfigSpec | undefined) ?? noConfig);
}

const settingsOf = memoize((config: MeshConfigSpec): MeshSettings => {
  return {
    // REGISTRY_ONLY is the zero value of the message, ALLOW_ANY the default of the field that holds it.
    outboundTrafficPolicy: config.outboundTrafficPolicy
      ? (config.outboundTrafficPolicy.mode ?? 'REGISTRY_ONLY')
      : 'ALLOW_ANY',
    inboundTrafficPolicy: config.inboundTrafficPolicy?.mode ?? 'PASSTHROUGH',
    proxyListenPort: config.proxyListenPort ?? 15001,
    proxyInboundListenPort: config.proxyInboundListenPort ?? 15006,
    connectTimeoutMs: config.connectTimeout ?? 10_000,
    protocolDetectionTimeoutMs: config.protocolDetectionTimeout ?? 0,
    dnsRefreshRateMs: config.dnsRefreshRate ?? 60_000,
    trustDomain: config.trustDomain ?? 'cluster.local',
    domainSuffix: 'cluster.local',
    rootNamespace: config.rootNamespace ?? 'istio-system',
    defaultServiceExportTo: defaultExport(config.defaultServiceExportTo),
    defaultVirtualServiceExportTo: defaultExport(config.defaultVirtualServiceExportTo),
    defaultDestinationRuleExportTo: defaultExport(config.defaultDestinationRuleExportTo),
    config,
  };
});

const everybody: readonly string[] = ['*'];

function defaultExport(exportTo: readonly string[] = everybody): readonly string[] {
  return exportTo.length === 0 ? everybody : exportTo;
}
