// Make before break: in which order the types of a new state may go out on one aggregated stream, each step waiting
// for the client's answer to the one before (xDS "Eventual consistency considerations"; order alone loses requests).
// No sockets and no clock: the stream says what is settled.
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, type TypeUrl } from '../envoy/resource.js';
import { emptyTypeSnapshot } from '../snapshot/build-snapshot.js';
import { unionTypes } from '../snapshot/select.js';
import type { Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';

const SCOPED_ROUTE = 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration';
const VIRTUAL_HOST = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';

/** The order of types that depend on each other. Every other type is independent and goes with the first. */
const clusterTypes: readonly string[] = [CLUSTER, ENDPOINT];
const routeTypes: readonly string[] = [LISTENER, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST];
const ordered = new Set([...clusterTypes, ...routeTypes]);

/** The stream's side. */
export interface Gate {
  /** The target of a type changed: send it, now or when possible. */
  offer(typeUrl: string): void;
  /**
   * Nothing of the type is to be awaited: the client accepted or refused the latest, does not subscribe to the type,
   * or let the time limit pass.
   */
  settled(typeUrl: string): boolean;
}

/** What one stream may be sent now, on the way to its goal. */
export class PushOrder {
  private goal: Snapshot | undefined;
  private readonly released = new Map<string, TypeSnapshot>();
  private readonly held = new Map<string, TypeSnapshot>();

  /** `gated` false (a stream of one type): every goal is released at once. */
  constructor(private readonly gated: boolean) {}

  /** A new goal; what is under way to an older one merges into it. Undefined: keep what there is. */
  setGoal(snapshot: Snapshot | undefined): void {
    this.goal = snapshot;
  }

  /** The client came with resources of a type from an earlier stream: they go when nothing needs them any more. */
  startFrom(typeUrl: string, held: TypeSnapshot): void {
    if (!this.gated) return;
    this.held.set(typeUrl, held);
    this.released.delete(typeUrl);
  }

  /** The state of a type that the client may be brought to now; undefined while it has to wait. */
  target(typeUrl: string): TypeSnapshot | undefined {
    const released = this.released.get(typeUrl);
    if (released !== undefined || this.goal === undefined) return released;
    return this.gated && ordered.has(typeUrl) ? undefined : inGoal(this.goal, typeUrl);
  }

  /** Goes as far as it may. Gives the types whose answers the next step awaits; none: the goal is reached. */
  advance(gate: Gate): readonly string[] {
    if (this.goal === undefined) return [];
    const goal = this.goal;
    if (!this.gated) {
      this.release(this.typesNow(), (typeUrl) => inGoal(goal, typeUrl), gate);
      return [];
    }
    const independent = this.typesNow().filter((typeUrl) => !ordered.has(typeUrl));
    const unsettled = (types: readonly string[]) => types.filter((type) => !gate.settled(type));
    // Make: whatever is new or changed, with all that was there.
    const withGoal = (typeUrl: string) => {
      const before = this.released.get(typeUrl) ?? this.held.get(typeUrl);
      return before === undefined
        ? inGoal(goal, typeUrl)
        : unionTypes(before, inGoal(goal, typeUrl));
    };
    this.release([...independent, ...clusterTypes], withGoal, gate);
    let awaited = unsettled(clusterTypes);
    if (awaited.length > 0) return awaited;
    this.release(routeTypes, withGoal, gate);
    awaited = unsettled(routeTypes);
    if (awaited.length > 0) return awaited;
    // Break: in the opposite direction.
    for (const step of [[LISTENER], [CLUSTER], [...clusterTypes, ...routeTypes, ...independent]]) {
      this.release(step, (typeUrl) => inGoal(goal, typeUrl), gate);
      awaited = unsettled(step);
      if (awaited.length > 0) return awaited;
    }
    return [];
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
    for (const typeUrl of changed) gate.offer(typeUrl);
  }

  private typesNow(): string[] {
    return [...new Set<string>([...this.goal!.types.keys(), ...this.released.keys()])];
  }
}

function inGoal(goal: Snapshot, typeUrl: string): TypeSnapshot {
  return goal.types.get(typeUrl as TypeUrl) ?? emptyTypeSnapshot;
}
