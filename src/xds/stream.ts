// One stream: puts the state machines, the push order and a transport together. At most one response of a type is
// unanswered; newer state waits as a mark, not as a response, so nothing is queued. No gRPC here.
import type { DiscoveryRequest } from '../envoy/discovery.js';
import { CLUSTER, ENDPOINT } from '../envoy/resource.js';
import { diffTypes } from '../snapshot/diff.js';
import { heldSnapshot } from '../snapshot/held.js';
import { endpointNameOf } from '../snapshot/references.js';
import type { Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
import * as delta from './delta.js';
import { heartbeatOf } from './heartbeat.js';
import { type Held, HoldBack } from './hold-back.js';
import { isWaiting, type Line, newLine, statusOf } from './line.js';
import { nackMessageMax, resourcesAtFault } from './nack.js';
import type { ResourceErrors, XdsCallbacks, XdsTimes } from './options.js';
import { PushOrder } from './push-order.js';
import type { Quarantine } from './quarantine.js';
import { type Readable, StreamError } from './read-request.js';
import { resourcesOf } from './resource-status.js';
import { responsePieces } from './response-bytes.js';
import * as sotw from './sotw.js';
import type { ResourceStatus, TypeStatus, XdsStream } from './status.js';
import {
  isWholeSet,
  noteSent,
  type Received,
  type RespondOptions,
  settleRefused,
  type TypeState,
} from './subscription.js';
import type { TypeRules } from './type-rules.js';

/** The stream's way out. */
export interface Transport {
  /** One message, in pieces: Buffers may be shared with other streams and must not be copied without need. */
  write(pieces: readonly Buffer[]): void;
  /** False while written bytes wait for the client; `pump` is to be called when that has passed. */
  writable(): boolean;
  /** `pump` is to be called soon, not within this call. */
  wake?(): void;
}

/** What a stream needs to know of its server. */
export interface StreamSettings extends Readable {
  readonly times: XdsTimes;
  readonly identifier: string;
  readonly rules: TypeRules;
  readonly respond: RespondOptions;
  /** Undefined: nothing is held back, a refused response waits for its content to change. */
  readonly quarantine: Quarantine | undefined;
  /** Heartbeats of resources with a TTL; undefined: none. */
  readonly ttl?: 'delta' | 'all' | undefined;
  readonly resourceErrors?: ResourceErrors | undefined;
  readonly callbacks: XdsCallbacks;
  readonly now: () => number;
}

const nothingAsked: ReadonlySet<string> = new Set();

/** The protocol on one stream. The caller gives it requests, goals and time; it writes to the transport. */
export class ProtocolStream {
  private readonly lines = new Map<string, Line>();
  private readonly order: PushOrder;
  private readonly machine: typeof sotw;
  private readonly holdBack: HoldBack | undefined;
  private goal: Snapshot | undefined;
  private position = 0;
  private beats = 0;
  private readonly respondOptions: RespondOptions;

  constructor(
    private readonly settings: StreamSettings,
    private readonly transport: Transport,
    private readonly stream: XdsStream,
  ) {
    const { respond, resourceErrors } = settings;
    const errorOf = (typeUrl: string, name: string) => {
      const error = resourceErrors?.(this.stream, typeUrl, name);
      return error && { name, ...error };
    };
    this.respondOptions = {
      ...respond,
      ...(resourceErrors && { errorOf }),
      lost: (state, view) => respond.aliases.lost(this.nodeId(), state, view),
    };
    this.machine = settings.variant === 'sotw' ? sotw : delta;
    this.order = new PushOrder(settings.onlyType === undefined, settings.rules);
    const { quarantine, now } = settings;
    if (quarantine !== undefined) this.holdBack = new HoldBack(quarantine, this.asHeld(), now);
  }

  /** Takes in a request and sends what it asks for, as far as there is a goal. Gives the same as `pump`. */
  receive(request: DiscoveryRequest): number | undefined {
    this.take(request);
    return this.pump();
  }

  /** Takes in a request; what it asks for is sent by the next `pump`. */
  take(request: DiscoveryRequest): void {
    const line = this.line(request.typeUrl);
    const { state } = line;
    if (!state.opened && this.settings.variant === 'delta' && request.held.size > 0) {
      this.order.startFrom(state.typeUrl, heldSnapshot(request.held, state.typeUrl));
    }
    const received = this.machine.receive(state, request);
    if (state.names.names.size > this.settings.limits.namesMax) {
      throw new StreamError(
        'RESOURCE_EXHAUSTED',
        `more than ${this.settings.limits.namesMax} names`,
      );
    }
    if (received.kind === 'ack' || received.kind === 'nack') this.noteAnswer(line, received);
    if (received.kind === 'repeat' && this.mayAnswerRepeat(line)) {
      for (const name of state.names.names) state.owed.add(name);
    }
    line.dirty = true;
    this.settings.callbacks.onRequest?.(this.stream, state.typeUrl);
  }

  /** A new state to bring the client to. Undefined: there is none for now; what was sent stays in force. */
  setGoal(goal: Snapshot | undefined): number | undefined {
    this.goal = goal;
    this.holdBack?.setGoal(goal);
    this.order.setGoal(goal);
    return this.pump();
  }

  /**
   * Sends whatever may go now; to be called after each change of anything. Gives the time at which it should be
   * called again even if nothing happens, or undefined.
   */
  pump(): number | undefined {
    if (this.goal === undefined) return undefined;
    if (this.holdBack?.renew()) for (const line of this.lines.values()) line.dirty = true;
    const awaited = this.order.advance({
      offer: (typeUrl) => {
        const line = this.lines.get(typeUrl);
        if (line === undefined) return;
        line.dirty = true;
        this.trySend(line);
      },
      confirmed: (typeUrl) => this.confirmed(typeUrl),
      sent: (typeUrl) => this.lines.get(typeUrl)?.sentStamp ?? 0,
      asked: (typeUrl) => this.lines.get(typeUrl)?.state.names.names ?? nothingAsked,
    });
    for (const line of this.lines.values()) if (line.dirty) this.trySend(line);
    return this.nextDeadline(awaited);
  }

  /** Lets go of answers that were awaited for too long, then goes on. */
  onTime(): number | undefined {
    const now = this.settings.now();
    const { stepWaitMs, answerWaitMs } = this.settings.times;
    for (const line of this.lines.values()) {
      this.beat(line, now);
      if (!isWaiting(line)) continue;
      if (now - line.sentAt >= stepWaitMs) line.confirmedStamp = line.sentStamp;
      if (now - line.sentAt >= answerWaitMs) line.overdue = true;
    }
    return this.pump();
  }

  /** Each type that was asked for. */
  status(): TypeStatus[] {
    const types: TypeStatus[] = [];
    for (const line of this.lines.values()) {
      if (!line.state.opened) continue;
      const released = this.order.target(line.state.typeUrl);
      types.push(statusOf(line, this.holdBack?.heldBack(line.state, released) ?? []));
    }
    return types;
  }

  /** Each resource of those types. */
  resources(): ResourceStatus[] {
    return [...this.lines.values()].flatMap(({ state, sentAt, nack }) => {
      if (!state.opened) return [];
      const target = this.order.target(state.typeUrl);
      const heldBack = this.holdBack?.heldBack(state, target) ?? [];
      return resourcesOf(state, { target, sentAt, nack, heldBack });
    });
  }

  /** The end: notes what the client has, for its next stream. */
  close(): void {
    this.holdBack?.leave();
    if (this.settings.variant !== 'sotw') return;
    const { aliases } = this.settings.respond;
    for (const { state } of this.lines.values()) {
      aliases.remember(state);
      aliases.rememberHeld(this.nodeId(), state);
    }
  }

  private nodeId(): string {
    return this.stream.node?.id ?? '';
  }

  private line(typeUrl: string): Line {
    let line = this.lines.get(typeUrl);
    if (line === undefined) {
      const { limits, rules } = this.settings;
      if (this.lines.size >= limits.typesMax) {
        throw new StreamError('RESOURCE_EXHAUSTED', `more than ${limits.typesMax} types`);
      }
      line = newLine(rules.of(typeUrl), this.lines.size);
      this.lines.set(typeUrl, line);
    }
    return line;
  }

  private trySend(line: Line): void {
    const { state } = line;
    if (!state.opened || isWaiting(line) || !this.transport.writable()) return;
    const released = this.order.target(state.typeUrl);
    if (released === undefined) return;
    const before = state.sent;
    const reconnecting = before === undefined && state.claimed !== '';
    line.dirty = false;
    const askedAnew = [...state.owed];
    const next = this.respond(state, released);
    if (this.keepsAlive(line)) {
      line.heartbeats.follow(state, this.settings.now(), next !== undefined);
    }
    if (next === undefined) return;
    const { outgoing, target } = next;
    const { typeUrl } = state;
    const { variant, identifier } = this.settings;
    const nonce = noteSent(state, outgoing, target);
    const sotwTtl = this.hasSotwTtl(line);
    const pieces = responsePieces(outgoing, { variant, typeUrl, nonce, identifier, sotwTtl });
    line.sentAt = this.settings.now();
    line.sentStamp = this.order.stamp;
    line.overdue = false;
    line.rejected = false;
    line.position = ++this.position;
    this.transport.write(pieces);
    this.settings.callbacks.onResponse?.(this.stream, typeUrl, {
      version: outgoing.version,
      resources: outgoing.resources.length,
      bytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
    });
    if (typeUrl === CLUSTER && (before !== undefined || reconnecting))
      this.warm(before, state.sent!);
    if (askedAnew.length > 0) this.sendParts(typeUrl, askedAnew);
  }

  /** A client that asks for a whole anew may have dropped its parts, and does not ask for those. */
  private sendParts(typeUrl: string, names: readonly string[]): void {
    const partType = this.settings.rules.partsOf(typeUrl);
    const line = partType === undefined ? undefined : this.lines.get(partType);
    if (partType === undefined || !line?.state.opened) return;
    const wholes = new Set(names);
    for (const name of this.order.target(partType)?.resources.keys() ?? []) {
      if (wholes.has(name.slice(0, name.lastIndexOf('/')))) line.state.warming.add(name);
    }
    line.dirty = true;
    this.trySend(line);
  }

  /** What is to be sent now, with what is held back left out; undefined: nothing. */
  private respond(state: TypeState, released: TypeSnapshot) {
    for (;;) {
      const before = state.sent;
      const target = this.holdBack?.filter(state, released) ?? released;
      const outgoing = this.machine.respond(state, target, this.respondOptions);
      if (outgoing !== undefined) return { outgoing, target };
      if (state.accepted === before) state.accepted = state.sent;
      if (state.search === undefined) return undefined;
      // Nothing has to be sent for this part of a search, as the goal has changed: on with the next one.
      this.holdBack!.skipped(state);
    }
  }

  private keepsAlive(line: Line): boolean {
    const { ttl, variant } = this.settings;
    return variant === 'delta' ? ttl !== undefined : this.hasSotwTtl(line);
  }

  /** TTLs in SotW are for clients that are known to take them, and never for types whose clients end of them. */
  private hasSotwTtl({ state }: Line): boolean {
    const { ttl, variant } = this.settings;
    return ttl === 'all' && variant === 'sotw' && state.rule.noSotwTtl !== true;
  }

  /**
   * Says of what the client has accepted that it is alive. In delta beside the responses, with nonces of their own:
   * their ACKs say nothing. In SotW the resources themselves are sent again.
   */
  private beat(line: Line, now: number): void {
    const { state, heartbeats } = line;
    const { variant, identifier } = this.settings;
    if (!state.opened || !this.transport.writable()) return;
    if (variant === 'sotw' && isWaiting(line)) return;
    const alive = heartbeats.take(state, now);
    if (alive === undefined) return;
    if (variant === 'sotw') {
      for (const { name } of alive) state.owed.add(name);
      state.answerOwed = isWholeSet(state);
      line.dirty = true;
      return;
    }
    const { typeUrl, lastVersion: version } = state;
    const nonce = `alive.${++this.beats}`;
    const outgoing = { version, resources: heartbeatOf(alive), removed: [] };
    this.transport.write(responsePieces(outgoing, { variant, typeUrl, nonce, identifier }));
  }

  /**
   * Clusters that were sent anew warm until their endpoints come after them, even unchanged ones; delta clients do
   * not ask (xDS "Resource warming"; xds-protocol 20).
   */
  private warm(before: TypeSnapshot | undefined, after: TypeSnapshot): void {
    if (this.settings.onlyType !== undefined) return;
    const line = this.line(ENDPOINT);
    const { changed, removed } = diffTypes(before, after);
    for (const cluster of changed) {
      const name = endpointNameOf(cluster);
      if (name === undefined) continue;
      // Names that are not asked for yet will be, and are answered then.
      if (!line.state.opened || line.state.names.names.has(name)) line.state.warming.add(name);
    }
    for (const cluster of removed) {
      const name = endpointNameOf(before!.resources.get(cluster)!);
      if (name !== undefined) line.state.warming.delete(name);
    }
    line.dirty = true;
    this.trySend(line);
  }

  /** The same request again, nonce and all: Envoy asks for resources that it has, because it warms their user. */
  private mayAnswerRepeat(line: Line): boolean {
    const { usedBy } = line.state.rule;
    if (usedBy === undefined) return false;
    if (this.settings.onlyType !== undefined) return true;
    const user = this.lines.get(usedBy);
    return user !== undefined && user.position > line.position;
  }

  private noteAnswer(line: Line, received: Received): void {
    const { callbacks } = this.settings;
    const at = new Date(this.settings.now());
    const { version } = received;
    const { state } = line;
    const { typeUrl, lastResources } = state;
    if (received.kind === 'ack') {
      this.holdBack?.takenWell(state);
      // Parts of what was refused are still to be sent: what waits for this type waits for them.
      if (state.search === undefined) line.confirmedStamp = line.sentStamp;
      line.acked = { version, at };
      line.nack = undefined;
      callbacks.onAck?.(this.stream, typeUrl, version);
      return;
    }
    const message = received.message.slice(0, nackMessageMax);
    let resources = resourcesAtFault(message, [...lastResources]);
    if (this.holdBack !== undefined) {
      const culprits = this.holdBack.refused(state, received.message);
      if (culprits.length > 0) resources = culprits.map(({ name }) => name);
    } else settleRefused(state, message);
    const searching = state.search !== undefined;
    if (!searching) line.confirmedStamp = line.sentStamp;
    line.nack = { message, version, at, resources };
    line.rejected = !searching;
    const event = { version, message, resourceNames: resources, searching };
    callbacks.onNack?.(this.stream, typeUrl, event);
  }

  private asHeld(): Held {
    return {
      stream: this.stream,
      state: (typeUrl) => this.lines.get(typeUrl)?.state,
      isAtRest: (typeUrl) => {
        const line = this.lines.get(typeUrl);
        return line?.acked !== undefined && !line.dirty && !line.state.inFlight;
      },
      target: (typeUrl) => this.order.target(typeUrl),
      wake: () => this.transport.wake?.(),
    };
  }

  private confirmed(typeUrl: string): number {
    const line = this.lines.get(typeUrl);
    if (line === undefined || !line.state.opened) return Number.POSITIVE_INFINITY;
    if (line.dirty) this.trySend(line);
    const atRest = !line.dirty && !isWaiting(line);
    return atRest ? Number.POSITIVE_INFINITY : line.confirmedStamp;
  }

  /** When to look again: at the end of a wait that holds something back. */
  private nextDeadline(awaited: readonly string[]): number | undefined {
    let next: number | undefined;
    const { stepWaitMs, answerWaitMs } = this.settings.times;
    const isDelta = this.settings.variant === 'delta';
    for (const [typeUrl, line] of this.lines) {
      const beatAt = line.heartbeats.next();
      const mayBeat = this.transport.writable() && (isDelta || !isWaiting(line));
      if (beatAt !== undefined && mayBeat && (next === undefined || beatAt < next)) next = beatAt;
      if (!isWaiting(line)) continue;
      const waits = awaited.includes(typeUrl) && line.confirmedStamp < line.sentStamp;
      if (!waits && !line.dirty) continue;
      const at = line.sentAt + (waits ? stepWaitMs : answerWaitMs);
      if (next === undefined || at < next) next = at;
    }
    return next;
  }
}
