// What clients of the health discovery service (HDS, envoy.service.health.v3) say, on the wire: who they are, read
// without decoding the node (61 kB from Envoy), and how the endpoints are that they check. What that means is for others.
import protobuf from 'protobufjs/light.js';
import { decode } from './codec.js';

/** How one endpoint is. */
export interface CheckedEndpoint {
  /** The cluster that it was to be checked as; empty in the old form, which has no clusters. */
  readonly cluster: string;
  /** The IP address; the path of a Unix socket, whose port is 0. */
  readonly address: string;
  readonly port: number;
  /** Envoy says UNHEALTHY of endpoints that it has not checked yet, too. */
  readonly status: HealthStatus;
}

/** As Envoy's core.v3.HealthStatus. */
export type HealthStatus = (typeof statuses)[number];

const statuses = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const;

/** A message of a client: bytes of the Node, or what it found. */
export type HealthMessage =
  | { readonly node: Uint8Array | undefined }
  | { readonly endpoints: readonly CheckedEndpoint[] };

const RESPONSE = 'envoy.service.health.v3.EndpointHealthResponse';
/** Fields of HealthCheckRequestOrEndpointHealthResponse, and of HealthCheckRequest, all length-delimited. */
const REQUEST_FIELD = 1;
const RESPONSE_FIELD = 2;
const NODE_FIELD = 1;

/** Reads a message. Throws on bytes that are none. An empty one is a report of nothing, as Envoy sends it. */
export function readHealthMessage(bytes: Uint8Array): HealthMessage {
  const request = lastField(bytes, REQUEST_FIELD);
  if (request !== undefined) return { node: lastField(request, NODE_FIELD) };
  const report = lastField(bytes, RESPONSE_FIELD);
  return { endpoints: report === undefined ? [] : readReport(report) };
}

function lastField(bytes: Uint8Array, number: number): Uint8Array | undefined {
  const reader = protobuf.Reader.create(bytes);
  let found: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === ((number << 3) | 2)) found = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return found;
}

interface EndpointHealth {
  endpoint?: {
    address?: {
      socket_address?: { address: string; port_value?: number } | null;
      pipe?: { path: string } | null;
    } | null;
  } | null;
  health_status: number;
}

interface Report {
  endpoints_health: EndpointHealth[];
  cluster_endpoints_health: {
    cluster_name: string;
    locality_endpoints_health: { endpoints_health: EndpointHealth[] }[];
  }[];
}

/** By cluster; the flat list that Envoy sends beside is the same again, and counts where there is nothing else. */
function readReport(bytes: Uint8Array): CheckedEndpoint[] {
  const report = decode<Report>(RESPONSE, bytes);
  if (report.cluster_endpoints_health.length === 0) {
    return report.endpoints_health.map((each) => checkedEndpoint('', each));
  }
  return report.cluster_endpoints_health.flatMap(({ cluster_name, locality_endpoints_health }) =>
    locality_endpoints_health
      .flatMap(({ endpoints_health }) => endpoints_health)
      .map((each) => checkedEndpoint(cluster_name, each)),
  );
}

function checkedEndpoint(
  cluster: string,
  { endpoint, health_status }: EndpointHealth,
): CheckedEndpoint {
  const { socket_address, pipe } = endpoint?.address ?? {};
  return {
    cluster,
    address: socket_address?.address ?? pipe?.path ?? '',
    port: socket_address?.port_value ?? 0,
    status: statuses[health_status] ?? 'UNKNOWN',
  };
}
