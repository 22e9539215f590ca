// Limits of connections and requests: DestinationRule connectionPool as circuit breakers and socket options. What of
// it is HTTP protocol options is in http-protocol-options.ts.
import type { CircuitBreakers } from '../envoy/gen/types/envoy/config/cluster/v3/CircuitBreakers.js';
import type { UpstreamConnectionOptions } from '../envoy/gen/types/envoy/config/cluster/v3/UpstreamConnectionOptions.js';
import type { TcpKeepalive } from '../envoy/gen/types/envoy/config/core/v3/TcpKeepalive.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { toDuration } from './duration.js';
import type { ConnectionPool, RetryBudget } from './traffic-policy.js';

/** No limit: Istio's default for every threshold, where Envoy's would be 1024 (3 for retries). */
const unlimited = 2 ** 32 - 1;

/**
 * The thresholds of a cluster. A limit of 0 counts as not given, as in Istio. One object for the clusters of a rule's
 * subsets, and for all without limits.
 */
export function circuitBreakers(
  pool: ConnectionPool | undefined,
  retryBudget?: RetryBudget,
): CircuitBreakers {
  return pool === undefined && retryBudget === undefined ? noLimits : limits(pool, retryBudget);
}

const limits = memoize(
  (pool: ConnectionPool | undefined, retryBudget: RetryBudget | undefined): CircuitBreakers => ({
    thresholds: [
      {
        max_connections: { value: pool?.tcp?.maxConnections || unlimited },
        max_pending_requests: { value: pool?.http?.http1MaxPendingRequests || unlimited },
        max_requests: { value: pool?.http?.http2MaxRequests || unlimited },
        max_retries: { value: pool?.http?.maxRetries || unlimited },
        track_remaining: true,
        ...(retryBudget && {
          retry_budget: {
            budget_percent: { value: retryBudget.percent ?? 20 },
            min_retry_concurrency: { value: retryBudget.minRetryConcurrency || 3 },
            ...(retryBudget.budgetInterval !== undefined && {
              budget_interval: toDuration(retryBudget.budgetInterval),
            }),
          },
        }),
      },
    ],
  }),
);

const noLimits = limits(undefined, undefined);

/**
 * Keepalive of upstream connections: the mesh's, overridden value by value by the rule's. An empty keepalive turns
 * it on with the system's own values; undefined leaves it off. Envoy takes whole seconds.
 */
export function upstreamConnectionOptions(
  pool: ConnectionPool | undefined,
  settings: MeshSettings,
): UpstreamConnectionOptions | undefined {
  const levels = [settings.config.tcpKeepalive, pool?.tcp?.tcpKeepalive];
  if (levels.every((level) => level === undefined)) return undefined;
  const keepalive: TcpKeepalive = {};
  for (const level of levels) {
    if (level?.probes) keepalive.keepalive_probes = { value: level.probes };
    if (level?.time !== undefined) keepalive.keepalive_time = { value: wholeSeconds(level.time) };
    if (level?.interval !== undefined) {
      keepalive.keepalive_interval = { value: wholeSeconds(level.interval) };
    }
  }
  return { tcp_keepalive: keepalive };
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
