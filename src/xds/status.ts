// What can be asked of a stream: plain values, safe to keep and to print. How they come about is in stream.ts.

import type { EncodedResource } from '../snapshot/snapshot.js';
import type { XdsIdentity } from './authentication.js';
import type { XdsNode } from './node.js';

/** State-of-the-world or incremental. */
export type Variant = 'sotw' | 'delta';

/** A refused response. `resources`: the ones at fault as far as the client's text tells, else empty. */
export interface Nack {
  readonly message: string;
  readonly version: string;
  readonly at: Date;
  readonly resources: readonly string[];
}

/** A resource that the client, or another one of its release, refused: it is not sent until it changes. */
export interface HeldBackResource {
  readonly name: string;
  /** The version that is held back. */
  readonly version: string;
  /** The version that the client has in its place; absent: none. */
  readonly inForce?: string;
  /** The text of the client that refused it. */
  readonly message: string;
  readonly since: Date;
}

/** One type on one stream. */
export interface TypeStatus {
  readonly typeUrl: string;
  /** '*' for everything, else the names asked for. */
  readonly subscribed: '*' | readonly string[];
  readonly sent?: { readonly version: string; readonly nonce: string; readonly at: Date };
  readonly acked?: { readonly version: string; readonly at: Date };
  /** The last refusal, until a later response is accepted. */
  readonly nack?: Nack;
  /** Absent: nothing. */
  readonly heldBack?: readonly HeldBackResource[];
  /**
   * SYNCED: the client accepted the latest; PENDING: an answer to the latest is awaited, or more is to be sent;
   * REJECTED: the latest was refused; NOT_SENT: nothing was sent yet and nothing is owed.
   */
  readonly state: 'SYNCED' | 'PENDING' | 'REJECTED' | 'NOT_SENT';
}

/** One stream. */
export interface StreamStatus {
  readonly id: number;
  /** Remote address as the transport tells it. */
  readonly peer: string;
  readonly variant: Variant;
  /** False for the service of one type. */
  readonly aggregated: boolean;
  readonly openedAt: Date;
  /** What `authenticate` found. */
  readonly identity?: XdsIdentity;
  readonly node?: XdsNode;
  readonly group?: string;
  readonly types: readonly TypeStatus[];
}

/** One resource on one stream. */
export interface ResourceStatus {
  readonly typeUrl: string;
  readonly name: string;
  /**
   * SYNCED: sent and accepted; STALE: sent, not answered yet; ERROR: refused, as far as the client's text tells, or
   * held back since this client or another one of its release refused it;
   * NOT_SENT: asked for and not sent, as it does not exist or has to wait.
   */
  readonly state: 'SYNCED' | 'NOT_SENT' | 'STALE' | 'ERROR';
  /** What the client has, of an ERROR what is in force; undefined for NOT_SENT, and for bytes of an earlier stream that are gone since. */
  readonly resource: EncodedResource | undefined;
  /** The resource's version; empty for NOT_SENT. */
  readonly version: string;
  /** When it was sent, if it was in the last response of its type. */
  readonly sentAt: Date | undefined;
  /** Of ERROR. */
  readonly nack: Nack | undefined;
}

/** A stream as callbacks see it. */
export interface XdsStream {
  readonly id: number;
  readonly peer: string;
  readonly variant: Variant;
  readonly aggregated: boolean;
  /** What `authenticate` found; undefined where there is none. */
  readonly identity: XdsIdentity | undefined;
  /** Known from the first request on. */
  readonly node: XdsNode | undefined;
  readonly group: string | undefined;
  status(): StreamStatus;
  /** Each resource that the client has or asks for: a list as long as its configuration. */
  resources(): readonly ResourceStatus[];
  /** Ends the stream with UNAVAILABLE and this text. */
  end(reason: string): void;
}
