// What the server knows of one type on one stream: what the client asked for, what it was brought to, what it said
// to that. Shared by both variants; sotw.ts and delta.ts change it by their rules. No sockets, no clock.
import type { ResourceError } from '../envoy/discovery-response.js';
import { memoize } from '../lib/memo.js';
import { isHeldOnly } from '../snapshot/held.js';
import { noResources, type ResourceList } from '../snapshot/resource-list.js';
import { selectNames } from '../snapshot/select.js';
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import type { Search } from './bisect.js';
import { resourcesAtFault } from './nack.js';
import { type NameSet, nameSet, noNames } from './name-set.js';
import type { UnknownNamed } from './stand-in.js';
import type { TypeRule } from './type-rules.js';
import type { VersionAliases } from './version-aliases.js';

/** One type on one stream. */
export interface TypeState {
  readonly typeUrl: string;
  readonly rule: TypeRule;
  /** Among the types of the stream: tells their nonces apart. */
  readonly place: number;
  /** A request for the type was seen on this stream. */
  opened: boolean;
  /** Everything is asked for: by the legacy form or by '*' (xDS "How the client specifies what resources to return"). */
  wildcard: boolean;
  /** A name (or '*') was asked for on this stream: an empty list no longer means everything. */
  everNamed: boolean;
  /** Names asked for, without '*'. */
  names: NameSet;
  /** SotW: the version that the first request of the stream came with, until it was looked at. */
  claimed: string;
  /** What the client has when it accepts the last response: one reference, shared with streams in step. */
  sent: TypeSnapshot | undefined;
  /** What the client accepted last: `sent` once that is accepted; undefined before the first. */
  accepted: TypeSnapshot | undefined;
  /** SotW: the client came with a version of which nothing is known, and has not accepted anything since. */
  acceptedUnknown: boolean;
  /** Names to be answered whatever the client has. */
  owed: Set<string>;
  /** An answer is owed even if there is nothing in it. */
  answerOwed: boolean;
  /**
   * Names in a refused response that were not at fault, or may not have been: the client may have dropped them too.
   * They go along with the next change of content, never alone (no NACK loop), unless `search` says otherwise.
   */
  uncertain: Set<string>;
  /** The culprits of a refused response are looked for: parts of it are sent again (hold-back.ts). */
  search: Search | undefined;
  /** Version of all resources of the type at the last response. */
  targetVersion: string;
  /**
   * Names whose cluster (EDS) was sent anew since they were: Envoy waits for them even if they are unchanged, and
   * asks for them or not (xDS "Resource warming").
   */
  warming: Set<string>;
  /** Number of responses; the nonce is made of it. */
  responses: number;
  nonce: string;
  /** The last response was neither accepted nor refused yet. */
  inFlight: boolean;
  lastVersion: string;
  lastResources: ResourceList;
  lastRemoved: readonly string[];
  /** Names that were in the last response because they were owed, not because they had changed. */
  lastOwed: ReadonlySet<string>;
}

/** Before the first request. */
export function newTypeState(rule: TypeRule, place: number): TypeState {
  return {
    typeUrl: rule.typeUrl,
    rule,
    place,
    opened: false,
    wildcard: false,
    everNamed: false,
    names: noNames,
    claimed: '',
    sent: undefined,
    accepted: undefined,
    acceptedUnknown: false,
    owed: new Set(),
    answerOwed: false,
    uncertain: new Set(),
    search: undefined,
    targetVersion: '',
    warming: new Set(),
    responses: 0,
    nonce: '',
    inFlight: false,
    lastVersion: '',
    lastResources: noResources,
    lastRemoved: [],
    lastOwed: noNames.names,
  };
}

/** What a request was, once it has been taken in. */
export interface Received {
  readonly kind: 'first' | 'ack' | 'nack' | 'stale' | 'repeat' | 'subscribe';
  /** Of an ACK or NACK: the version that it is about. */
  readonly version: string;
  readonly message: string;
}

/** A response to be sent. What is in it is shared between streams: never change it. */
export interface Outgoing {
  readonly version: string;
  readonly resources: ResourceList;
  readonly removed: readonly string[];
  /** Why names that are owed an answer are not there. */
  readonly errors?: readonly ResourceError[];
}

/** Settings of the server that both variants need. */
export interface RespondOptions {
  readonly unknownNamed: UnknownNamed;
  readonly aliases: VersionAliases;
  /** Names of a reconnecting client whose last answer did not reach it; absent: none. */
  readonly lost?: (state: TypeState, view: TypeSnapshot) => readonly string[];
  /** Why a name that is asked for is not there; absent, or undefined: nothing is said of it. */
  readonly errorOf?: (typeUrl: string, name: string) => ResourceError | undefined;
}

