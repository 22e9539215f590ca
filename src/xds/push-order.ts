// Make before break: in which order the types of a new state may go out on one aggregated stream, each step waiting
// for the client's answer to the one before (xDS "Eventual consistency considerations"; order alone loses requests).
// No sockets and no clock: the stream says what is settled.
import { CLUSTER, LISTENER, ROUTE, type TypeUrl } from '../envoy/resource.js';
import { unreachable } from '../lib/error.js';
import { emptyTypeSnapshot } from '../snapshot/build-snapshot.js';
import { unionTypes } from '../snapshot/select.js';
import type { Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
import { defaultTypeRules, type TypeRules } from './type-rules.js';

/** The stream's side. */
export interface Gate {
  /** The target of a type changed: send it, now or when possible. */
  offer(typeUrl: string): void;
  /**
   * The stamp of the order at which the latest answered response of the type was sent. Infinity when nothing of the
   * type is to be awaited: all was answered, or the client does not subscribe to it. A refusal is an answer, and so
   * is the end of the time limit.
   */
  confirmed(typeUrl: string): number;
  /** The stamp of the order at which the latest response of the type was sent; 0: none was. */
  sent(typeUrl: string): number;
  /** The names of a type that the client asks for. */
  asked(typeUrl: string): ReadonlySet<string>;
}

/** Where a state is on its way: its clusters, its routes, then what it takes away. */
type Step = 'clusters' | 'routes' | 'old listeners' | 'old clusters' | 'done';

/**
 * What one stream may be sent now, on the way to its goal. Clusters always follow the newest goal, as more of them do
 * no harm; routes follow one state after the other, so that a goal that never rests does not hold them back for ever.
 */
export class PushOrder {
  /** Counts changes of targets; the stream notes it with each response. */
  stamp = 1;
  private goal: Snapshot | undefined;
  /** The state that routes are being taken to; the goal may be newer. */
  private candidate: Snapshot | undefined;
  private step: Step = 'done';
  /** Number of goals so far, and at the time when old clusters were taken away. */
  private goals = 0;
  private goalsAtBreak = 0;
  /** The stamp that the present step waits for. */
  private need = 0;
  private goalStamp = 0;
  private readonly released = new Map<string, TypeSnapshot>();
  private readonly held = new Map<string, TypeSnapshot>();
  /** Routes that were taken away while the client asked for them; it still does when they are looked at. */
  private readonly takenRoutes = new Set<string>();

  /** The order of types that depend on each other. Every other type is independent and goes with the first. */
  private readonly clusterTypes: readonly string[];
  private readonly routeTypes: readonly string[];
  private readonly awaitedAt: Readonly<Record<Step, readonly string[]>>;

  /** `gated` false (a stream of one type): every goal is released at once. */
  constructor(
    private readonly gated: boolean,
    private readonly rules: TypeRules = defaultTypeRules,
  ) {
    this.clusterTypes = rules.inOrder('clusters');
    this.routeTypes = rules.inOrder('routes');
    this.awaitedAt = {
      clusters: this.clusterTypes,
      routes: this.routeTypes,
      'old listeners': [LISTENER],
      'old clusters': [CLUSTER],
      done: [],
    };
  }

  /** A new goal; what is under way to an older one merges into it. Undefined: keep what there is. */
  setGoal(snapshot: Snapshot | undefined): void {
    this.goal = snapshot;
    this.goals++;
  }

  /** The client came with resources of a type from an earlier stream: they go when nothing needs them any more. */
  startFrom(typeUrl: string, held: TypeSnapshot): void {
    if (!this.gated) return;
    this.held.set(typeUrl, held);
    this.released.delete(typeUrl);
    this.candidate = undefined;
    this.step = 'done';
  }

  /** The state of a type that the client may be brought to now; undefined while it has to wait. */
  target(typeUrl: string): TypeSnapshot | undefined {
    const released = this.released.get(typeUrl);
    if (released !== undefined || this.goal === undefined) return released;
    return this.gated && this.isOrdered(typeUrl) ? undefined : inGoal(this.goal, typeUrl);
  }

  /** Goes as far as it may. Gives the types whose answers the next step awaits; none: the goal is reached. */
  advance(gate: Gate): readonly string[] {
    const { goal } = this;
    if (goal === undefined) return [];
    if (!this.gated) {
      this.release(this.typesNow(), (typeUrl) => inGoal(goal, typeUrl), gate);
      return [];
    }
    // Make: whatever is new or changed, with all that was there.
    this.release(
      [...this.independent(), ...this.clusterTypes],
      (type) => this.withOld(goal, type),
      gate,
    );
    for (;;) {
      if (this.step === 'done') {
        if (this.candidate === goal) return [];
        this.candidate = goal;
        this.begin('clusters');
      }
      const awaits = this.awaitedAt[this.step];
      const awaited = awaits.filter((typeUrl) => gate.confirmed(typeUrl) < this.need);
      if (awaited.length > 0) {
        // What was not even sent yet is replaced by the newest.
        const unsent = awaited.every((typeUrl) => gate.sent(typeUrl) < this.need);
        if (this.step !== 'routes' || !unsent || !this.takeNewest(goal, gate)) return awaited;
        continue;
      }
      this.next(goal, gate);
    }
  }

  /** The step's answers are there: releases what the next one is about. */
  private next(goal: Snapshot, gate: Gate): void {
    const candidate = this.candidate!;
    switch (this.step) {
      case 'clusters':
        if (!this.takeNewest(goal, gate)) this.releaseRoutes(candidate, gate);
        return;
      case 'routes':
        // Break: in the opposite direction.
        this.release([LISTENER], (typeUrl) => inGoal(candidate, typeUrl), gate);
        this.begin('old listeners');
        return;
      case 'old listeners':
        this.release([CLUSTER], (typeUrl) => inBoth(candidate, goal, typeUrl), gate);
        this.goalsAtBreak = this.goals;
        this.begin('old clusters');
        return;
      case 'old clusters':
        // What clusters needed goes after them: not while clusters of states in between may be on their way. The
        // rest is left for the next time then.
        if (this.goals === this.goalsAtBreak) {
          const both = [...this.clusterTypes, ...this.independent()];
          this.release(both, (typeUrl) => inBoth(candidate, goal, typeUrl), gate);
        }
        this.noteTaken(candidate, gate);
        this.release(this.routeTypes, (typeUrl) => inGoal(candidate, typeUrl), gate);
        this.begin('done');
        return;
      case 'done':
        return;
      default:
        unreachable(this.step);
    }
  }

  /** Goes on with the newest goal if its clusters are confirmed too; gives whether it is another one. */
  private takeNewest(goal: Snapshot, gate: Gate): boolean {
    if (this.candidate === goal) return false;
    if (this.clusterTypes.some((typeUrl) => gate.confirmed(typeUrl) < this.goalStamp)) return false;
    this.candidate = goal;
    this.releaseRoutes(goal, gate);
    return true;
  }

  private releaseRoutes(candidate: Snapshot, gate: Gate): void {
    const state = (typeUrl: string) =>
      // Old parts beside new ones may contradict them: two virtual hosts with one domain.
      this.rules.of(typeUrl).partOf === undefined
        ? this.withOld(candidate, typeUrl)
        : inGoal(candidate, typeUrl);
    this.release(this.routesInOrder(candidate, gate), state, gate);
    this.begin('routes');
  }

  /**
   * Listeners go before routes, which clients ask for when they have them. But a client may still follow routes that
   * were taken away, while connections of the old listener last (chains that drain), and gives a listener that names
   * them again what they were then: routes that come back go first.
   */
  private routesInOrder(candidate: Snapshot, gate: Gate): readonly string[] {
    const { resources } = inGoal(candidate, ROUTE);
    let comesBack = false;
    for (const name of this.takenRoutes) {
      const isAsked = gate.asked(ROUTE).has(name);
      if (isAsked && !resources.has(name)) continue;
      this.takenRoutes.delete(name);
      comesBack ||= isAsked;
    }
    if (!comesBack) return this.routeTypes;
    return [ROUTE, ...this.routeTypes.filter((typeUrl) => typeUrl !== ROUTE)];
  }

  /** Notes the routes that go although the client still asks for them. */
  private noteTaken(candidate: Snapshot, gate: Gate): void {
    const before = this.released.get(ROUTE);
    const after = inGoal(candidate, ROUTE);
    if (before === undefined || before.version === after.version) return;
    const asked = gate.asked(ROUTE);
    for (const name of before.resources.keys()) {
      if (!after.resources.has(name) && asked.has(name)) this.takenRoutes.add(name);
    }
  }

  private begin(step: Step): void {
    this.step = step;
    this.need = this.stamp;
  }

  private withOld(state: Snapshot, typeUrl: string): TypeSnapshot {
    const before = this.released.get(typeUrl) ?? this.held.get(typeUrl);
    return before === undefined
      ? inGoal(state, typeUrl)
      : unionTypes(before, inGoal(state, typeUrl));
  }

  /** Sets the targets of all these types, then offers those that changed: one of them may bring another along. */
  private release(
    typeUrls: readonly string[],
    targetOf: (typeUrl: string) => TypeSnapshot,
    gate: Gate,
  ): void {
    const changed = typeUrls.filter((typeUrl) => {
      const before = this.released.get(typeUrl);
      const target = targetOf(typeUrl);
      this.released.set(typeUrl, target);
      this.held.delete(typeUrl);
      return before?.version !== target.version;
    });
    if (changed.length === 0) return;
    this.stamp++;
    if (changed.some((typeUrl) => this.clusterTypes.includes(typeUrl))) this.goalStamp = this.stamp;
    for (const typeUrl of changed) gate.offer(typeUrl);
  }

  private independent(): string[] {
    return this.typesNow().filter((typeUrl) => !this.isOrdered(typeUrl));
  }

  private isOrdered(typeUrl: string): boolean {
    return (this.rules.of(typeUrl).order ?? 'independent') !== 'independent';
  }

  private typesNow(): string[] {
    return [...new Set<string>([...this.goal!.types.keys(), ...this.released.keys()])];
  }
}

function inGoal(goal: Snapshot, typeUrl: string): TypeSnapshot {
  return goal.types.get(typeUrl as TypeUrl) ?? emptyTypeSnapshot;
}

/** What the one or the other has, the newer state of each resource. */
function inBoth(older: Snapshot, newer: Snapshot, typeUrl: string): TypeSnapshot {
  return unionTypes(inGoal(older, typeUrl), inGoal(newer, typeUrl));
}
