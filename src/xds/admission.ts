// Who may come in, and when: streams of one address, of all, and new ones each second. Those that are too many for
// this second wait in a short queue, unread, rather than be refused: a client that is refused comes back at a time
// of its own, and a fleet of them all at once. Who a client is, is not looked at here.
import type { XdsLimits, XdsTimes } from './options.js';

/** A stream that wants in. Exactly one of the two is called, unless it is taken back before. */
export interface Applicant {
  /** Address without port. */
  readonly address: string;
  /** `leave` is to be called at the stream's end. */
  admit(leave: () => void): void;
  /** `text` says why. Full: `UNAVAILABLE`, later may be better; the peer's own fault: `RESOURCE_EXHAUSTED`. */
  refuse(status: 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED', text: string): void;
}

/** What happened at the door since the start. */
export interface AdmissionCounts {
  admitted: number;
  /** Refused, by the reason. */
  readonly refused: Record<'streams' | 'peer' | 'queue' | 'wait' | 'closing', number>;
}

type Reason = keyof AdmissionCounts['refused'];

interface Entry {
  readonly applicant: Applicant;
  readonly until: number;
  state: 'queued' | 'inside' | 'gone';
}

/** A token bucket with a queue before it. */
export class Admission {
  readonly counts: AdmissionCounts = {
    admitted: 0,
    refused: { streams: 0, peer: 0, queue: 0, wait: 0, closing: 0 },
  };
  private readonly queue = new Set<Entry>();
  private readonly byAddress = new Map<string, number>();
  private inside = 0;
  private tokens: number;
  private filledAt: number;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly limits: XdsLimits,
    private readonly times: XdsTimes,
    // Not the time of day, which may be set back.
    private readonly now: () => number = () => performance.now(),
  ) {
    this.tokens = limits.newStreamsPerSecond;
    this.filledAt = now();
  }

  /** Streams that wait to be let in. */
  get queued(): number {
    return this.queue.size;
  }

  /** Lets a stream in now or later, or refuses it. The function given takes back one that still waits. */
  enter(applicant: Applicant): () => void {
    const { limits } = this;
    const here = this.byAddress.get(applicant.address) ?? 0;
    const refuse = (reason: Reason) => {
      this.refuse(applicant, reason);
      return () => undefined;
    };
    if (this.closed) return refuse('closing');
    if (here >= limits.streamsPerPeerMax) return refuse('peer');
    if (this.inside + this.queue.size >= limits.streamsMax) return refuse('streams');
    const waits = this.queue.size > 0 || !this.takeToken();
    if (waits && this.queue.size >= limits.queuedStreamsMax) return refuse('queue');
    this.byAddress.set(applicant.address, here + 1);
    const until = this.now() + this.times.admissionWaitMs;
    const entry: Entry = { applicant, until, state: 'queued' };
    if (waits) {
      this.queue.add(entry);
      this.schedule();
    } else this.letIn(entry);
    return () => this.leave(entry);
  }

  /** Refuses those who wait, and all who come. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const entry of [...this.queue]) this.turnAway(entry, 'closing');
  }

  private letIn(entry: Entry): void {
    this.queue.delete(entry);
    entry.state = 'inside';
    this.inside++;
    this.counts.admitted++;
    entry.applicant.admit(() => this.leave(entry));
  }

  private leave(entry: Entry): void {
    const { state, applicant } = entry;
    if (state === 'gone') return;
    entry.state = 'gone';
    if (state === 'inside') this.inside--;
    else this.queue.delete(entry);
    const left = (this.byAddress.get(applicant.address) ?? 1) - 1;
    if (left > 0) this.byAddress.set(applicant.address, left);
    else this.byAddress.delete(applicant.address);
  }

  /** Out of the queue without having been in. */
  private turnAway(entry: Entry, reason: Reason): void {
    this.leave(entry);
    this.refuse(entry.applicant, reason);
  }

  private refuse(applicant: Applicant, reason: Reason): void {
    this.counts.refused[reason]++;
    const { limits } = this;
    const texts = {
      closing: 'the server is shutting down',
      peer: `more than ${limits.streamsPerPeerMax} streams of one address`,
      streams: `more than ${limits.streamsMax} streams`,
      queue: `more than ${limits.queuedStreamsMax} streams wait to be served`,
      wait: 'too many new streams at once',
    };
    const mayRetry = reason !== 'peer' && reason !== 'streams';
    applicant.refuse(mayRetry ? 'UNAVAILABLE' : 'RESOURCE_EXHAUSTED', texts[reason]);
  }

  private takeToken(): boolean {
    const rate = this.limits.newStreamsPerSecond;
    if (rate <= 0) return true;
    const now = this.now();
    this.tokens = Math.min(rate, this.tokens + ((now - this.filledAt) / 1000) * rate);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  private schedule(): void {
    if (this.timer !== undefined || this.queue.size === 0) return;
    const nextMs = 1000 / this.limits.newStreamsPerSecond;
    this.timer = setTimeout(() => this.onTimer(), Math.max(5, Math.ceil(nextMs)));
    this.timer.unref();
  }

  private onTimer(): void {
    this.timer = undefined;
    const now = this.now();
    // In the order of arrival, which is that of their patience too.
    for (const entry of this.queue) {
      if (now >= entry.until) this.turnAway(entry, 'wait');
      else if (this.takeToken()) this.letIn(entry);
      else break;
    }
    this.schedule();
  }
}
