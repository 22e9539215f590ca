// The HTTP/2 stream below a grpc-js call, for writing messages without a copy. It is reached through fields that
// grpc-js does not promise, so it is looked for, not taken for granted (docs/decisions/0005). Writing is in outlet.ts.
import type * as http2 from 'node:http2';
import type { BytesCall } from './services.js';

/** What is used of an HTTP/2 stream; the rest stays grpc-js's. */
export type RawStream = Pick<
  http2.ServerHttp2Stream,
  | 'write'
  | 'cork'
  | 'uncork'
  | 'close'
  | 'destroyed'
  | 'writableEnded'
  | 'writableFinished'
  | 'headersSent'
>;

const methods = ['write', 'cork', 'uncork', 'close'] as const;

/**
 * The HTTP/2 stream of a call, or undefined where this grpc-js keeps it elsewhere, or where interceptors stand between
 * (they may want to see or change messages).
 */
export function rawStreamOf(call: BytesCall): RawStream | undefined {
  const inner = (call as unknown as { call?: unknown }).call;
  if (!isObject(inner)) return undefined;
  // An intercepting call has `nextCall`; grpc-js's own, at the bottom, has the stream and notes that headers went out.
  const { stream, metadataSent, nextCall } = inner;
  if (nextCall !== undefined || typeof metadataSent !== 'boolean' || !isObject(stream)) {
    return undefined;
  }
  if (methods.some((name) => typeof stream[name] !== 'function')) return undefined;
  if (typeof stream['headersSent'] !== 'boolean') return undefined;
  return stream as unknown as RawStream;
}

/**
 * Keeps no more than one unread request in a call that is paused; grpc-js's own bound is 16, of any size. Without
 * effect where Node's streams keep that number elsewhere.
 */
export function readOneAtATime(call: BytesCall): void {
  const state = (call as unknown as { _readableState?: { highWaterMark?: unknown } })
    ._readableState;
  if (typeof state?.highWaterMark === 'number') state.highWaterMark = 1;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
