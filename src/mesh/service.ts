// A host of the registry, from whatever kind it came: v1 Service or a host of a ServiceEntry. Endpoints are kept
// apart (endpoint.ts), so that their changes leave the service the same object.

import type { ResourceId } from '../kinds/problem.js';
import type { Age } from '../kinds/resource.js';

/** Istio's protocol names. `Auto` is an undeclared protocol, to be sniffed. */
export type Protocol =
  | 'HTTP'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPC-Web'
  | 'HTTPS'
  | 'TLS'
  | 'TCP'
  | 'Mongo'
  | 'Redis'
  | 'MySQL'
  | 'UDP'
  | 'Auto';

export interface ServicePort {
  number: number;
  name: string;
  protocol: Protocol;
  /** The workload's port: a number, or a name that endpoints resolve; the same number when absent. */
  targetPort?: number | string;
}

/**
 * How Envoy finds the endpoints: `static` = EDS, `dns` = STRICT_DNS, `dns-round-robin` = LOGICAL_DNS,
 * `none` = ORIGINAL_DST (ServiceEntry resolution NONE), `dynamic-dns` = the name that each request or connection is for.
 */
export type Resolution = 'static' | 'dns' | 'dns-round-robin' | 'dynamic-dns' | 'none';

/** Who may see something (exportTo, resolved): `'*'` all, else these namespaces; none at all for `~`. */
export type Visibility = '*' | ReadonlySet<string>;

export interface Service {
  /** Fully qualified, e.g. `backend.default.svc.cluster.local`; a ServiceEntry host may be a wildcard. */
  hostname: string;
  namespace: string;
  /** metadata.name for a v1 Service, the host for a ServiceEntry. */
  name: string;
  registry: 'kubernetes' | 'external';
  /** Virtual addresses: IPs, or CIDRs from a ServiceEntry. Empty when there is none (then listeners are 0.0.0.0). */
  addresses: readonly string[];
  /** Addresses of the mesh's own for a service without any; for proxies with DNS capture only. First IPv4, then IPv6. */
  autoAddresses?: readonly string[];
  /** clusterIP None. */
  headless: boolean;
  ports: readonly ServicePort[];
  resolution: Resolution;
  /** ServiceEntry location MESH_EXTERNAL. */
  meshExternal: boolean;
  /** Labels that select its workloads, all of the namespace when there are none; absent: endpoints are given by hand. */
  selector?: Readonly<Record<string, string>>;
  /** endpoints count as ready whatever they say (v1 Service publishNotReadyAddresses). */
  publishNotReady?: boolean;
  /** Endpoints near the client are preferred (v1 Service trafficDistribution). */
  trafficDistribution?: 'PreferSameZone' | 'PreferSameNode';
  /** Target of a v1 Service of type ExternalName that no service of the mesh has: the one DNS endpoint. */
  externalName?: string;
  /** Hosts of v1 Services of type ExternalName that stand for this one; domains of its virtual hosts, as in Istio. */
  aliases?: readonly string[];
  /** Connections to all addresses of the name are raced, of both families (ServiceEntry, `istio.io/connect-strategy`). */
  racesAddresses?: true;
  /** Names that the certificate of its servers may have (ServiceEntry subjectAltNames). */
  subjectAltNames?: readonly string[];
  visibility: Visibility;
  labels: Readonly<Record<string, string>>;
  age: Age;
  /** The resource it was made from. */
  source: ResourceId;
}
