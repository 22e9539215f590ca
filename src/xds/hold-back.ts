// What one stream does about a refused response: looks for the culprits with a search for each type, and keeps what is
// held back out of what is sent. The table for all streams is quarantine.ts; with hold-back turned off, a refused
// response is sent again when its content changes and not before.
import { diffTypes } from '../snapshot/diff.js';
import { replaceResources } from '../snapshot/replace.js';
import type { EncodedResource, Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
import { Search } from './bisect.js';
import type { Holds } from './holds.js';
import { guessCulprits } from './nack.js';
import type { Member, Quarantine } from './quarantine.js';
import type { HeldBackResource, XdsStream } from './status.js';
import { settleRefused, type TypeState } from './subscription.js';

/** The stream's side. */
export interface Held {
  readonly stream: XdsStream;
  state(typeUrl: string): TypeState | undefined;
  isAtRest(typeUrl: string): boolean;
  /** The state of a type that the client may be brought to now, before anything is held back. */
  target(typeUrl: string): TypeSnapshot | undefined;
  /** Calls `pump` soon, not within this call. */
  wake(): void;
}

/** After a search that was given up, the next one of the type waits for this, and twice the time each time. */
const restMs = 1_000;
const restMsMax = 5 * 60_000;

/** Hold-back on one stream. */
export class HoldBack implements Member {
  private goalNow: Snapshot | undefined;
  private holds: Holds | undefined;
  private joined = false;
  /** Types whose search was given up: no other one before that time. */
  private readonly resting = new Map<string, { until: number; ms: number }>();

  constructor(
    private readonly quarantine: Quarantine,
    private readonly held: Held,
    private readonly now: () => number,
  ) {}

  get client(): string {
    const { node } = this.held.stream;
    return `${node?.userAgentName ?? ''} ${node?.userAgentVersion ?? ''}`.trim();
  }

  get node(): string {
    return this.held.stream.node?.id ?? '';
  }

  goal(): Snapshot | undefined {
    return this.goalNow;
  }

  accepted(typeUrl: string, name: string): EncodedResource | undefined {
    return this.held.state(typeUrl)?.accepted?.resources.get(name);
  }

  underWay(typeUrl: string, name: string): string | undefined {
    return this.held.target(typeUrl)?.resources.get(name)?.version;
  }

  isAtRest(typeUrl: string): boolean {
    return this.held.isAtRest(typeUrl);
  }

  wake(): void {
    this.held.wake();
  }

  /** The stream's goal, before anything is held back. */
  setGoal(goal: Snapshot | undefined): void {
    if (!this.joined) this.quarantine.join(this);
    this.joined = true;
    if (goal === this.goalNow) return;
    this.goalNow = goal;
    this.quarantine.goalChanged();
  }

  leave(): void {
    if (this.joined) this.quarantine.leave(this);
  }

  /** Takes over what is held back now; gives whether it is something else than before. */
  renew(): boolean {
    const holds = this.quarantine.holdsFor(this.client, this.node);
    const same = holds === this.holds;
    this.holds = holds;
    return !same;
  }

  /** What may be sent of a state of a type. */
  filter(state: TypeState, target: TypeSnapshot): TypeSnapshot {
    const allowed = this.holds?.apply(state.typeUrl, target) ?? target;
    const { search } = state;
    if (search === undefined || search.withheld.size === 0) return allowed;
    const back = new Map<string, EncodedResource | undefined>();
    for (const [name, version] of search.withheld) {
      if (allowed.resources.get(name)?.version !== version) continue;
      back.set(name, state.accepted?.resources.get(name));
    }
    return replaceResources(allowed, back);
  }

  /** What is held back of a state of a type, for the status. */
  heldBack(state: TypeState, target: TypeSnapshot | undefined): HeldBackResource[] {
    if (this.holds === undefined || target === undefined) return [];
    const { typeUrl, wildcard, names } = state;
    const mine = this.holds
      .in(typeUrl, target)
      .filter(({ resource }) => wildcard || names.names.has(resource.name));
    return mine.map(({ resource, instead, message, since }) => ({
      ...{ name: resource.name, version: resource.version, message, since },
      ...(instead && { inForce: instead.version }),
    }));
  }

  /** The client refused the last response of a type. Gives the culprits that are known now. */
  refused(state: TypeState, message: string): readonly EncodedResource[] {
    const suspects = suspectsOf(state);
    const accepted = state.accepted?.resources;
    const search = state.search ?? new Search();
    // A client that refuses what it accepted before is not argued with.
    const isNews = suspects.some(({ name, version }) => accepted?.get(name)?.version !== version);
    if (state.acceptedUnknown || !isNews || this.isResting(state.typeUrl)) {
      settleRefused(state, message);
      return [];
    }
    // Refused by others while it was under way here.
    const known = suspects.filter((resource) => this.quarantine.isHeld(this, resource));
    const guess =
      known.length > 0
        ? { names: new Set(known.map(({ name }) => name)), certain: true }
        : guessCulprits(message, suspects);
    search.message = message;
    const culprits = search.refused(suspects, guess);
    if (search.isHopeless || !this.quarantine.hasRoom(culprits.length)) {
      this.rest(state.typeUrl);
      settleRefused(state, message);
      return [];
    }
    state.search = search;
    for (const { name } of suspects) state.uncertain.add(name);
    for (const name of state.lastRemoved) state.uncertain.add(name);
    for (const name of state.lastOwed) state.uncertain.add(name);
    state.sent = state.accepted;
    this.accuse(state, known.length > 0 ? [] : culprits);
    return culprits;
  }

  /** Nothing had to be sent for the part of a search that is on trial. */
  skipped(state: TypeState): void {
    if (state.search?.isLast) this.end(state);
    else state.search?.skipped();
  }

  /** The client accepted the last response of a type. */
  takenWell(state: TypeState): void {
    const { search, accepted } = state;
    if (search?.isLast) this.end(state);
    else if (search !== undefined) this.accuse(state, search.accepted());
    this.quarantine.accepted(this, state.typeUrl, (name) => accepted?.resources.get(name)?.version);
  }

  private end(state: TypeState): void {
    state.search = undefined;
    this.resting.delete(state.typeUrl);
  }

  private accuse(state: TypeState, culprits: readonly EncodedResource[]): void {
    for (const culprit of culprits) {
      // It is sent again then, and refused alone.
      if (!this.quarantine.hasRoom(1)) return;
      const own = state.accepted?.resources.get(culprit.name);
      this.quarantine.refuse(this, culprit, { message: state.search?.message ?? '', own });
    }
  }

  private isResting(typeUrl: string): boolean {
    return this.now() < (this.resting.get(typeUrl)?.until ?? 0);
  }

  private rest(typeUrl: string): void {
    const ms = Math.min((this.resting.get(typeUrl)?.ms ?? restMs / 2) * 2, restMsMax);
    this.resting.set(typeUrl, { until: this.now() + ms, ms });
  }
}

/** What was new to the client in the last response, or in doubt; else all that was in it. */
function suspectsOf(state: TypeState): readonly EncodedResource[] {
  const { sent, accepted, lastOwed } = state;
  if (sent === undefined) return [];
  const suspects = new Map<string, EncodedResource>();
  for (const resource of diffTypes(accepted, sent).changed) suspects.set(resource.name, resource);
  for (const name of lastOwed) {
    const resource = sent.resources.get(name);
    if (resource !== undefined) suspects.set(name, resource);
  }
  return [...suspects.values()];
}
