// The beginning of a call that lasts, of whatever service: its end is heard of, and who it is from is asked.
import * as grpc from '@grpc/grpc-js';
import { type Authenticate, identify, type XdsIdentity } from './authentication.js';
import type { BytesCall } from './services.js';

/** The end of a call may be told several times, and before who it is from. */
export interface Caller {
  open(identity: XdsIdentity | undefined): void;
  finish(code: grpc.status, details: string): void;
}

/** Opens the call for those whom the hook knows (`identify`), and finishes it for others and when it breaks. */
export function meetCaller(
  call: BytesCall,
  authenticate: Authenticate | undefined,
  { open, finish }: Caller,
): void {
  call.on('cancelled', () => finish(grpc.status.CANCELLED, 'cancelled by the client'));
  call.on('error', () => finish(grpc.status.UNAVAILABLE, 'the connection broke'));
  call.on('close', () => finish(grpc.status.UNAVAILABLE, 'the connection closed'));
  identify(call, authenticate, (judgement) => {
    if ('refused' in judgement) finish(grpc.status.UNAUTHENTICATED, judgement.refused);
    else open(judgement.identity);
  });
}
