// What clients refused, for all streams of a server: a resource's version that an Envoy of one release refused is not
// sent to the others of that release; its last good version is, or nothing where there is none. The rule is in
// docs/decisions/0006-hold-back.md. How a stream finds out which resource was refused is in hold-back.ts.
import { isHeldOnly } from '../snapshot/held.js';
import { replaceResources } from '../snapshot/replace.js';
import type { EncodedResource, Snapshot } from '../snapshot/snapshot.js';
import { Holds } from './holds.js';

/** A resource that is held back, as callbacks and status see it. Plain data. */
export interface HeldBack {
  readonly typeUrl: string;
  readonly name: string;
  /** The version that is held back. */
  readonly version: string;
  /** The version that is served in its place; undefined: there is none, and the resource is left out. */
  readonly inForce: string | undefined;
  /** What is served in its place is no last good version, but a substitute. */
  readonly substituted: boolean;
  /** The clients' text. */
  readonly message: string;
  readonly since: Date;
  /** Name and release of the clients that it is about, such as `envoy 1.40.0`. */
  readonly client: string;
  /** Node ids of those that refused it; the first ones when there are many. */
  readonly refusedBy: readonly string[];
  /** Held back from all clients of the release; else only from those that refused it. */
  readonly everywhere: boolean;
}

/** Why a resource is not held back any more. */
export type ReleaseReason = 'changed' | 'accepted' | 'forgotten';

/** A stream, as the quarantine sees it. */
export interface Member {
  /** Name and release of the client. */
  readonly client: string;
  readonly node: string;
  /** All that it is to have, before anything is held back. */
  goal(): Snapshot | undefined;
  /** The version of that name in the state that it is being taken to, which may be older than its goal. */
  underWay(typeUrl: string, name: string): string | undefined;
  /** What it accepted last of that name. */
  accepted(typeUrl: string, name: string): EncodedResource | undefined;
  /** It was sent and has accepted all that it is to have of the type. */
  isAtRest(typeUrl: string): boolean;
  /** What is held back from it may have changed. */
  wake(): void;
}

/** Times in milliseconds, and the world outside. */
export interface QuarantineOptions {
  readonly now: () => number;
  /** Calls `job` after `ms`. */
  readonly later: (ms: number, job: () => void) => void;
  /** After the first refusal another client of the release is asked; 0: never. */
  readonly secondOpinionMs: number;
  /** A client that refuses what others accept gets it again after this, then after twice the time and so on. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** What may be served in place of a resource that has no last good version, best first; all that was refused is not. */
  substitutes?(
    resource: EncodedResource,
    message: string,
    node: string,
  ): readonly EncodedResource[];
  onHeldBack?(held: HeldBack): void;
  onReleased?(held: HeldBack, reason: ReleaseReason): void;
}

export const defaultQuarantineTimes = {
  secondOpinionMs: 1_000,
  retryMs: 30_000,
  retryMsMax: 30 * 60_000,
};

/** Entries kept. None makes room for another one: it would be sent again, be refused, and so on for ever. */
const entriesMax = 1_000;
/** Refusing clients that are told apart, of one entry. */
const refusersMax = 1_000;
/** What no connected client is to have any more is forgotten after this: they may be about to come back. */
const unseenMs = 120_000;
/** Goals are looked through for what is over at most this often. */
const sweepMs = 200;
/** The same while a stream is still on its way to its goal. */
const lingerMs = 1_000;

interface Refuser {
  /** What it had before: right for itself in any case. Perhaps without bytes (a delta client told of it). */
  readonly own: EncodedResource | undefined;
  times: number;
  /** When it gets the resource again; undefined: it has it now, or waits for a change. */
  retryAt: number | undefined;
  /** It was let try again and has not answered. */
  trying: boolean;
}

interface Entry {
  readonly client: string;
  readonly resource: EncodedResource;
  readonly since: number;
  message: string;
  readonly refusers: Map<string, Refuser>;
  /** For all clients of the release; false: it is the refusers' own trouble. */
  everywhere: boolean;
  lastGood: EncodedResource | undefined;
  /** In place of a last good version, and how many of them were refused. */
  readonly substitutes: readonly EncodedResource[];
  refusedSubstitutes: number;
  /** The client that is asked for a second opinion, and when one is to be asked; undefined: no more. */
  tester: string | undefined;
  askAt: number | undefined;
  seenAt: number;
}

