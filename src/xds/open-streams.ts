// The streams of a server: how they come in (admission.ts), what they share (turns, memory of responses), and which
// of them are sent away: clients that say nothing, and clients that take nothing. One stream is connection.ts.
import * as grpc from '@grpc/grpc-js';
import { Admission, type AdmissionCounts } from './admission.js';
import { Connection } from './connection.js';
import type { HealthChecks } from './health-checks.js';
import { HealthConnection } from './health-connection.js';
import type { XdsServerOptions } from './options.js';
import type { BytesCall } from './services.js';
import type { StreamSettings } from './stream.js';
import { Turns } from './turns.js';
import { UnsentBytes } from './unsent-bytes.js';

/** A stream is not called silent before this, in ms: its first request comes after it, if only just. */
const silentGraceMs = 1_000;

/** What goes on in a server; counts are since its start, the rest is of this moment. */
export interface XdsServerStats extends AdmissionCounts {
  /** Open discovery streams, those of health checks (HDS), and those of both whose first request has not come. */
  readonly streams: number;
  readonly healthStreams: number;
  readonly silentStreams: number;
  /** New streams that wait to be served. */
  readonly queuedStreams: number;
  /** Bytes that clients have yet to take, for each stream; and the memory that they hold, shared Buffers once. */
  readonly unsentBytes: number;
  readonly unsentMemoryBytes: number;
  /** Streams to which nothing more is written for now, because that memory is at its bound. */
  readonly streamsWaitingForMemory: number;
  /** Streams that have work to do in a turn of the event loop. */
  readonly streamsWaitingForTurn: number;
  /** Streams ended since their clients took nothing (`stalled`), or said nothing while others came (`silent`). */
  readonly ended: { readonly stalled: number; readonly silent: number };
}

/** All streams of one server. */
export class OpenStreams {
  readonly connections = new Set<Connection>();
  private readonly health = new Set<HealthConnection>();
  private readonly silent = new Set<Connection | HealthConnection>();
  private readonly turns = new Turns();
  private readonly unsent: UnsentBytes;
  private readonly admission: Admission;
  private readonly ended = { stalled: 0, silent: 0 };
  private lastId = 0;
  private watch: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: XdsServerOptions,
    private readonly bounds: Pick<StreamSettings, 'limits' | 'times'>,
  ) {
    this.unsent = new UnsentBytes(bounds.limits.unsentBytesMax);
    this.admission = new Admission(bounds.limits, bounds.times);
  }

  /** Takes a call in, now or when its turn has come; until then nothing of it is read. */
  open(call: BytesCall, settings: StreamSettings): void {
    this.enter(call, (leave) => this.start(call, settings, leave));
  }

  /** The same for a stream of health checks. */
  openHealth(call: BytesCall, checks: HealthChecks): void {
    this.enter(call, (leave) => this.startHealth(call, checks, leave));
  }

  private enter(call: BytesCall, admit: (leave: () => void) => void): void {
    const takeBack = this.admission.enter({
      address: addressOf(call.getPeer()),
      admit,
      refuse: (status, details) => call.emit('error', { code: grpc.status[status], details }),
    });
    call.on('cancelled', takeBack);
  }

  /** Ends all streams with UNAVAILABLE and refuses new ones. */
  close(reason: string): void {
    clearInterval(this.watch);
    this.admission.close();
    for (const connection of [...this.connections, ...this.health]) connection.end(reason);
  }

  stats(): XdsServerStats {
    let unsentBytes = 0;
    for (const { outlet } of this.connections) unsentBytes += outlet.unsent;
    const { admitted, refused } = this.admission.counts;
    return {
      admitted,
      refused: { ...refused },
      streams: this.connections.size,
      healthStreams: this.health.size,
      silentStreams: this.silent.size,
      queuedStreams: this.admission.queued,
      unsentBytes,
      unsentMemoryBytes: this.unsent.held,
      streamsWaitingForMemory: this.unsent.waiters,
      streamsWaitingForTurn: this.turns.size,
      ended: { ...this.ended },
    };
  }

  private start(call: BytesCall, settings: StreamSettings, leave: () => void): void {
    const connection = new Connection(call, {
      id: ++this.lastId,
      options: this.options,
      settings,
      turns: this.turns,
      unsent: this.unsent,
      onHeard: (heard) => this.silent.delete(heard),
      onEnd: (ended) => {
        leave();
        this.silent.delete(ended);
        this.connections.delete(ended);
      },
    });
    this.connections.add(connection);
    this.begin(connection);
  }

  private startHealth(call: BytesCall, checks: HealthChecks, leave: () => void): void {
    const { options, turns, bounds } = this;
    const connection = new HealthConnection(call, {
      ...{ checks, options, turns, limits: bounds.limits, times: bounds.times },
      onHeard: (heard) => this.silent.delete(heard),
      onEnd: (ended) => {
        leave();
        this.silent.delete(ended);
        this.health.delete(ended);
      },
    });
    this.health.add(connection);
    this.begin(connection);
  }

  private begin(connection: Connection | HealthConnection): void {
    this.silent.add(connection);
    this.watchStalled();
    connection.start();
    this.endSilent();
  }

  /** Those that have been silent for longest make room: honest clients speak at once. */
  private endSilent(): void {
    const before = Date.now() - silentGraceMs;
    for (const longest of this.silent) {
      if (this.silent.size <= this.bounds.limits.silentStreamsMax) return;
      if (longest.openedAt.getTime() > before) return;
      this.ended.silent++;
      longest.end('too many streams without a first request');
    }
  }

  private watchStalled(): void {
    if (this.watch !== undefined) return;
    const { stallMs, stallWhenFullMs } = this.bounds.times;
    const everyMs = Math.max(10, Math.min(stallMs, stallWhenFullMs) / 4);
    this.watch = setInterval(() => {
      this.endSilent();
      this.cutStalled();
    }, everyMs);
    this.watch.unref();
  }

  private cutStalled(): void {
    const { stallMs, stallWhenFullMs } = this.bounds.times;
    const full = this.unsent.waiters > 0 && !this.unsent.hasRoom();
    const boundMs = full ? Math.min(stallMs, stallWhenFullMs) : stallMs;
    for (const connection of [...this.connections]) {
      if (connection.outlet.stalledMs < boundMs) continue;
      this.ended.stalled++;
      connection.cut(`nothing was read for ${Math.round(boundMs / 1000)} s`);
    }
  }
}

/** The address without its port; sockets without one (Unix) are all one peer. */
function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, '');
}