/** The errors of these names, for an Outgoing. */
export function errorsOf(
  state: TypeState,
  names: Iterable<string>,
  options: RespondOptions,
): { errors?: readonly ResourceError[] } {
  if (options.errorOf === undefined) return {};
  const errors: ResourceError[] = [];
  for (const name of names) {
    const error = options.errorOf(state.typeUrl, name);
    if (error !== undefined) errors.push(error);
  }
  return errors.length === 0 ? {} : { errors };
}

/** SotW responses of the type are the whole set, absence deletes (xDS "Grouping Resources into Responses"). */
export function isWholeSet(state: TypeState): boolean {
  return state.wildcard || state.rule.wholeSet === true;
}

/** The part of the type's resources that the client asked for. */
export function viewOf(state: TypeState, target: TypeSnapshot): TypeSnapshot {
  return state.wildcard ? target : selectNames(target, state.names);
}

/** Takes over a new set of names; names that went are forgotten, so that taking them again is answered. */
export function changeNames(state: TypeState, names: Iterable<string>, wildcard: boolean): void {
  const before = state.names;
  state.names = nameSet(names);
  const lost = state.wildcard && !wildcard;
  state.wildcard = wildcard;
  if (before === state.names && !lost) return;
  if (!wildcard && state.sent !== undefined) {
    const inStep = state.accepted === state.sent;
    state.sent = selectNames(state.sent, state.names);
    if (inStep) state.accepted = state.sent;
    else if (state.accepted) state.accepted = selectNames(state.accepted, state.names);
  }
  for (const set of [state.owed, state.uncertain]) {
    for (const name of set) if (!wildcard && !state.names.names.has(name)) set.delete(name);
  }
}

/** An ACK or a NACK of the last response. What a NACK leads to is said by `settleRefused` or by hold-back.ts. */
export function settle(state: TypeState, error: { message: string } | undefined): void {
  state.inFlight = false;
  if (error !== undefined) return;
  if (state.search === undefined) state.uncertain.clear();
  state.accepted = state.sent;
  state.acceptedUnknown = false;
  // Only a refusal asks for them, and they are as many as the names asked for.
  state.lastOwed = noNames.names;
}

/** A NACK after which nothing is sent until the content changes (xDS "ACK and NACK semantics summary"). */
export function settleRefused(state: TypeState, message: string): void {
  state.search = undefined;
  const atFault = new Set(resourcesAtFault(message, [...state.lastResources]));
  for (const { name } of state.lastResources) if (!atFault.has(name)) state.uncertain.add(name);
}

/** Whether there is something in doubt that is to be sent again now. */
export function mustRetry(state: TypeState): boolean {
  if (state.search === undefined) return false;
  for (const name of state.uncertain) if (!state.search.withheld.has(name)) return true;
  return false;
}

/** The resource itself, or what stands for a name that does not exist; undefined: nothing does. */
export function findNamed(
  state: TypeState,
  name: string,
  { view, options }: { view: TypeSnapshot; options: RespondOptions },
): EncodedResource | undefined {
  const found = view.resources.get(name);
  if (found !== undefined) return isHeldOnly(found) ? undefined : found;
  return options.unknownNamed(state.typeUrl, name);
}

/**
 * The names that are owed, whether they exist or not, and those of warming clusters; forgets that they are owed.
 * `withUncertain`: also those of a refused response, as there is news anyway.
 */
export function takeOwed(state: TypeState, withUncertain: boolean): ReadonlySet<string> {
  const names = state.owed;
  state.owed = new Set();
  for (const name of state.warming) {
    if (!state.wildcard && !state.names.names.has(name)) continue;
    names.add(name);
    state.warming.delete(name);
  }
  if (withUncertain || state.search !== undefined) {
    for (const name of state.uncertain) {
      if (state.search?.withheld.has(name)) continue;
      names.add(name);
      state.uncertain.delete(name);
    }
  }
  state.answerOwed = false;
  state.lastOwed = names;
  return names;
}

/** Names in a list; remembered, as streams in step are sent the same one. */
export const namesIn: (resources: ResourceList) => ReadonlySet<string> = memoize(
  (resources: ResourceList): ReadonlySet<string> =>
    new Set([...resources].map((resource) => resource.name)),
);

/** Notes that a response goes out, and gives its nonce: unique on the stream, equal on streams in step. */
export function noteSent(state: TypeState, outgoing: Outgoing, target: TypeSnapshot): string {
  state.targetVersion = target.version;
  state.responses++;
  state.nonce = `${state.responses}.${state.place}`;
  state.inFlight = true;
  state.lastVersion = outgoing.version;
  state.lastResources = outgoing.resources;
  state.lastRemoved = outgoing.removed;
  if (state.uncertain.size > 0) {
    const there = namesIn(outgoing.resources);
    for (const name of state.uncertain) if (there.has(name)) state.uncertain.delete(name);
  }
  return state.nonce;
}
