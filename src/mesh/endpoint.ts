// Where a service's traffic can go. Made from WorkloadEntry, EndpointSlice, Endpoints and ServiceEntry.endpoints.
import type { Locality } from './proxy.js';
import type { ServicePort } from './service.js';

/** One address for one port of one service. */
export interface Endpoint {
  /** IPv4, IPv6, a DNS name (dns resolutions), or a path when `unixSocket`. */
  address: string;
  /** The workload's port; 0 for unix sockets. */
  port: number;
  unixSocket: boolean;
  labels: Readonly<Record<string, string>>;
  locality: Locality;
  /** Load-balancing weight; 0 = not given (counts as 1). */
  weight: number;
  /** False is sent as UNHEALTHY (Istio's current default), never simply left out. */
  healthy: boolean;
  network: string;
  namespace: string;
  serviceAccount: string;
  workloadName: string;
  /** What EndpointSlices and Endpoints call it, as `db-0` of a StatefulSet: a name below that of a headless service. */
  hostname: string;
}

/** A service's endpoints by port number; lists are in a stable order and keep identity while equal. */
export interface ServiceEndpoints {
  byPort: ReadonlyMap<ServicePort['number'], readonly Endpoint[]>;
}
