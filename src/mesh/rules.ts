// VirtualServices and DestinationRules as the mesh keeps them: the user's spec with every host resolved to its
// fully qualified form (short names resolve in the rule's own namespace) and visibility decided. Translation reads
// these types from here and so never imports kinds.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { ResourceId } from '../kinds/problem.js';
import type { Age } from '../kinds/resource.js';
import type { VirtualServiceSpec } from '../kinds/virtual-service.js';
import type { Visibility } from './service.js';

export type { Problem, ResourceId } from '../kinds/problem.js';

type WrittenHttpRule = NonNullable<VirtualServiceSpec['http']>[number];
type WrittenHttpMatch = NonNullable<WrittenHttpRule['match']>[number];

/** A match, with what only routes of the Gateway API ask for. */
export interface HttpMatch extends WrittenHttpMatch {
  /** Whole elements of the path, without a slash at the end: `/a` is `/a/b`, and not `/ab`. Instead of `uri`. */
  pathPrefix?: string;
  /** Requests of a share: up to so many of a million. A request has the same place in all rules. */
  share?: number;
}

/** A cookie that keeps the requests of a session at one backend. Without `ttlMs` it ends with the client. */
export interface SessionCookie {
  name: string;
  path: string;
  ttlMs?: number;
}

/**
 * One entry of `spec.http`; destination hosts are fully qualified. Durations are in ms. What only routes of the
 * Gateway API ask for (gateway-api/) is here too, and not in what users write as a VirtualService.
 */
export interface HttpRule extends Omit<WrittenHttpRule, 'match' | 'redirect'> {
  match?: HttpMatch[] | undefined;
  redirect?:
    | (NonNullable<WrittenHttpRule['redirect']> & {
        uriRegexRewrite?: { match: string; rewrite: string };
      })
    | undefined;
  /** Of the Gateway API: a destination without a host, or that does not exist, is answered with 500 and not 503. */
  gatewayApi?: boolean;
  /** Requests of a session go to one endpoint. */
  session?: { cookie: SessionCookie } | { header: string };
}
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

type WrittenTrafficPolicy = NonNullable<DestinationRuleSpec['trafficPolicy']>;

/** TLS to a service. `caText` are the CAs as PEM text: of a BackendTLSPolicy, which refers to a ConfigMap. */
export type ClientTls = NonNullable<WrittenTrafficPolicy['tls']> & { caText?: string };

export type TrafficPolicy = Omit<WrittenTrafficPolicy, 'tls'> & { tls?: ClientTls | undefined };
export type Subset = NonNullable<DestinationRuleSpec['subsets']>[number];

/** The effective rule for one host as seen from one client namespace: look-up and merge of subsets are done. */
export interface DestinationRule {
  /** The rules it was made of, the winning one first. */
  sources: readonly ResourceId[];
  /** Fully qualified or a wildcard. */
  host: string;
  trafficPolicy?: TrafficPolicy;
  subsets: readonly Subset[];
  /** It is for some workloads of its namespace only (workloadSelector). */
  selectsWorkloads?: boolean;
}
