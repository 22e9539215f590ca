// What the embedding program gives to createXdsServer, and what it gets when it gives nothing.
import type { EncodedResource } from '../snapshot/snapshot.js';
import type { Authenticate, Authorize, AuthorizeClientStatus } from './authentication.js';
import type { HealthChecks } from './health-checks.js';
import type { XdsNode } from './node.js';
import type { HeldBack, ReleaseReason } from './quarantine.js';
import type { XdsCache } from './snapshot-cache.js';
import type { UnknownNamed } from './stand-in.js';
import type { XdsStream } from './status.js';
import type { TypeRule } from './type-rules.js';

export type { UnknownNamed } from './stand-in.js';

/** Calls into the embedding program. An exception in one ends that stream with INTERNAL and nothing else. */
export interface XdsCallbacks {
  /** A stream of a client that was authenticated, before its first request. */
  onStreamOpen?(stream: XdsStream): void;
  /**
   * The first request told who it is. Called before the first answer, which waits for the returned promise (as long
   * as `times.firstRequestMs` allows): the place to set the snapshot of the group, or to refuse with an exception
   * (PERMISSION_DENIED and its message).
   */
  onNode?(stream: XdsStream, node: XdsNode): void | Promise<void>;
  onStreamClosed?(stream: XdsStream): void;
  onRequest?(stream: XdsStream, typeUrl: string): void;
  onResponse?(stream: XdsStream, typeUrl: string, sent: SentResponse): void;
  onAck?(stream: XdsStream, typeUrl: string, version: string): void;
  onNack?(stream: XdsStream, typeUrl: string, nack: NackEvent): void;
  /**
   * The client is or has an agent that told how its workload is (a request of type istio.v1.HealthInformation): `error`
   * says why it is not well. Told when it changes, and again on each stream.
   */
  onHealthInformation?(stream: XdsStream, error: string | undefined): void;
  /** A resource that a client refused is held back from now on, alone. */
  onHeldBack?(held: HeldBack): void;
  /**
   * A resource that a client refused has no last good version: what may be sent in its place, best first, such as the
   * same without a part that is not vital. Each is tried until one is accepted; nothing is sent when there is none.
   */
  substitutes?(refused: RefusedResource): readonly EncodedResource[];
  /** It is not any more: it changed, a client accepted it, or nobody is to have it. */
  onReleased?(held: HeldBack, reason: ReleaseReason): void;
}

/** A version of a resource that a client (the node's id) refused, and its text. */
export interface RefusedResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
  readonly message: string;
  readonly node: string;
}

/** A response that was written: how many resources it has, and its size on the wire. */
export interface SentResponse {
  readonly version: string;
  readonly resources: number;
  readonly bytes: number;
}

/** A refused response. `resourceNames`: guessed from the client's text; empty when it names none. */
export interface NackEvent {
  readonly version: string;
  readonly message: string;
  readonly resourceNames: readonly string[];
  /** Parts of the response are sent again to find out which resource is at fault; else it waits for a change. */
  readonly searching: boolean;
}

/**
 * Bounds on what clients may do. A stream that asks for more ends with RESOURCE_EXHAUSTED; one for which the server
 * has no room now is refused with UNAVAILABLE, which clients try again.
 */
export interface XdsLimits {
  /** Bytes of one request. */
  requestBytesMax: number;
  /** Bytes of a node; Envoy's is 61 kB. */
  nodeBytesMax: number;
  /** Bytes of a resource's name in a request. */
  nameBytesMax: number;
  /** Names that one stream may subscribe to, of one type. */
  namesMax: number;
  /** Types on one stream. */
  typesMax: number;
  /** Open streams of the server. */
  streamsMax: number;
  /** Open and queued streams of one address. Clients behind one NAT are one address. */
  streamsPerPeerMax: number;
  /** Streams whose first request has not come; when there are more, those go that were silent for longest. */
  silentStreamsMax: number;
  /** New streams that are served each second, and as many at once after a quiet second; 0: no limit. */
  newStreamsPerSecond: number;
  /** Streams that may wait for that; they wait unread, at most `times.admissionWaitMs`. */
  queuedStreamsMax: number;
  /** Bytes of memory that responses under way to clients may hold together; what streams share counts once. */
  unsentBytesMax: number;
}

