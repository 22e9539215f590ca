// The way out of a stream: messages go to the client in chunks, each after the one before it was taken, so that what
// waits is known and bounded, pings are not stuck behind megabytes, and a client that does not read is noticed.
// Nothing is copied where the HTTP/2 stream can be reached (raw-stream.ts). What is sent is decided elsewhere.
import * as grpc from '@grpc/grpc-js';
import { type RawStream, rawStreamOf } from './raw-stream.js';
import type { BytesCall } from './services.js';
import type { UnsentBytes } from './unsent-bytes.js';

/**
 * Bytes given to HTTP/2 at a time: 1 s on a line of 1 Mbit/s, so that pings pass; and 200 sockets that become writable
 * together are 25 MB to copy into the kernel, within one pass of the event loop.
 */
const chunkBytes = 128 * 1024;

/** HTTP/2's codes for a stream cut off: RFC 9113, 7. gRPC clients read the last as RESOURCE_EXHAUSTED. */
const NO_ERROR = 0;
const ENHANCE_YOUR_CALM = 11;

/** How the outlet ends what does not end by itself. */
export interface OutletOptions {
  readonly unsent: UnsentBytes;
  /** Called when the client took a message, or there is room for one again. */
  readonly onReady: () => void;
  /** Runs a job in a turn of its own: sockets of many clients become writable together. */
  readonly later: (job: () => void) => void;
  /** After the end of a stream its client may still send for so long, in ms. */
  readonly lingerMs: number;
  readonly now: () => number;
}

interface Message {
  readonly pieces: readonly Buffer[];
  /** What was not given to HTTP/2 yet, with its prefix. */
  rest: Buffer[];
}

/** Writes messages to one call, and its status at the end. */
export class Outlet {
  private readonly raw: RawStream | undefined;
  private readonly messages: Message[] = [];
  private sending = false;
  private ended = false;
  private progressAt: number;
  private readonly next = () => this.sendNext();

  constructor(
    private readonly call: BytesCall,
    private readonly options: OutletOptions,
  ) {
    this.raw = rawStreamOf(call);
    this.progressAt = options.now();
  }

  /** True when messages go out without being copied. */
  get direct(): boolean {
    return this.raw !== undefined;
  }

  /** Bytes of messages that the client has not taken, whether or not others share them. */
  get unsent(): number {
    let sum = 0;
    for (const { pieces } of this.messages) for (const { length } of pieces) sum += length;
    return sum;
  }

  /** How long the client has taken nothing although something waits for it, in ms; 0 when nothing does. */
  get stalledMs(): number {
    return this.messages.length === 0 ? 0 : this.options.now() - this.progressAt;
  }

  /** May a message be made? One may wait here while another is on its way. False: `onReady` will be called. */
  writable(): boolean {
    if (this.ended || this.messages.length > 1) return false;
    if (this.messages.length === 1 && this.unsent > chunkBytes) return false;
    if (this.options.unsent.hasRoom()) return true;
    this.options.unsent.await(this.options.onReady);
    return false;
  }

  /** Sends a message. Its Buffers may be shared, and must not change any more. */
  write(pieces: readonly Buffer[]): void {
    if (this.ended) return;
    if (this.messages.length === 0) this.progressAt = this.options.now();
    this.options.unsent.add(pieces);
    const rest = this.raw ? [prefixOf(pieces), ...pieces.filter(({ length }) => length > 0)] : [];
    this.messages.push({ pieces, rest });
    if (!this.sending) this.sendNext();
  }

  /** Ends the stream with this status, after what is on its way. */
  finish(code: grpc.status, details: string): void {
    if (this.ended) return;
    this.ended = true;
    this.options.unsent.forget(this.options.onReady);
    const { raw, call } = this;
    // A message that was begun must be whole, so that the status is where the client looks for it.
    if (raw !== undefined && alive(raw)) {
      for (const { rest } of this.messages) if (rest.length > 0) writeAll(raw, rest);
    }
    this.dropAll();
    if (code === grpc.status.OK) call.end();
    else call.emit('error', { code, details });
    if (raw === undefined) return;
    // One who neither reads nor stops writing would keep the stream for ever.
    setTimeout(() => {
      if (!raw.destroyed) raw.close(raw.writableFinished ? NO_ERROR : ENHANCE_YOUR_CALM);
    }, this.options.lingerMs).unref();
  }

  /** Ends a stream whose client does not read: a status would have to wait behind what it does not take. */
  cut(code: grpc.status, details: string): void {
    if (this.raw === undefined) {
      this.finish(code, details);
      return;
    }
    if (this.ended) return;
    this.ended = true;
    this.options.unsent.forget(this.options.onReady);
    this.dropAll();
    this.raw.close(ENHANCE_YOUR_CALM);
  }

  private dropAll(): void {
    for (const { pieces } of this.messages) this.options.unsent.remove(pieces);
    this.messages.length = 0;
  }

  private sendNext(): void {
    const message = this.messages[0];
    if (message === undefined || this.ended || this.sending) return;
    const { raw } = this;
    if (raw === undefined) {
      const { pieces } = message;
      const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      this.sending = true;
      this.call.write(bytes, () => this.taken());
      return;
    }
    if (!alive(raw)) return;
    // grpc-js's headers, by its own way; it notes that they are gone and adds the status as trailers at the end.
    if (!raw.headersSent) this.call.sendMetadata(new grpc.Metadata());
    this.sending = true;
    writeAll(raw, takeChunk(message.rest), () => this.taken());
  }

  /** The client (or the kernel on its behalf) has the last chunk. */
  private taken(): void {
    this.sending = false;
    if (this.ended) return;
    this.progressAt = this.options.now();
    const message = this.messages[0];
    if (message === undefined) return;
    const done = message.rest.length === 0;
    if (done) this.messages.shift();
    if (this.messages.length > 0) this.options.later(this.next);
    if (!done) return;
    this.options.unsent.remove(message.pieces);
    this.options.onReady();
  }
}

/** False when grpc-js ended the stream below us (a deadline, a bad frame) or the client is gone. */
function alive(raw: RawStream): boolean {
  return !raw.destroyed && !raw.writableEnded;
}

/** Corked, they are one writev, which Node's HTTP/2 sends from where they are. */
function writeAll(raw: RawStream, buffers: readonly Buffer[], done?: () => void): void {
  raw.cork();
  const last = buffers.length - 1;
  buffers.forEach((buffer, i) => {
    raw.write(buffer, i === last ? done : undefined);
  });
  raw.uncork();
}

/** Takes the first chunk off, without copying. */
function takeChunk(rest: Buffer[]): Buffer[] {
  const chunk: Buffer[] = [];
  let room = chunkBytes;
  while (rest.length > 0 && room > 0) {
    const next = rest[0]!;
    if (next.length <= room) rest.shift();
    else rest[0] = next.subarray(room);
    chunk.push(next.subarray(0, room));
    room -= next.length;
  }
  return chunk;
}

/** gRPC's Length-Prefixed-Message: not compressed, four bytes of length (PROTOCOL-HTTP2). */
function prefixOf(pieces: readonly Buffer[]): Buffer {
  const prefix = Buffer.allocUnsafe(5);
  let length = 0;
  for (const piece of pieces) length += piece.length;
  prefix.writeUInt8(0, 0);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}
