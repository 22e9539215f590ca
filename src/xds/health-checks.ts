// Health checks that clients run and tell of (HDS, envoy.service.health.v3): what the embedding program is asked and told.
// Bytes go to clients as they are given; one stream is health-connection.ts.
import type { CheckedEndpoint } from '../envoy/health-message.js';
import type { XdsIdentity } from './authentication.js';
import type { XdsNode } from './node.js';

export type { CheckedEndpoint, HealthStatus } from '../envoy/health-message.js';

/** The service's name. */
export const healthDiscoveryService = 'envoy.service.health.v3.HealthDiscoveryService';

/** A client that runs health checks. Its node passed `authorize` as that of a discovery stream does. */
export interface HealthCheckStream {
  readonly peer: string;
  /** What `authenticate` found; undefined where there is none. */
  readonly identity: XdsIdentity | undefined;
  /** Known from the first message on. */
  readonly node: XdsNode | undefined;
  /** Says what to check: an encoded HealthCheckSpecifier. One equal to the last is not sent. */
  send(specifier: Buffer): void;
  /** Ends the stream with UNAVAILABLE and this text. */
  end(reason: string): void;
}

/** Calls into the embedding program. An exception in one ends that stream with INTERNAL and nothing else. */
export interface HealthChecks {
  /** It told who it is: the place to `send`, or to refuse with an exception (PERMISSION_DENIED and its message). */
  onNode(stream: HealthCheckStream, node: XdsNode): void | Promise<void>;
  /** What it found. Envoy tells it at each `interval` of the specifier, changed or not, the same array while it is the same. */
  onReport(stream: HealthCheckStream, endpoints: readonly CheckedEndpoint[]): void;
  /** Of a stream for which onNode was called. */
  onClosed(stream: HealthCheckStream): void;
}