/** Times in milliseconds. */
export interface XdsTimes {
  /** How long a step of a push waits for its ACK before the next one starts all the same. */
  stepWaitMs: number;
  /** How long an unanswered response keeps a newer one of its type back. Longer than Envoy's warming (15 s). */
  answerWaitMs: number;
  /** HTTP/2 ping to clients, and how long its answer may take. */
  pingMs: number;
  pingTimeoutMs: number;
  /** Age at which a connection is asked to reconnect, ± 10 %; 0: never. */
  connectionAgeMs: number;
  /** After that, streams that are still there are ended. */
  connectionGraceMs: number;
  /** A connection without streams is closed after this; pings do not keep it. */
  idleConnectionMs: number;
  /** A stream is ended after this if there was no first request, or `authorize` and `onNode` have not answered. */
  firstRequestMs: number;
  /** How long a new stream may wait to be served, see `limits.newStreamsPerSecond`. */
  admissionWaitMs: number;
  /** A client that takes nothing of what waits for it for so long loses its stream (RESOURCE_EXHAUSTED). */
  stallMs: number;
  /** The same while others wait for the memory of responses, see `limits.unsentBytesMax`. */
  stallWhenFullMs: number;
  /** The bound of close(). */
  closeMs: number;
}

/** A gRPC status code and a text, or undefined for nothing to say. */
export type ResourceErrors = (
  stream: XdsStream,
  typeUrl: string,
  name: string,
) => { readonly code: number; readonly message: string } | undefined;

export interface XdsServerOptions {
  readonly cache: XdsCache;
  /** Which group a node is served from; default its id. Called after onNode. */
  readonly groupOf?: (node: XdsNode, stream: XdsStream) => string;
  /** Who opens a stream; absent: anybody may, without an identity. */
  readonly authenticate?: Authenticate;
  /** Whether an identity may be the node that it says it is. */
  readonly authorize?: Authorize;
  /**
   * The client status service (CSDS), which shows everybody's configuration but for secrets: a function that refuses
   * by an exception, or whether it is served to all who may open streams. Default: true without `authenticate`.
   */
  readonly clientStatus?: boolean | AuthorizeClientStatus;
  readonly callbacks?: XdsCallbacks;
  /** Health checks that clients run (HDS); absent: the service is not there. */
  readonly healthChecks?: HealthChecks;
  /**
   * Whether a refused resource is found and held back alone (default), its last good version being served in its
   * place; else a refused response as a whole waits until its content changes.
   */
  readonly holdBack?: boolean;
  /** 'wait' (default), 'empty' (an empty EDS or RDS resource), or a function of your own. */
  readonly unknownNamed?: 'wait' | 'empty' | UnknownNamed;
  /**
   * Where resources with a TTL are kept alive: 'delta' (default), 'all' (in SotW too, wrapped in a Resource, but never
   * for endpoints: only for clients other than Envoy, which loses listeners so, xds-protocol 41), or 'none'.
   */
  readonly ttl?: 'delta' | 'all' | 'none';
  /**
   * Tells a client at once why a name that it asks for is not there (`resource_errors`; gRFC A88, xDS TP3). Envoy
   * takes no notice; there is no client feature for it. Default: nothing is told.
   */
  readonly resourceErrors?: ResourceErrors;
  /** Rules of further types, or others than Envoy's for known ones. Types without a rule are served too. */
  readonly types?: readonly TypeRule[];
  readonly limits?: Partial<XdsLimits>;
  readonly times?: Partial<XdsTimes>;
  /** Put into `control_plane.identifier` of each response; nothing when absent. */
  readonly identifier?: string;
}

export const defaultLimits: XdsLimits = {
  requestBytesMax: 8 * 1024 * 1024,
  nodeBytesMax: 1024 * 1024,
  nameBytesMax: 8 * 1024,
  namesMax: 100_000,
  typesMax: 64,
  streamsMax: 20_000,
  streamsPerPeerMax: 5_000,
  silentStreamsMax: 1_000,
  newStreamsPerSecond: 1_000,
  queuedStreamsMax: 10_000,
  unsentBytesMax: 128 * 1024 * 1024,
};

export const defaultTimes: XdsTimes = {
  stepWaitMs: 5_000,
  answerWaitMs: 20_000,
  pingMs: 30_000,
  pingTimeoutMs: 10_000,
  connectionAgeMs: 30 * 60_000,
  connectionGraceMs: 10_000,
  idleConnectionMs: 5 * 60_000,
  firstRequestMs: 60_000,
  admissionWaitMs: 10_000,
  stallMs: 90_000,
  stallWhenFullMs: 5_000,
  closeMs: 3_000,
};
