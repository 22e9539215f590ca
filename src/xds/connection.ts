// One gRPC call that carries a discovery stream: reads requests, finds out who it is, joins the stream to the
// snapshots of its group, keeps its timer, and ends it. Whatever is work is done in turns, never in an event. The
// protocol is in stream.ts, the way out in outlet.ts.
import * as grpc from '@grpc/grpc-js';
import type { DiscoveryRequest } from '../envoy/discovery.js';
import { errorMessage } from '../lib/error.js';
import { consult, type XdsIdentity } from './authentication.js';
import { meetCaller } from './meet-caller.js';
import { readNode, type XdsNode } from './node.js';
import type { XdsServerOptions } from './options.js';
import { Outlet } from './outlet.js';
import { readOneAtATime } from './raw-stream.js';
import { readRequest, StreamError } from './read-request.js';
import type { BytesCall } from './services.js';
import type { ResourceStatus, StreamStatus, TypeStatus, XdsStream } from './status.js';
import { ProtocolStream, type StreamSettings, type Transport } from './stream.js';
import type { Turns } from './turns.js';
import type { UnsentBytes } from './unsent-bytes.js';

/** By this Istio's agents tell how their workload is; it asks for nothing. */
const HEALTH_INFORMATION = 'type.googleapis.com/istio.v1.HealthInformation';

/** A request that took longer than this, in ms, makes its stream wait before the next one is read. */
const costlyMs = 5;
/** As many times as long as the request took: one stream has at most a quarter of the event loop. */
const costlyPause = 3;
/** After a stream's end its client may still send for so long, in ms. */
const lingerMs = 1_000;

/** What the server gives to each connection. */
export interface ConnectionOwner {
  readonly id: number;
  readonly options: XdsServerOptions;
  readonly settings: StreamSettings;
  readonly turns: Turns;
  readonly unsent: UnsentBytes;
  /** The client has sent something. */
  readonly onHeard: (connection: Connection) => void;
  readonly onEnd: (connection: Connection) => void;
}

/** A discovery stream of one client, from its opening to its end. */
export class Connection implements XdsStream, Transport {
  readonly peer: string;
  readonly variant: XdsStream['variant'];
  readonly aggregated: boolean;
  readonly openedAt: Date;
  identity: XdsIdentity | undefined;
  node: XdsNode | undefined;
  group: string | undefined;
  readonly outlet: Outlet;
  private readonly protocol: ProtocolStream;
  private ended = false;
  /** What the next turn of this stream is for. */
  private readonly requests: Buffer[] = [];
  private joinDue: XdsNode | undefined;
  private goalDue = false;
  private pumpDue = false;
  private halfClosed = false;
  /** What the client told of its workload before it was let in. */
  private health: { error: string | undefined } | undefined;
  /** Its client was authenticated and the program told of it. */
  private opened = false;
  private unwatch: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private timerAt: number | undefined;

  readonly id: number;
  private readonly options: XdsServerOptions;
  private readonly settings: StreamSettings;
  private readonly work = () => this.guarded(() => this.turn());

  constructor(
    private readonly call: BytesCall,
    private readonly owner: ConnectionOwner,
  ) {
    const { settings } = owner;
    this.id = owner.id;
    this.options = owner.options;
    this.settings = settings;
    this.peer = call.getPeer();
    this.variant = settings.variant;
    this.aggregated = settings.onlyType === undefined;
    this.openedAt = new Date(settings.now());
    this.outlet = new Outlet(call, {
      unsent: owner.unsent,
      onReady: () => this.ready(),
      later: (job) => owner.turns.add(job, true),
      lingerMs,
      now: settings.now,
    });
    this.protocol = new ProtocolStream(settings, this, this);
  }

  /** Begins to read. Apart from the constructor, so that the owner can note the connection first. */
  start(): void {
    const { call, settings, options } = this;
    this.setTimer(settings.now() + settings.times.firstRequestMs);
    meetCaller(call, options.authenticate, {
      open: (identity) => this.open(identity),
      finish: (code, details) => this.finish(code, details),
    });
  }

  /** Nothing is read before the client is known. */
  private open(identity: XdsIdentity | undefined): void {
    if (this.ended) return;
    const { call, options } = this;
    this.identity = identity;
    this.opened = true;
    readOneAtATime(call);
    call.on('data', (bytes: Buffer) => {
      if (this.ended) return;
      // Nothing more is read, so that the client waits and not its requests, until this one is taken in.
      call.pause();
      this.requests.push(bytes);
      this.owner.onHeard(this);
      this.owner.turns.add(this.work, true);
    });
    call.on('end', () => {
      this.halfClosed = true;
      this.owner.turns.add(this.work);
    });
    this.guarded(() => options.callbacks?.onStreamOpen?.(this));
  }

  status(): StreamStatus {
    const { id, peer, variant, aggregated, openedAt, identity, node, group } = this;
    const types = this.protocol.status();
    return {
      ...{ id, peer, variant, aggregated, openedAt },
      ...(identity && { identity }),
      ...(node && { node }),
      ...(group !== undefined && { group }),
      types: this.goalDue ? types.map(pending) : types,
    };
  }

  resources(): readonly ResourceStatus[] {
    return this.protocol.resources();
  }

  end(reason: string): void {
    this.finish(grpc.status.UNAVAILABLE, reason);
  }

  /** Ends a stream whose client takes nothing of what it is sent. */
  cut(reason: string): void {
    this.finish(grpc.status.RESOURCE_EXHAUSTED, reason, true);
  }

  write(pieces: readonly Buffer[]): void {
    this.outlet.write(pieces);
  }

