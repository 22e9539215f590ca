// A probe as what Envoy is told to check (HDS, HealthCheckSpecifier). Envoy reports to the control plane; nothing of this is
// in clusters. What Envoy does with it was tried with 1.36.4 and 1.40.0 (docs/decisions/0012).
import type { HealthCheck } from '../envoy/gen/types/envoy/config/core/v3/HealthCheck.js';
import type { HealthCheckSpecifier } from '../envoy/gen/types/envoy/service/health/v3/HealthCheckSpecifier.js';
import { memoize } from '../lib/memo.js';
import type { Probe, ProbeMethod } from '../mesh/probe.js';
import { any } from './any.js';
import { toDuration } from './duration.js';
import { PROBE_CLUSTER } from './names.js';

/** How often Envoy tells what it found, in ms. */
export const PROBE_REPORT_MS = 1000;

const interval = toDuration(PROBE_REPORT_MS);

/** Nothing to check, and as good as nothing to tell. */
const nothing: HealthCheckSpecifier = { interval: toDuration(3_600_000) };

/** What an Envoy is to check for a probe; the same object for the same probe. */
export function healthCheckSpecifier(probe: Probe | undefined): HealthCheckSpecifier {
  return probe === undefined ? nothing : specifierOf(probe);
}

const specifierOf = memoize((probe: Probe): HealthCheckSpecifier => {
  const { method, address, port } = probe;
  const tls = method.kind === 'http' && method.tls;
  return {
    interval,
    cluster_health_checks: [
      {
        // The same whatever is checked: Envoy keeps what it knows of an address in it.
        cluster_name: PROBE_CLUSTER,
        health_checks: [healthCheck(probe)],
        locality_endpoints: [
          { endpoints: [{ address: { socket_address: { address, port_value: port } } }] },
        ],
        ...(tls && { transport_socket_matches: [tlsMatch] }),
      },
    ],
  };
});

function healthCheck(probe: Probe): HealthCheck {
  const { method, timeoutS, periodS, successThreshold, failureThreshold } = probe;
  const period = toDuration(periodS * 1000);
  return {
    timeout: toDuration(timeoutS * 1000),
    interval: period,
    // Nobody calls through this cluster, for which Envoy would ask once a minute.
    no_traffic_interval: period,
    no_traffic_healthy_interval: period,
    healthy_threshold: { value: successThreshold },
    unhealthy_threshold: { value: failureThreshold },
    // As Istio's agent: whoever takes no new connection is not well.
    reuse_connection: { value: false },
    ...checkerOf(method),
  };
}

function checkerOf(method: ProbeMethod): HealthCheck {
  switch (method.kind) {
    case 'tcp':
      return { tcp_health_check: {} };
    case 'grpc':
      return grpcCheck(method);
    default:
      return httpCheck(method);
  }
}

function httpCheck({ authority, path, tls, headers }: ProbeMethod & { kind: 'http' }): HealthCheck {
  return {
    http_health_check: {
      host: authority,
      path,
      expected_statuses: [{ start: 200, end: 400 }],
      // Without this any other status counts at once, whatever the threshold.
      retriable_statuses: [{ start: 100, end: 600 }],
      ...(headers.length > 0 && {
        request_headers_to_add: headers.map(({ name, value }) => ({
          // Nothing in it is a variable.
          header: { key: name, value: value.replaceAll('%', '%%') },
          append_action:
            name.toLowerCase() === 'user-agent'
              ? 'OVERWRITE_IF_EXISTS_OR_ADD'
              : 'APPEND_IF_EXISTS_OR_ADD',
        })),
      }),
    },
    ...(tls && { transport_socket_match_criteria: tlsCriteria }),
  };
}

/** A HealthCheckResponse that says SERVING, with the length before it. */
const serving = '00000000020801';

/**
 * grpc.health.v1.Health/Check written out: Envoy has a health check for gRPC, but only for clusters of HTTP/2, which
 * those of HDS are not.
 */
function grpcCheck({ authority, service }: ProbeMethod & { kind: 'grpc' }): HealthCheck {
  return {
    http_health_check: {
      host: authority,
      path: '/grpc.health.v1.Health/Check',
      method: 'POST',
      codec_client_type: 'HTTP2',
      send: { text: checkRequest(service).toString('hex') },
      receive: [{ text: serving }],
      retriable_statuses: [{ start: 100, end: 600 }],
      request_headers_to_add: [
        { header: { key: 'content-type', value: 'application/grpc' } },
        { header: { key: 'te', value: 'trailers' } },
      ],
    },
  };
}

/** A HealthCheckRequest (field 1 is the service), with gRPC's flag and length before it. */
function checkRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([lengthDelimited(name.length), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function lengthDelimited(length: number): Buffer {
  const bytes = [0x0a];
  let rest = length;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

const tlsCriteria = { fields: { tls: { boolValue: true } } };

/** Of whatever certificate, as the kubelet and Istio's agent take it: it is a probe of the machine itself. */
const tlsMatch = {
  name: 'tls',
  match: tlsCriteria,
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: {},
    }),
  },
};
