// Names of statistics by MeshConfig.inboundClusterStatName and outboundClusterStatName: a pattern in place of the
// cluster's own name. The bootstrap's stats_tags cut names at the `;` that names.ts appends.
import type { Service, ServicePort } from '../mesh/service.js';
import { statName } from './names.js';

/** What a pattern can name. */
export interface StatSubject {
  service: Service;
  port: ServicePort;
  subset?: string | undefined;
  /** The workload's port; Istio knows it for inbound clusters only, and writes 0 elsewhere. */
  targetPort?: number;
}

/** alt_stat_name of a cluster: its own name, or what the pattern makes. */
export function clusterStatName(
  clusterName: string,
  pattern: string | undefined,
  subject: StatSubject,
): string {
  return statName(pattern ? filledPattern(pattern, subject) : clusterName);
}

/** A pattern with its placeholders (MeshConfig.inbound_cluster_stat_name) filled in. */
export function filledPattern(pattern: string, subject: StatSubject): string {
  const { service, port, subset = '', targetPort = 0 } = subject;
  const { hostname, name, namespace, registry } = service;
  const isKubernetes = registry === 'kubernetes';
  const values: Readonly<Record<string, string>> = {
    '%SERVICE%': isKubernetes ? `${name}.${namespace}` : hostname,
    '%SERVICE_NAME%': isKubernetes ? name : hostname,
    '%SERVICE_FQDN%': hostname,
    '%SUBSET_NAME%': subset,
    '%TARGET_PORT%': String(targetPort),
    '%SERVICE_PORT%': String(port.number),
    '%SERVICE_PORT_NAME%': port.name,
  };
  return pattern.replaceAll(/%[A-Z_]+%/g, (placeholder) => values[placeholder] ?? placeholder);
}
