// MeshConfig with Istio's defaults filled in: the settings that translation reads. One object per generation of
// MeshConfig, the same object while it does not change.
import type { MeshConfigSpec } from '../kinds/mesh-config.js';
import type { Visibility } from './service.js';

export interface MeshSettings {
  outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
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
  defaultServiceVisibility: '*' | '.' | '~';
  defaultVirtualServiceVisibility: '*' | '.' | '~';
  defaultDestinationRuleVisibility: '*' | '.' | '~';
  /** The user's MeshConfig, for the fields that are used as they stand (tcpKeepalive, accessLog*, retries…). */
  config: MeshConfigSpec;
}

/** Resolved `exportTo` default. */
export type DefaultVisibility = Visibility;
