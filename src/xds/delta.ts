// Incremental: how a request changes what is known of a type, and what is to be sent for a state of the resources.
// Sections named are those of the xDS protocol document. The SotW variant has the same functions.
import type { DiscoveryRequest } from '../envoy/discovery.js';
import { memoize } from '../lib/memo.js';
import { diffTypes } from '../snapshot/diff.js';
import { heldSnapshot } from '../snapshot/held.js';
import type { ResourceList } from '../snapshot/resource-list.js';
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import { type NameSet, noNames } from './name-set.js';
import {
  changeNames,
  errorsOf,
  findNamed,
  namesIn,
  type Outgoing,
  type Received,
  type RespondOptions,
  settle,
  type TypeState,
  takeOwed,
  viewOf,
} from './subscription.js';

/** Takes in a request of the type. */
export function receive(state: TypeState, request: DiscoveryRequest): Received {
  const { error } = request;
  const first = !state.opened;
  state.opened = true;
  // The nonce pairs ACK and NACK only; subscriptions count under any nonce ("Incremental xDS").
  const answers = !first && request.nonce !== '' && request.nonce === state.nonce && state.inFlight;
  if (answers) settle(state, error);
  const stale = !first && request.nonce !== '' && !answers;
  subscribe(state, request, first);
  return {
    kind: first ? 'first' : answers ? (error ? 'nack' : 'ack') : stale ? 'stale' : 'subscribe',
    version: state.lastVersion,
    message: error?.message ?? '',
  };
}

function subscribe(state: TypeState, request: DiscoveryRequest, first: boolean): void {
  const { names: added, unsubscribe: dropped, held } = request;
  const legacy = first && added.length === 0 && state.rule.wildcard !== false;
  if (added.length > 0) state.everNamed = true;
  let wildcard = state.wildcard || legacy;
  // A client that holds nothing waits for the first answer, even an empty one; one that tells what it holds does not.
  const waits = !first || held.size === 0;
  if (legacy) state.answerOwed = waits;
  if (added.includes('*')) {
    wildcard = true;
    state.answerOwed = waits;
  }
  if (dropped.includes('*')) wildcard = false;
  const before = state.names;
  if (added.length > 0 || dropped.length > 0 || wildcard !== state.wildcard) {
    let names: Iterable<string> = [...before.sorted, ...added.filter((name) => name !== '*')];
    let wasNamed: readonly string[] = [];
    if (dropped.length > 0) {
      const rest = new Set(names);
      wasNamed = dropped.filter((name) => rest.delete(name));
      names = rest;
    }
    changeNames(state, names, wildcard);
    // "Unsubscribing from Resources": of a wildcard client, the name is answered: it has it still, or it is gone.
    if (wildcard) for (const name of wasNamed) state.owed.add(name);
  }
  const holds = first && held.size > 0 ? heldSnapshot(held, state.typeUrl) : undefined;
  if (holds !== undefined) {
    state.sent = viewOf(state, holds);
    state.accepted = state.sent;
  }
  if (before === noNames && state.owed.size === 0 && held.size === 0) {
    // The same as below: copying a set is far quicker than a thousand names one by one.
    state.owed = new Set(state.names.names);
    return;
  }
  // "Subscribing to Resources": every name is answered, even a known one; but not one that the client says it holds in
  // the first request of the stream.
  const asked = holds === undefined ? added : lacking(state.names, holds);
  for (const name of asked) if (state.names.names.has(name)) state.owed.add(name);
}

/** Names that are asked for and not held; streams that come back in step share the answer. */
const lacking = memoize((names: NameSet, holds: TypeSnapshot): readonly string[] =>
  names.sorted.filter((name) => !holds.resources.has(name)),
);

/**
 * What to send to bring the client to `target`; undefined when nothing. Changes `state` as if it was sent; the
 * caller must not ask while a response is in flight.
 */
export function respond(
  state: TypeState,
  target: TypeSnapshot,
  options: RespondOptions,
): Outgoing | undefined {
  const view = viewOf(state, target);
  const diff = diffTypes(state.sent, view);
  state.sent = view;
  const isNews = target.version !== state.targetVersion;
  const mustAnswer = state.answerOwed;
  const owed = takeOwed(state, isNews && diff.changed.length > 0);
  let { changed: resources, removed } = diff;
  const missing: string[] = [];
  if (owed.size > 0 && !isAllThatIsAsked(state, view, resources)) {
    const there = namesIn(resources);
    const gone = new Set(removed);
    const extra: EncodedResource[] = [];
    for (const name of owed) {
      if (there.has(name)) continue;
      const resource = findNamed(state, name, { view, options });
      // What is held back in favour of what the client came with: it keeps that.
      if (resource === undefined && view.resources.has(name)) continue;
      if (resource !== undefined) extra.push(resource);
      else {
        gone.add(name);
        missing.push(name);
      }
    }
    resources = resources.with(extra);
    // "Knowing When a Requested Resource Does Not Exist": said at once.
    if (gone.size > removed.length) removed = [...gone];
  }
  if (resources.length === 0 && removed.length === 0 && !mustAnswer) return undefined;
  return { version: view.version, resources, removed, ...errorsOf(state, missing, options) };
}

/** Whether each name that is asked for exists and is sent: nothing more can be owed. */
function isAllThatIsAsked(state: TypeState, view: TypeSnapshot, sent: ResourceList): boolean {
  const { size } = view.resources;
  return !state.wildcard && size === state.names.names.size && size === sent.length;
}