/**
 * Reasons that lie with one host rather than with the resource: the port is taken, a file is missing. Envoy says them
 * as errno's texts.
 */
const ownTrouble =
  /address already in use|cannot assign requested address|permission denied|cannot bind|no such file|invalid path|too many open files/i;

/** The table. Cheap when it is empty, which is nearly always. */
export class Quarantine {
  private readonly entries = new Map<string, Entry>();
  private readonly members = new Set<Member>();
  private readonly holds = new Map<string, Map<string, Holds>>();
  /** Accepted, but no good version: it lacks something that it is to have. */
  private readonly substituted = new WeakSet<EncodedResource>();
  private timerAt: number | undefined;
  private sweepAt: number | undefined;

  constructor(private readonly options: QuarantineOptions) {}

  join(member: Member): void {
    this.members.add(member);
  }

  leave(member: Member): void {
    this.members.delete(member);
    this.goalChanged();
    for (const entry of this.entries.values()) {
      if (entry.tester !== member.node || entry.client !== member.client) continue;
      entry.tester = undefined;
      entry.askAt = this.options.now() + this.options.secondOpinionMs;
      this.arm();
    }
  }

  /** What is held back from a client; the same object until that changes; undefined: nothing. */
  holdsFor(client: string, node: string): Holds | undefined {
    if (this.entries.size === 0) return undefined;
    let byNode = this.holds.get(client);
    if (byNode === undefined) {
      byNode = new Map();
      this.holds.set(client, byNode);
    }
    const key = this.isSpecial(client, node) ? `n${node}` : 'all';
    let holds = byNode.get(key);
    if (holds === undefined) {
      holds = this.makeHolds(client, node);
      byNode.set(key, holds);
    }
    return holds.isEmpty ? undefined : holds;
  }

  /** Whether this version is not to be sent to the client any more: it was on its way when that was found out. */
  isHeld({ client, node }: Member, { typeUrl, name, version }: EncodedResource): boolean {
    const entry = this.entries.get(keyOf(client, typeUrl, name, version));
    return entry !== undefined && isHeldFrom(entry, node);
  }

  /** Whether so many more can be held back. */
  hasRoom(entries: number): boolean {
    return this.entries.size + entries <= entriesMax;
  }

  /** The server is closed: nothing is held back, and nothing is told, any more. */
  close(): void {
    this.entries.clear();
    this.holds.clear();
  }

  /** Everything that is held back now. */
  list(): HeldBack[] {
    return [...this.entries.values()].map(describe);
  }

  /** A client refused this resource. `own`: what it had of it before. The table must have room for it. */
  refuse(member: Member, resource: EncodedResource, refusal: Refusal): void {
    if (this.isSubstitute(member, resource)) return;
    const { message } = refusal;
    const { client, node } = member;
    const own = refusal.own && this.substituted.has(refusal.own) ? undefined : refusal.own;
    const now = this.options.now();
    const key = keyOf(client, resource.typeUrl, resource.name, resource.version);
    let entry = this.entries.get(key);
    const isNew = entry === undefined;
    if (entry === undefined) {
      const local = ownTrouble.test(message) || this.isAccepted(member, resource);
      const asks = !local && this.options.secondOpinionMs > 0;
      const lastGood = hasBytes(own) ? own : this.findLastGood(member, resource);
      const needed = !local && lastGood === undefined;
      entry = {
        ...{ client, resource, since: now, message, refusers: new Map(), everywhere: !local },
        lastGood,
        substitutes: needed ? this.makeSubstitutes(member, resource, refusal) : [],
        refusedSubstitutes: 0,
        tester: undefined,
        askAt: asks ? now + this.options.secondOpinionMs : undefined,
        seenAt: now,
      };
      this.entries.set(key, entry);
    }
    if (entry.tester === node) entry.tester = undefined;
    // Two clients agree: nobody else is asked.
    if (entry.refusers.size > 0 && !entry.refusers.has(node)) entry.askAt = undefined;
    const before = entry.refusers.get(node);
    if (before !== undefined || entry.refusers.size < refusersMax) {
      const times = (before?.times ?? 0) + 1;
      const wait = Math.min(this.options.retryMs * 2 ** (times - 1), this.options.retryMsMax);
      entry.refusers.set(node, { own, times, retryAt: now + wait, trying: false });
    }
    this.changed(client);
    if (isNew) this.options.onHeldBack?.(describe(entry));
    this.arm();
  }

