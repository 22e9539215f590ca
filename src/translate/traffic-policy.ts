// Which sections of traffic policy hold for one port and subset: MeshConfig below the rule, the rule's port level
// settings, then the subset's. What the sections become in Envoy is in the files named after them.
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { DestinationRule, Subset, TrafficPolicy } from '../mesh/rules.js';

export type ConnectionPool = NonNullable<TrafficPolicy['connectionPool']>;
export type LoadBalancer = NonNullable<TrafficPolicy['loadBalancer']>;
export type OutlierDetection = NonNullable<TrafficPolicy['outlierDetection']>;
export type RetryBudget = NonNullable<TrafficPolicy['retryBudget']>;

/** The sections in force for one cluster; an absent one means Istio's defaults. */
export type EffectivePolicy = Omit<TrafficPolicy, 'portLevelSettings'>;

/**
 * The policy for a port of a host, or for one of its subsets. A port level setting replaces the whole policy of its
 * level: sections that it leaves out are the defaults, not those of the destination (DestinationRule,
 * TrafficPolicy.port_level_settings). A subset replaces section by section.
 */
export function effectivePolicy(
  rule: DestinationRule | undefined,
  port: number,
  options: { settings: MeshSettings; subset?: Subset },
): EffectivePolicy {
  const host = withMeshDefaults(ofPort(rule?.trafficPolicy, port).policy, options.settings);
  if (options.subset === undefined) return host;
  const own = ofPort(options.subset.trafficPolicy, port);
  return own.portLevel ? { ...host, ...cleared, ...own.policy } : { ...host, ...own.policy };
}

/** The sections that port level settings have; set to undefined where the port's settings do not give them. */
const cleared = {
  connectionPool: undefined,
  outlierDetection: undefined,
  loadBalancer: undefined,
  tls: undefined,
} as const;

function ofPort(
  policy: TrafficPolicy | undefined,
  port: number,
): { policy: EffectivePolicy; portLevel: boolean } {
  if (policy === undefined) return { policy: {}, portLevel: false };
  const { portLevelSettings, ...destination } = policy;
  const own = portLevelSettings?.find((setting) => setting.port?.number === port);
  if (own === undefined) return { policy: withoutAbsent(destination), portLevel: false };
  const { port: _, ...sections } = own;
  return { policy: withoutAbsent(sections), portLevel: true };
}

/** MeshConfig.defaultTrafficPolicy gives the sections that the rule leaves out. */
function withMeshDefaults(policy: EffectivePolicy, settings: MeshSettings): EffectivePolicy {
  const defaults = settings.config.defaultTrafficPolicy;
  return defaults === undefined ? policy : { ...withoutAbsent(defaults), ...policy };
}

function withoutAbsent<T extends object>(policy: T): T {
  return Object.fromEntries(
    Object.entries(policy).filter(([, section]) => section !== undefined),
  ) as T;
}