  writable(): boolean {
    return !this.ended && this.outlet.writable();
  }

  wake(): void {
    if (this.ended) return;
    this.pumpDue = true;
    this.owner.turns.add(this.work);
  }

  /** All that this stream has to do now. */
  private turn(): void {
    if (this.ended) return;
    const node = this.joinDue;
    this.joinDue = undefined;
    if (node !== undefined) this.join(node);
    if (this.ended) return;
    if (this.goalDue) this.serveGoal();
    else if (this.pumpDue) this.setTimer(this.protocol.pump());
    this.pumpDue = false;
    const bytes = this.requests.shift();
    if (bytes !== undefined) this.onRequest(bytes);
    // A client's half-close ends the stream with OK, once it was answered.
    else if (this.halfClosed && (this.group !== undefined || this.node === undefined)) {
      this.finish(grpc.status.OK, '');
    }
  }

  private onRequest(bytes: Buffer): void {
    if (this.ended) return;
    const startMs = performance.now();
    const request = readRequest(bytes, this.settings);
    if (request.typeUrl === HEALTH_INFORMATION) {
      this.noteHealth(request);
      this.readOn(0);
      return;
    }
    if (this.node === undefined) this.meet(request);
    this.protocol.take(request);
    const tookMs = performance.now() - startMs;
    const at = this.protocol.pump();
    if (this.ended) return;
    // Until it has joined, the timer is that of its coming.
    if (this.group !== undefined) this.setTimer(at);
    this.readOn(tookMs);
  }

  /** Istio ignores what comes before the first request; the agent says it again after that. */
  private noteHealth({ error }: DiscoveryRequest): void {
    if (this.node === undefined) return;
    this.health = { error: error?.message };
    if (this.group !== undefined) this.tellHealth();
  }

  private tellHealth(): void {
    const { health } = this;
    this.health = undefined;
    if (health) this.options.callbacks?.onHealthInformation?.(this, health.error);
  }

  private readOn(tookMs: number): void {
    const resume = () => {
      if (!this.ended) this.call.resume();
    };
    if (this.requests.length > 0) this.owner.turns.add(this.work, true);
    else if (tookMs < costlyMs) resume();
    else setTimeout(resume, tookMs * costlyPause).unref();
  }

  private ready(): void {
    if (this.ended) return;
    this.pumpDue = true;
    this.owner.turns.add(this.work, true);
  }

  /** The first request: it says who the client is, and nothing is answered before the program has heard of it. */
  private meet(request: DiscoveryRequest): void {
    if (request.node === undefined) {
      throw new StreamError('INVALID_ARGUMENT', 'the first request of a stream must have a node');
    }
    let node: XdsNode;
    try {
      node = readNode(request.node);
    } catch {
      throw new StreamError('INVALID_ARGUMENT', 'the node cannot be read');
    }
    this.node = node;
    const join = () => {
      this.joinDue = node;
      this.owner.turns.add(this.work);
    };
    const { authorize, callbacks } = this.options;
    this.ask(
      () => authorize?.(this.identity, node),
      () => this.ask(() => callbacks?.onNode?.(this, node), join),
    );
  }

  /** Asks the embedding program, which may take its time; an exception is a no. */
  private ask(question: () => void | Promise<void>, next: () => void): void {
    consult(question, {
      yes: () => this.ended || this.guarded(next),
      no: (reason) => this.finish(grpc.status.PERMISSION_DENIED, reason),
    });
  }

  private join(node: XdsNode): void {
    const group = this.options.groupOf?.(node, this) ?? node.id;
    if (this.ended) return;
    this.group = group;
    this.setTimer(undefined);
    this.tellHealth();
    if (this.ended) return;
    // Not within the caller's `set`: a thousand streams would hold the event loop. Several sets merge on the way.
    this.unwatch = this.options.cache.watch(group, () => {
      this.goalDue = true;
      this.owner.turns.add(this.work);
    });
    this.goalDue = true;
  }

  private serveGoal(): void {
    this.goalDue = false;
    if (this.group === undefined) return;
    const goal = this.options.cache.get(this.group);
    if (!this.ended) this.setTimer(this.protocol.setGoal(goal));
  }

  private setTimer(at: number | undefined): void {
    if (at === this.timerAt || this.ended) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    if (at === undefined) return;
    const delay = Math.max(1, at - this.settings.now());
    this.timer = setTimeout(() => this.guarded(() => this.onTimer()), delay);
    this.timer.unref();
  }

  private onTimer(): void {
    this.timerAt = undefined;
    if (this.group === undefined) {
      const missing = this.node === undefined ? 'no request was sent' : 'nobody has let it in';
      this.finish(grpc.status.DEADLINE_EXCEEDED, missing);
      return;
    }
    this.setTimer(this.protocol.onTime());
  }

  /** A failure ends this stream and nothing else. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof StreamError) this.finish(grpc.status[error.status], error.message);
      else this.finish(grpc.status.INTERNAL, errorMessage(error));
    }
  }

  private finish(code: grpc.status, details: string, stalled = false): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.unwatch?.();
    this.protocol.close();
    this.owner.turns.remove(this.work);
    this.requests.length = 0;
    if (stalled) this.outlet.cut(code, details);
    else this.outlet.finish(code, details);
    this.owner.onEnd(this);
    if (!this.opened) return;
    try {
      this.options.callbacks?.onStreamClosed?.(this);
    } catch {
      // The stream is gone already; there is nobody left to tell.
    }
  }
}

/** A newer state waits for its turn: what is in step now may not be so any more. */
function pending(type: TypeStatus): TypeStatus {
  return type.state === 'SYNCED' ? { ...type, state: 'PENDING' } : type;
}
