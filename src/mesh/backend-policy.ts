// A BackendTLSPolicy beside a DestinationRule that a user wrote for the same host: both hold, and where both say
// something the user's rule goes before (as in Istio).
import type { DestinationRule, TrafficPolicy } from './rules.js';

type PortPolicy = NonNullable<TrafficPolicy['portLevelSettings']>[number];

/** Whether the rule stands for a BackendTLSPolicy. */
export function isBackendPolicy({ sources }: DestinationRule): boolean {
  return sources[0]?.kind === 'BackendTLSPolicy';
}

/**
 * A user's policy with what it leaves open taken from a BackendTLSPolicy, for the host and for single ports. Settings
 * of a port replace those of the host whole (effectivePolicy), so each has what the other side says of the host.
 */
export function overBackendPolicy(own: TrafficPolicy, below: TrafficPolicy): TrafficPolicy {
  const ownPorts = own.portLevelSettings ?? [];
  const belowPorts = below.portLevelSettings ?? [];
  const ports = [
    ...ownPorts.map((port) => over(port, { ...ofHost(below), ...portOf(belowPorts, port) })),
    ...belowPorts
      .filter((port) => portOf(ownPorts, port) === undefined)
      .map((port) => over(port, ofHost(own))),
  ];
  return { ...over(own, below), ...(ports.length > 0 && { portLevelSettings: ports }) };
}

/** What of a host's policy settings of a port have, too. */
function ofHost({ connectionPool, loadBalancer, outlierDetection, tls }: TrafficPolicy) {
  return { connectionPool, loadBalancer, outlierDetection, tls };
}

function portOf(ports: readonly PortPolicy[], { port }: PortPolicy): PortPolicy | undefined {
  return ports.find((each) => each.port?.number === port?.number);
}

/** `below` with what `own` really gives. */
function over<Own extends object>(own: Own, below: Partial<Own>): Own {
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  return { ...below, ...Object.fromEntries(given) } as Own;
}
