// What the control plane can be asked: the questions, and the shapes of the answers. control-plane.ts implements
// this; admin serves it; the CLI prints it. Plain data only, ready for JSON.
import type { Position, ResourceId, Severity } from '../kinds/problem.js';

/** A resource in force, with the place it was read from. */
export interface ResourceStatus extends ResourceId {
  apiVersion: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  /** metadata.generation and metadata.creationTimestamp, where they were given. */
  generation?: number;
  creationTimestampMs?: number;
  position?: Position;
  /** As it is written, but that values of Secrets are left out. */
  spec: unknown;
  /**
   * Of kinds of the Gateway API: what Kubernetes' API has there. Of Istio's Gateway: `{ servers: GatewayServerStatus[] }`.
   * Of a WorkloadEntry that is probed: the condition `Healthy`, as Istio writes it.
   */
  status?: object;
  /** node.id of the sidecar that registered itself as this WorkloadEntry; nobody wrote it. */
  registeredBy?: string;
}

/** One server of a Gateway at the routers that are connected. */
export interface GatewayServerStatus {
  name?: string;
  port: { number: number; name: string; protocol: string };
  bind?: string;
  hosts: readonly string[];
  state: 'served' | 'pending' | 'refused' | 'no-router';
  /** Why it is refused. */
  reason?: string;
  /** The port of the listener, which the gateway's Service may map the server's port to. */
  listenerPort?: number;
  /** `name.namespace` of the routers that it is for. */
  routers: readonly string[];
}

/** A problem as shown: the path as text, the position where it is known. */
export interface ProblemStatus {
  code: string;
  /** The code that Istio has for the same, such as IST0101. */
  istio?: string;
  severity: Severity;
  message: string;
  resource?: ResourceId;
  path?: string;
  position?: Position;
  /** The proxy concerned, for problems that only one has (a NACK). */
  proxy?: string;
  /** The proxies that refused a resource which is held back. */
  proxies?: readonly string[];
}

/**
 * Where a proxy stands with one type: `SYNCED` it holds what it should; `STALE` sent, not yet acknowledged;
 * `NOT SENT` nothing sent yet; `HELD` it holds what it should but for the resources in `heldBack`; `ERROR` the last
 * response was refused as a whole.
 */
export type SyncState = 'SYNCED' | 'STALE' | 'NOT SENT' | 'HELD' | 'ERROR';

/** An Envoy resource that this proxy or another one of its release refused: held back until it changes. */
export interface HeldResource {
  name: string;
  /** The version that is held back, and the one in force in its place; absent: there is none. */
  version: string;
  inForce?: string;
  /** Envoy's own words. */
  message: string;
  /** The user's resources that it was made of, with their places. */
  causes: readonly (ResourceId & { position?: Position })[];
}

export interface Nack {
  /** Envoy's own words. */
  message: string;
  timeMs: number;
  /** The Envoy resources at fault, as far as Envoy's message names them. */
  resources: readonly string[];
  /** The user's resources that those were made of, with their places. */
  causes: readonly (ResourceId & { position?: Position })[];
}

export interface TypeStatus {
  state: SyncState;
  /** Version last sent and last acknowledged on this stream; empty when none. */
  sentVersion: string;
  ackedVersion: string;
  /** Epoch ms of the last response and the last ACK. */
  sentMs?: number;
  ackedMs?: number;
  /** How many resources the type has for this proxy. */
  resources: number;
  lastNack?: Nack;
  heldBack?: readonly HeldResource[];
}

export interface ProxyStatus {
  id: string;
  name: string;
  namespace: string;
  type: string;
  address: string;
  /** Who it proved to be, where that is asked for. */
  identity?: string;
  envoyVersion: string;
  variant: 'sotw' | 'delta';
  connectedMs: number;
  /** Proxies with equal view keys are served the same objects. */
  view: string;
  /** By short name: CDS, LDS, EDS, RDS, … */
  types: Readonly<Record<string, TypeStatus>>;
}

/** A proxy's generated configuration: canonical ProtoJSON by type, in the order sent. */
export interface ProxyConfiguration {
  clusters: unknown[];
  endpoints: unknown[];
  listeners: unknown[];
  routes: unknown[];
}

export interface GenerationStatus {
  id: number;
  timeMs: number;
  added: readonly string[];
  updated: readonly string[];
  removed: readonly string[];
}

/** Filters of a list of resources; absent means all. */
export interface ResourceFilter {
  kind?: string;
  namespace?: string;
  name?: string;
}

/** The questions. All answers are snapshots of one moment. */
export interface ControlPlaneState {
  /** True once the first full read is served. */
  ready(): boolean;
  resources(filter: ResourceFilter): ResourceStatus[];
  problems(): ProblemStatus[];
  proxies(): ProxyStatus[];
  /** By id, or by `name.namespace` or `name` where that is unambiguous. */
  proxy(id: string): ProxyStatus | undefined;
  proxyConfiguration(id: string): ProxyConfiguration | undefined;
  generations(): GenerationStatus[];
}
