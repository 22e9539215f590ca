// One gRPC call of a client that runs health checks (HDS): who it is, by the same hooks and bounds as a discovery stream
// (connection.ts), its reports, and what it is told to check. What is checked is the embedding program's business.
import * as grpc from '@grpc/grpc-js';
import { type CheckedEndpoint, readHealthMessage } from '../envoy/health-message.js';
import { errorMessage } from '../lib/error.js';
import { consult, type XdsIdentity } from './authentication.js';
import type { HealthCheckStream, HealthChecks } from './health-checks.js';
import { meetCaller } from './meet-caller.js';
import { readNode, type XdsNode } from './node.js';
import type { XdsLimits, XdsServerOptions, XdsTimes } from './options.js';
import { readOneAtATime } from './raw-stream.js';
import { StreamError } from './read-request.js';
import type { BytesCall } from './services.js';
import type { Turns } from './turns.js';

/** No more than one report in this time, in ms, is taken of a client; Envoy sends one a second. */
const reportPauseMs = 100;
/** As many times as long as a message took: one stream has at most a quarter of the event loop. */
const costlyPause = 3;

/** What the server gives to each of them. */
export interface HealthConnectionOwner {
  readonly checks: HealthChecks;
  readonly options: Pick<XdsServerOptions, 'authenticate' | 'authorize'>;
  readonly limits: Pick<XdsLimits, 'requestBytesMax' | 'nodeBytesMax'>;
  readonly times: Pick<XdsTimes, 'firstRequestMs'>;
  readonly turns: Turns;
  /** The client has sent something. */
  readonly onHeard: (connection: HealthConnection) => void;
  readonly onEnd: (connection: HealthConnection) => void;
}

/** A stream of health checks, from its opening to its end. */
export class HealthConnection implements HealthCheckStream {
  readonly peer: string;
  readonly openedAt = new Date();
  identity: XdsIdentity | undefined;
  node: XdsNode | undefined;
  private ended = false;
  /** The program knows of it. */
  private joined = false;
  private halfClosed = false;
  private readonly messages: Buffer[] = [];
  private lastReport: { bytes: Buffer; endpoints: readonly CheckedEndpoint[] } | undefined;
  private sent: Buffer | undefined;
  private due: Buffer | undefined;
  private blocked = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly work = () => this.guarded(() => this.turn());

  constructor(
    private readonly call: BytesCall,
    private readonly owner: HealthConnectionOwner,
  ) {
    this.peer = call.getPeer();
  }

  /** Begins to read. Apart from the constructor, so that the owner can note it first. */
  start(): void {
    const { call, owner } = this;
    this.timer = setTimeout(() => {
      const missing = this.node === undefined ? 'no request was sent' : 'nobody has let it in';
      this.finish(grpc.status.DEADLINE_EXCEEDED, missing);
    }, owner.times.firstRequestMs).unref();
    meetCaller(call, owner.options.authenticate, {
      open: (identity) => this.open(identity),
      finish: (code, details) => this.finish(code, details),
    });
  }

  send(specifier: Buffer): void {
    if (this.ended || this.sent?.equals(specifier)) return;
    this.sent = specifier;
    this.due = specifier;
    this.flush();
  }

  end(reason: string): void {
    this.finish(grpc.status.UNAVAILABLE, reason);
  }

  /** A client that does not read has one specifier, the latest, waiting for it. */
  private flush(): void {
    const { call, due } = this;
    if (this.ended || this.blocked || due === undefined) return;
    this.due = undefined;
    if (call.write(due)) return;
    this.blocked = true;
    call.once('drain', () => {
      this.blocked = false;
      this.flush();
    });
  }

  /** Nothing is read before the client is known. */
  private open(identity: XdsIdentity | undefined): void {
    if (this.ended) return;
    const { call, owner } = this;
    this.identity = identity;
    readOneAtATime(call);
    call.on('data', (bytes: Buffer) => {
      if (this.ended) return;
      call.pause();
      this.messages.push(bytes);
      owner.onHeard(this);
      owner.turns.add(this.work, true);
    });
    call.on('end', () => {
      this.halfClosed = true;
      owner.turns.add(this.work);
    });
  }

  private turn(): void {
    if (this.ended) return;
    const bytes = this.messages.shift();
    if (bytes === undefined) {
      if (this.halfClosed) this.finish(grpc.status.OK, '');
      return;
    }
    const startMs = performance.now();
    this.take(bytes);
    if (this.ended) return;
    const pauseMs = Math.max(reportPauseMs, (performance.now() - startMs) * costlyPause);
    setTimeout(() => this.readOn(), pauseMs).unref();
  }

  private readOn(): void {
    if (this.ended) return;
    if (this.messages.length > 0) this.owner.turns.add(this.work, true);
    else this.call.resume();
  }

  private take(bytes: Buffer): void {
    const last = this.lastReport;
    if (last?.bytes.equals(bytes)) {
      this.owner.checks.onReport(this, last.endpoints);
      return;
    }
    const { requestBytesMax } = this.owner.limits;
    if (bytes.length > requestBytesMax) {
      throw new StreamError(
        'RESOURCE_EXHAUSTED',
        `a message of more than ${requestBytesMax} bytes`,
      );
    }
    const message = readMessage(bytes);
    if (this.node === undefined) this.meet('node' in message ? message.node : undefined);
    else if ('endpoints' in message && this.joined) {
      const { endpoints } = message;
      this.lastReport = { bytes, endpoints };
      this.owner.checks.onReport(this, endpoints);
    }
  }

  private meet(bytes: Uint8Array | undefined): void {
    const { options, checks, limits } = this.owner;
    if (bytes === undefined) {
      const text = 'the first message of a stream must be a health check request with a node';
      throw new StreamError('INVALID_ARGUMENT', text);
    }
    if (bytes.length > limits.nodeBytesMax) {
      const text = `a node of more than ${limits.nodeBytesMax} bytes`;
      throw new StreamError('RESOURCE_EXHAUSTED', text);
    }
    let node: XdsNode;
    try {
      node = readNode(bytes);
    } catch {
      throw new StreamError('INVALID_ARGUMENT', 'the node cannot be read');
    }
    this.node = node;
    const ask = (question: () => void | Promise<void>, next: () => void) =>
      consult(question, {
        yes: () => this.ended || this.guarded(next),
        no: (reason) => this.finish(grpc.status.PERMISSION_DENIED, reason),
      });
    const join = () => {
      // Told before it is asked, so that what is opened there is closed there, too.
      this.joined = true;
      ask(
        () => checks.onNode(this, node),
        () => clearTimeout(this.timer),
      );
    };
    ask(() => options.authorize?.(this.identity, node), join);
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

  private finish(code: grpc.status, details: string): void {
    if (this.ended) return;
    this.ended = true;
    const { call, owner } = this;
    clearTimeout(this.timer);
    owner.turns.remove(this.work);
    this.messages.length = 0;
    this.due = undefined;
    if (code === grpc.status.OK) call.end();
    else if (!call.cancelled) call.emit('error', { code, details });
    owner.onEnd(this);
    if (!this.joined) return;
    try {
      owner.checks.onClosed(this);
    } catch {
      // The stream is gone already; there is nobody left to tell.
    }
  }
}

function readMessage(bytes: Buffer) {
  try {
    return readHealthMessage(bytes);
  } catch {
    throw new StreamError('INVALID_ARGUMENT', 'the message cannot be read');
  }
}