  private makeSubstitutes(
    { node }: Member,
    resource: EncodedResource,
    { message, own }: Refusal,
  ): readonly EncodedResource[] {
    const made = this.options.substitutes?.(resource, message, node) ?? [];
    // One of an earlier version is better than nothing.
    const all = hasBytes(own) ? [...made, own] : made;
    for (const each of all) this.substituted.add(each);
    return all;
  }

  /** Whether it was sent in another's place. The next substitute is then, and nothing else is held back. */
  private isSubstitute(member: Member, { typeUrl, name, version }: EncodedResource): boolean {
    const goal = member.goal()?.types.get(typeUrl)?.resources.get(name)?.version;
    const entry = goal && this.entries.get(keyOf(member.client, typeUrl, name, goal));
    if (!entry || goal === version) return false;
    const at = entry.substitutes.findIndex((each) => each.version === version);
    if (at < 0) return false;
    entry.refusedSubstitutes = Math.max(entry.refusedSubstitutes, at + 1);
    this.changed(entry.client);
    return true;
  }

  private isGood(resource: EncodedResource | undefined): resource is EncodedResource {
    return hasBytes(resource) && !this.substituted.has(resource);
  }

  /** A client accepted a response; `versionOf` tells what it has now of a name. */
  accepted(member: Member, typeUrl: string, versionOf: (name: string) => string | undefined): void {
    for (const [key, entry] of this.entries) {
      const { resource, client } = entry;
      if (client !== member.client || resource.typeUrl !== typeUrl) continue;
      if (versionOf(resource.name) !== resource.version) continue;
      // It is good somewhere, so it is the refusers' own trouble.
      const wasHeld = entry.refusers.delete(member.node);
      if (!wasHeld && !entry.everywhere) continue;
      entry.everywhere = false;
      entry.tester = undefined;
      entry.askAt = undefined;
      this.changed(client);
      if (entry.refusers.size === 0) this.drop(key, 'accepted');
      this.arm();
    }
  }

  /** A goal changed: what is in none any more is forgotten, soon. */
  goalChanged(): void {
    if (this.entries.size > 0) this.sweepIn(sweepMs);
  }

  private sweep(): void {
    const now = this.options.now();
    let again: number | undefined;
    for (const [key, entry] of this.entries) {
      const { typeUrl, name, version } = entry.resource;
      let seen = false;
      let lingers = false;
      let otherwise = false;
      for (const member of this.members) {
        if (member.client !== entry.client) continue;
        const goal = member.goal();
        const there = goal?.types.get(typeUrl)?.resources.get(name)?.version;
        if (there === version) {
          seen = true;
          break;
        }
        if (member.underWay(typeUrl, name) === version) lingers = true;
        else if (goal !== undefined && entry.refusers.has(member.node)) otherwise = true;
      }
      if (seen || lingers) {
        entry.seenAt = now;
        if (!seen) again = lingerMs;
      }
      // While none of those that refused it is there, they may be about to come back.
      else if (otherwise) this.drop(key, 'changed');
      else if (now - entry.seenAt >= unseenMs) this.drop(key, 'forgotten');
      else again ??= unseenMs;
    }
    if (again !== undefined) this.sweepIn(again);
    this.arm();
  }

  private sweepIn(ms: number): void {
    const at = this.options.now() + ms;
    if (this.sweepAt !== undefined && this.sweepAt <= at) return;
    this.sweepAt = at;
    this.options.later(ms, () => {
      // An earlier one may have been asked for since.
      if (this.sweepAt !== at) return;
      this.sweepAt = undefined;
      this.sweep();
    });
  }

  private drop(key: string, reason: ReleaseReason): void {
    const entry = this.entries.get(key)!;
    this.entries.delete(key);
    this.changed(entry.client);
    this.options.onReleased?.(describe(entry), reason);
  }

  private changed(client: string): void {
    this.holds.delete(client);
    for (const member of this.members) if (member.client === client) member.wake();
  }

  /** Whether another client of the release has accepted this very version. */
  private isAccepted(by: Member, { typeUrl, name, version }: EncodedResource): boolean {
    for (const member of this.members) {
      if (member.client !== by.client || member.node === by.node) continue;
      if (member.accepted(typeUrl, name)?.version === version) return true;
    }
    return false;
  }

