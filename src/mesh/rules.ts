// VirtualServices and DestinationRules as the mesh keeps them: the user's spec with every host resolved to its
// fully qualified form (short names resolve in the rule's own namespace) and visibility decided. Translation reads
// these types from here and so never imports kinds.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { ResourceId } from '../kinds/problem.js';
import type { Age } from '../kinds/resource.js';
import type { VirtualServiceSpec } from '../kinds/virtual-service.js';
import type { Visibility } from './service.js';

export type { Problem, ResourceId } from '../kinds/problem.js';

/** One entry of `spec.http`; destination hosts are fully qualified. Durations are in ms. */
export type HttpRule = NonNullable<VirtualServiceSpec['http']>[number];
export type HttpMatch = NonNullable<HttpRule['match']>[number];
export type HttpRouteDestination = NonNullable<HttpRule['route']>[number];
/** One entry of `spec.tcp`; destination hosts are fully qualified. */
export type TcpRule = NonNullable<VirtualServiceSpec['tcp']>[number];
/** One entry of `spec.tls`; destination hosts are fully qualified. */
export type TlsRule = NonNullable<VirtualServiceSpec['tls']>[number];

export interface VirtualService {
  source: ResourceId;
  age: Age;
  /** Fully qualified, or wildcards. */
  hosts: readonly string[];
  /** `mesh` and/or `namespace/name`; `['mesh']` when the user gave none. */
  gateways: readonly string[];
  visibility: Visibility;
  http: readonly HttpRule[];
  /** The rules that some of `http` come from, by delegation. */
  delegates?: readonly ResourceId[];
  tcp: readonly TcpRule[];
  tls: readonly TlsRule[];
}

export type TrafficPolicy = NonNullable<DestinationRuleSpec['trafficPolicy']>;
export type Subset = NonNullable<DestinationRuleSpec['subsets']>[number];

/** The effective rule for one host as seen from one client namespace: look-up and merge of subsets are done. */
export interface DestinationRule {
  /** The rules it was made of, the winning one first. */
  sources: readonly ResourceId[];
  /** Fully qualified or a wildcard. */
  host: string;
  trafficPolicy?: TrafficPolicy;
  subsets: readonly Subset[];
}
