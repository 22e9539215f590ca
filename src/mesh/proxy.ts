// The proxies that connect, in the mesh's words: parsed from Envoy's node (DESIGN.md, Proxy identity). What
// translation may know of a proxy is the smaller ProxyTraits in proxy-view.ts.

/** `sidecar` serves one workload, `router` is a gateway. */
export type ProxyType = 'sidecar' | 'router';

/** How traffic reaches the sidecar: captured by iptables, or sent to explicit ports (NONE). */
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

/** region/zone/subzone, as Envoy's node.locality and Istio's `locality` strings have them; empty when unknown. */
export interface Locality {
  region: string;
  zone: string;
  subzone: string;
}

/** Where a client is. Proxies at equal places are sent the same endpoints. */
export interface ProxyPlace {
  locality: Locality;
  /** Of the labels that some failoverPriority names, those that the proxy has. */
  labels: Readonly<Record<string, string>>;
}

/** One connected proxy. */
export interface Proxy {
  /** node.id, as sent. */
  id: string;
  type: ProxyType;
  name: string;
  namespace: string;
  labels: Readonly<Record<string, string>>;
  /** The workload's own addresses, first the primary one. */
  ips: readonly string[];
  locality: Locality;
  network: string;
  clusterId: string;
  serviceAccount: string;
  workloadName: string;
  /** e.g. `default.svc.cluster.local`: what short names are relative to. */
  dnsDomain: string;
  interceptionMode: InterceptionMode;
  /** The proxy takes virtual hosts as resources of their own (VHDS). */
  virtualHostDiscovery: boolean;
  /** `grpc` for proxyless gRPC clients. */
  generator: string;
  /** The WorkloadGroup that it is registered in; empty: none. */
  workloadGroup: string;
  /** Who runs the probe of that group: its Envoy (over HDS), or Istio's agent beside it; absent: nobody. */
  healthFrom?: 'envoy' | 'agent';
  /** Its bootstrap has a cluster of the workload's own peers. */
  localCluster?: boolean;
  /** DNS queries of its workload come to its listener on 15053. */
  dnsCapture: boolean;
  /** node.cluster, as sent. */
  cluster: string;
  /** The service that a node not of Istio's form says it serves (node.cluster); empty for others. */
  service: string;
  /** Envoy's version, e.g. `1.40.0`; empty when it did not say. */
  envoyVersion: string;
  /** ISTIO_VERSION of the metadata; absent when it did not say. */
  istioVersion?: string;
  /** The metadata with a string as value, which EnvoyFilters may ask about; absent when there is none. */
  metadata?: Readonly<Record<string, string>>;
}

/** The part of Envoy's node that a proxy is parsed from (xds/node.ts gives this shape). */
export interface ProxyNode {
  id: string;
  cluster: string;
  metadata: Readonly<Record<string, unknown>>;
  locality?: { region?: string; zone?: string; sub_zone?: string };
  version?: string;
}
