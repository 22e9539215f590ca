// State of the world: how a request changes what is known of a type, and what is to be sent for a state of the
// resources. Sections named are those of the xDS protocol document. The delta variant has the same functions.
import type { DiscoveryRequest } from '../envoy/discovery.js';
import { hasGivenVersion } from '../snapshot/build-snapshot.js';
import { diffTypes } from '../snapshot/diff.js';
import type { ResourceList } from '../snapshot/resource-list.js';
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';
import {
  changeNames,
  errorsOf,
  findNamed,
  isWholeSet,
  mustRetry,
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
  const result = (kind: Received['kind']): Received => ({
    kind,
    version: state.lastVersion,
    message: error?.message ?? '',
  });
  if (!state.opened) {
    // Answered from state whatever nonce it carries: it may be one of another stream (envoy#30155).
    state.opened = true;
    state.claimed = request.version;
    state.acceptedUnknown = request.version !== '';
    subscribe(state, request.names);
    state.answerOwed = isWholeSet(state);
    return result('first');
  }
  // "Resource updates": the client repeats its names with the nonce that it has not seen yet.
  if (state.nonce !== '' && request.nonce !== state.nonce) return result('stale');
  const wasInFlight = state.inFlight;
  // NACK is error_detail and nothing else ("NACK").
  if (wasInFlight && state.nonce !== '') settle(state, error);
  const changed = subscribe(state, request.names);
  if (wasInFlight) return result(error === undefined ? 'ack' : 'nack');
  return result(changed || error !== undefined ? 'subscribe' : 'repeat');
}

/** Takes over the names of a request; gives whether they are others than before. */
function subscribe(state: TypeState, names: readonly string[]): boolean {
  const explicit = names.includes('*');
  // Legacy wildcard: no names in any request of the type so far on this stream.
  const legacy = names.length === 0 && !state.everNamed && state.rule.wildcard !== false;
  if (names.length > 0) state.everNamed = true;
  const wildcard = explicit || legacy;
  // An empty name is no resource's; some clients leave everything with it.
  const special = explicit || names.includes('');
  const plain = special ? names.filter((name) => name !== '*' && name !== '') : names;
  if (wildcard === state.wildcard && sameNames(state, plain)) return false;
  const before = state.names;
  const gained = wildcard && !state.wildcard;
  changeNames(state, plain, wildcard);
  let added = false;
  for (const name of state.names.names) {
    if (before.names.has(name)) continue;
    added = true;
    state.owed.add(name);
  }
  if (gained || (added && isWholeSet(state))) state.answerOwed = true;
  return true;
}

function sameNames(state: TypeState, names: readonly string[]): boolean {
  const known = state.names.names;
  return names.length === known.size && names.every((name) => known.has(name));
}

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
  let before = state.sent;
  state.sent = view;
  // "ACK and NACK semantics summary": versions are content hashes over all names asked for, so an equal one tells
  // that the client has had an answer for each.
  const known = state.wildcard || !hasGivenVersion(view);
  if (before === undefined && known && options.aliases.holds(state, state.claimed, view.version)) {
    state.lastVersion = state.claimed;
    before = view;
    state.accepted = view;
    state.acceptedUnknown = false;
    state.owed.clear();
    // The version stands for these too, but their last answer was lost with the connection.
    for (const name of options.lost?.(state, view) ?? []) state.owed.add(name);
    state.answerOwed = false;
  }
  state.claimed = '';
  const diff = diffTypes(before, view);
  const isNews = target.version !== state.targetVersion;
  if (isWholeSet(state)) {
    const differs = diff.changed.length > 0 || diff.removed.length > 0;
    const due = differs || state.answerOwed || mustRetry(state);
    const owed = takeOwed(state, due && isNews);
    const missing = [...owed].filter((name) => !view.resources.has(name));
    const errors = errorsOf(state, missing, options);
    if (!due && !errors.errors && missing.length === owed.size) return undefined;
    // A set of everything is the same object for all streams that have this view.
    return {
      version: view.version,
      resources: diffTypes(undefined, view).changed,
      removed: [],
      ...errors,
    };
  }
  const { resources, errors } = withOwed(state, diff.changed, { view, options, isNews });
  if (resources.length === 0 && errors.errors === undefined) return undefined;
  return { version: view.version, resources, removed: [], ...errors };
}

function withOwed(
  state: TypeState,
  changed: ResourceList,
  context: { view: TypeSnapshot; options: RespondOptions; isNews: boolean },
): { resources: ResourceList; errors: ReturnType<typeof errorsOf> } {
  const owed = takeOwed(state, context.isNews && changed.length > 0);
  if (owed.size === 0) return { resources: changed, errors: {} };
  const there = namesIn(changed);
  const extra: EncodedResource[] = [];
  const missing: string[] = [];
  for (const name of owed) {
    if (there.has(name)) continue;
    const resource = findNamed(state, name, context);
    if (resource !== undefined) extra.push(resource);
    else if (!context.view.resources.has(name)) missing.push(name);
  }
  return {
    resources: changed.with(extra),
    errors: errorsOf(state, missing, context.options),
  };
}
