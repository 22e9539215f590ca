// The bytes of one request, read within the bounds of the server: whatever is too much or senseless ends the stream with
// a clear status. What a request does is in stream.ts.
import {
  type DiscoveryRequest,
  RequestTooLarge,
  readDiscoveryRequest,
} from '../envoy/discovery.js';
import type { XdsLimits } from './options.js';
import type { Variant } from './status.js';

/** A request that ends the stream. */
export class StreamError extends Error {
  constructor(
    readonly status: 'INVALID_ARGUMENT' | 'RESOURCE_EXHAUSTED',
    message: string,
  ) {
    super(message);
  }
}

/** What a stream may send. `onlyType`: the type of a single-type service, which requests need not tell. */
export interface Readable {
  readonly variant: Variant;
  readonly onlyType: string | undefined;
  readonly limits: XdsLimits;
}

/** The request, its type filled in. Throws a StreamError. */
export function readRequest(bytes: Uint8Array, readable: Readable): DiscoveryRequest {
  const { onlyType, limits } = readable;
  const request = decoded(bytes, readable);
  if (request.typeUrl === '') request.typeUrl = onlyType ?? '';
  if (request.typeUrl === '') throw new StreamError('INVALID_ARGUMENT', 'type_url is empty');
  if (onlyType !== undefined && request.typeUrl !== onlyType) {
    throw new StreamError('INVALID_ARGUMENT', `this service serves ${onlyType} only`);
  }
  if ((request.node?.length ?? 0) > limits.nodeBytesMax) {
    const text = `a node of more than ${limits.nodeBytesMax} bytes`;
    throw new StreamError('RESOURCE_EXHAUSTED', text);
  }
  return request;
}

function decoded(bytes: Uint8Array, { variant, limits }: Readable): DiscoveryRequest {
  try {
    const { namesMax, nameBytesMax: textBytesMax } = limits;
    return readDiscoveryRequest(variant, bytes, { namesMax, textBytesMax });
  } catch (error) {
    if (error instanceof RequestTooLarge) {
      throw new StreamError('RESOURCE_EXHAUSTED', error.message);
    }
    throw new StreamError('INVALID_ARGUMENT', 'the request cannot be read');
  }
}