  /**
   * What others have that are to have the same: names alone are not enough, as each proxy has an inbound listener of
   * its own under the same name.
   */
  private findLastGood(by: Member, resource: EncodedResource): EncodedResource | undefined {
    const { typeUrl, name, version } = resource;
    for (const member of this.members) {
      if (member.client !== by.client) continue;
      const goal = member.goal()?.types.get(typeUrl)?.resources.get(name);
      if (goal?.version !== version) continue;
      const has = member.accepted(typeUrl, name);
      if (has?.version !== version && this.isGood(has)) return has;
    }
    return undefined;
  }

  /** Whether something else is held back from this client than from the others of its release. */
  private isSpecial(client: string, node: string): boolean {
    for (const entry of this.entries.values()) {
      if (entry.client !== client) continue;
      if (entry.tester === node) return true;
      const refuser = entry.refusers.get(node);
      if (refuser === undefined) continue;
      if (!entry.everywhere || refuser.trying || refuser.own !== entry.lastGood) return true;
    }
    return false;
  }

  private makeHolds(client: string, node: string): Holds {
    const holds = new Holds(replaceResources);
    for (const entry of this.entries.values()) {
      if (entry.client !== client || !isHeldFrom(entry, node)) continue;
      const { resource, message } = entry;
      const instead = entry.refusers.get(node)?.own ?? inPlaceOf(entry);
      holds.add({ resource, instead, message, since: new Date(entry.since) });
    }
    return holds;
  }

  /** Lets those try whose time has come. */
  private readonly onTime = (): void => {
    this.timerAt = undefined;
    const now = this.options.now();
    const changed = new Set<string>();
    for (const entry of this.entries.values()) {
      if (entry.askAt !== undefined && entry.askAt <= now) this.ask(entry);
      // Nobody has accepted it: it is not tried again by itself.
      if (entry.everywhere) continue;
      for (const refuser of entry.refusers.values()) {
        if (refuser.retryAt === undefined || refuser.retryAt > now) continue;
        refuser.retryAt = undefined;
        refuser.trying = true;
        changed.add(entry.client);
      }
    }
    for (const client of changed) this.changed(client);
    this.arm();
  };

  /** Picks a client that has been served well so far, so that nothing but this one resource can be refused. */
  private ask(entry: Entry): void {
    const { typeUrl, name, version } = entry.resource;
    for (const member of this.members) {
      if (member.client !== entry.client || entry.refusers.has(member.node)) continue;
      const goal = member.goal()?.types.get(typeUrl)?.resources.get(name);
      if (goal?.version !== version || !member.isAtRest(typeUrl)) continue;
      entry.askAt = undefined;
      entry.tester = member.node;
      this.changed(entry.client);
      return;
    }
    entry.askAt = this.options.now() + 10 * this.options.secondOpinionMs;
  }

  private arm(): void {
    let next: number | undefined;
    const consider = (at: number | undefined) => {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    };
    for (const entry of this.entries.values()) {
      consider(entry.askAt);
      if (!entry.everywhere) for (const { retryAt } of entry.refusers.values()) consider(retryAt);
    }
    if (next === undefined || (this.timerAt !== undefined && this.timerAt <= next)) return;
    this.timerAt = next;
    this.options.later(Math.max(1, next - this.options.now()), this.onTime);
  }
}

/** The client's text, and what it had before. */
export interface Refusal {
  readonly message: string;
  readonly own: EncodedResource | undefined;
}

function isHeldFrom(entry: Entry, node: string): boolean {
  if (entry.tester === node) return false;
  const refuser = entry.refusers.get(node);
  return refuser === undefined ? entry.everywhere : !refuser.trying;
}

function inPlaceOf({
  lastGood,
  substitutes,
  refusedSubstitutes,
}: Pick<Entry, 'lastGood' | 'substitutes' | 'refusedSubstitutes'>): EncodedResource | undefined {
  return lastGood ?? substitutes[refusedSubstitutes];
}

function hasBytes(resource: EncodedResource | undefined): resource is EncodedResource {
  return resource !== undefined && !isHeldOnly(resource);
}

function describe({ client, resource, ...entry }: Entry): HeldBack {
  const { typeUrl, name, version } = resource;
  return {
    ...{ typeUrl, name, version, client },
    inForce: inPlaceOf(entry)?.version,
    substituted: entry.lastGood === undefined && inPlaceOf(entry) !== undefined,
    message: entry.message,
    since: new Date(entry.since),
    refusedBy: [...entry.refusers.keys()],
    everywhere: entry.everywhere,
  };
}

function keyOf(client: string, typeUrl: string, name: string, version: string): string {
  return [client, typeUrl, name, version].join('\n');
}
