// All that one proxy may see: the entire input of translation (DESIGN.md, invariant 2). Parts keep their identity
// while they do not change, whatever else changes: an edit of endpoints leaves `services` the same array, so that
// listeners and routes are not even looked at again.
import type { Endpoint, ServiceEndpoints } from './endpoint.js';
import type { EnvoyFilterPatch } from './envoy-patch.js';
import type { Gateway, ServerTls } from './gateway.js';
import type { MeshSettings } from './mesh-settings.js';
import type { InterceptionMode, ProxyPlace, ProxyType } from './proxy.js';
import type { DestinationRule, TrafficPolicy, VirtualService } from './rules.js';
import type { Secrets } from './secret.js';
import type { Service, ServicePort } from './service.js';
import type { EgressPlace } from './sidecar.js';

/** Files with a proxy's own certificate, its key, and the CAs of the mesh. */
export interface MeshCertificate {
  chain: string;
  key: string;
  root: string;
}

/** What translation may know of the proxy itself. Proxies with equal traits and scopes share one result. */
export interface ProxyTraits {
  type: ProxyType;
  /** A gRPC client or server that speaks xDS itself, without an Envoy; absent: an Envoy. */
  generator?: 'grpc';
  namespace: string;
  /** Only the labels that a rule in the scope asks about (sourceLabels, selectors), so that more proxies share. */
  labels: Readonly<Record<string, string>>;
  interceptionMode: InterceptionMode;
  dnsDomain: string;
  /** Virtual hosts are resources of their own (VHDS) instead of parts of their route configuration. */
  virtualHostDiscovery?: boolean;
  /** DNS queries of the workload come here, so that services may have addresses that only the mesh knows. */
  dnsCapture?: boolean;
  ipv4: boolean;
  ipv6: boolean;
  /** Absent where no rule in the scope asks about it, so that more proxies share. */
  place?: ProxyPlace;
  /** Envoy's version for features that differ; empty = unknown. */
  envoyVersion: string;
  /** Files on the host of a router with the certificate that it has in the mesh; absent: it names none. */
  meshCertificate?: MeshCertificate;
}

type ConnectionPool = NonNullable<TrafficPolicy['connectionPool']>;

/** A service as one client namespace sees it. The same object while service and rule are. */
export interface ServiceView {
  service: Service;
  /** The rule in force for calls from this namespace: client's, then service's, then root namespace. */
  destinationRule?: DestinationRule;
}

/** What the proxy may call. Shared by all proxies that see the same. */
export interface OutboundScope {
  /** Visible services, one per hostname (a namespace's own wins over others'), sorted by hostname. */
  services: readonly ServiceView[];
  /** Visible rules bound to `mesh`, the first of a host counts: private ones, then exported, public; oldest first. */
  virtualServices: readonly VirtualService[];
  /** Endpoints of the visible services (those with resolution other than `none`). */
  endpoints: ReadonlyMap<Service, ServiceEndpoints>;
  /**
   * Of a Sidecar: what is seen at single ports, and (last, without a port) at all others. `services` and
   * `virtualServices` above are then all of them together. Absent: everything is seen at every port.
   */
  listeners?: readonly EgressListener[];
}

/** What clients see at one port, at a Unix socket, or (without either) at all ports that have no listener of their own. */
export interface EgressListener extends EgressPlace {
  services: readonly ServiceView[];
  virtualServices: readonly VirtualService[];
}

/** One port that the workload serves, because a service selects it. */
export interface InboundPort {
  service: Service;
  port: ServicePort;
  /** The workload's port that the client's connection arrives at. */
  targetPort: number;
  /** Where the application listens (Sidecar.ingress defaultEndpoint); an empty address: the one that was called. */
  endpoint?: { unixSocket: string } | { address: string; port: number };
  /** Of Sidecar.ingress; absent where it says nothing special. */
  listener?: InboundListenerSettings;
  /** Limits that a Sidecar sets; those of the service's DestinationRule when absent. */
  connectionPool?: ConnectionPool;
  /** Of Sidecar.ingress: the service that leads to this port as well, whose DestinationRule counts here. */
  selectedBy?: Service;
}

/** How one port is served, where a Sidecar says so. */
export interface InboundListenerSettings {
  /** Where the listener stands if the port is not captured; at the workload's address when absent. */
  bind?: string;
  /** False: a listener of its own is bound; true: a part of what is captured; by the mode of interception when absent. */
  captured?: boolean;
  tls?: ServerTls;
}

/** What the proxy serves, sorted by target port, then age of the service: the first of a port counts. */
export interface InboundScope {
  ports: readonly InboundPort[];
  /** The workload's own addresses (listeners of INTERCEPTION_MODE NONE bind to them; inbound clusters). */
  ips: readonly string[];
  /** Endpoints of the first service that the workload is one of; for proxies that ask for their peers. */
  peers?: readonly Endpoint[];
  /** Limits that a Sidecar sets for all ports that it does not list. */
  connectionPool?: ConnectionPool;
}

/** A port that servers of Gateways name, and the one that the listener has. */
export interface GatewayPort {
  port: number;
  listenerPort: number;
}

/** What a router serves. Shared by all routers that serve the same. */
export interface GatewayScope {
  /** Oldest first: the servers of an older one count before those of a younger. */
  gateways: readonly Gateway[];
  /** Sorted by port. */
  ports: readonly GatewayPort[];
  /** Visible rules bound to one of the Gateways, oldest first. */
  virtualServices: readonly VirtualService[];
}

export interface ProxyView {
  /** Equal keys = equal views within one mesh; for logs and for sharing. */
  key: string;
  proxy: ProxyTraits;
  settings: MeshSettings;
  outbound: OutboundScope;
  inbound: InboundScope;
  /** Of routers only. */
  gateway?: GatewayScope;
  /** Secrets of the proxy's namespace; absent for proxies that have no use for any. */
  secrets?: Secrets;
  /** Patches in the order of application; absent when there are none. */
  envoyFilters?: readonly EnvoyFilterPatch[];
}
