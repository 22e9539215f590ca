// One type on one stream as the stream keeps it: the state of the protocol (subscription.ts), with the marks, times and
// answers that the push order and the status need. What is done with them is in stream.ts.
import { Heartbeats } from './heartbeat.js';
import type { HeldBackResource, Nack, TypeStatus } from './status.js';
import { newTypeState, type TypeState } from './subscription.js';
import type { TypeRule } from './type-rules.js';

/** A type on a stream. */
export interface Line {
  readonly state: TypeState;
  /** Something may have to be sent. */
  dirty: boolean;
  /** Stamps of the push order: at the last response, and at the last one that was answered or given up. */
  sentStamp: number;
  confirmedStamp: number;
  /** Position of the last response among all of the stream. */
  position: number;
  sentAt: number;
  /** The last response was not answered for so long that a newer one need not wait for that. */
  overdue: boolean;
  acked: { version: string; at: Date } | undefined;
  nack: Nack | undefined;
  /** The last response was refused and nothing was sent since. */
  rejected: boolean;
  readonly heartbeats: Heartbeats;
}

/** Before the first request. `place`: among the types of the stream. */
export function newLine(rule: TypeRule, place: number): Line {
  return {
    state: newTypeState(rule, place),
    dirty: false,
    sentStamp: 0,
    confirmedStamp: 0,
    position: 0,
    sentAt: 0,
    overdue: false,
    acked: undefined,
    nack: undefined,
    rejected: false,
    heartbeats: new Heartbeats(),
  };
}

/** An answer is awaited before anything else of the type is sent. */
export function isWaiting({ state, overdue }: Line): boolean {
  return state.inFlight && !overdue;
}

/** The line as the status shows it. */
export function statusOf(line: Line, heldBack: readonly HeldBackResource[]): TypeStatus {
  const { state } = line;
  return {
    typeUrl: state.typeUrl,
    subscribed: state.wildcard ? '*' : state.names.sorted,
    ...(state.responses > 0 && {
      sent: { version: state.lastVersion, nonce: state.nonce, at: new Date(line.sentAt) },
    }),
    ...(line.acked && { acked: line.acked }),
    ...(line.nack && { nack: line.nack }),
    ...(heldBack.length > 0 && { heldBack }),
    state: progressOf(line),
  };
}

function progressOf({ state, dirty, rejected }: Line): TypeStatus['state'] {
  if (rejected) return 'REJECTED';
  if (state.inFlight || dirty) return 'PENDING';
  return state.responses === 0 && state.sent === undefined ? 'NOT_SENT' : 'SYNCED';
}
