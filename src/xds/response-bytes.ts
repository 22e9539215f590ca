// The bytes of responses, in pieces: what streams have in common is joined once and given as the same Buffer to all of
// them. Keyed by the identity of the arrays of resources, which diffs share between streams (snapshot/diff.ts).
import { resourcesField, responseHead, responseTail } from '../envoy/discovery-response.js';
import type { EncodedResource } from '../snapshot/snapshot.js';
import type { Variant } from './status.js';
import type { Outgoing } from './subscription.js';

/** How often parts of responses were put together or found, since the process began. */
export const responseCounters = { joined: 0, shared: 0 };

/** `sotw-ttl`: SotW with TTLs. */
type Form = Variant | 'sotw-ttl';
type Joined = Partial<Record<Form, WeakRef<Buffer>>>;

/**
 * Held weakly: the bytes live as long as a transport has them, so that streams that are in step share them, and the
 * memory of a part is not taken twice for good.
 */
const joinedParts = new WeakMap<readonly EncodedResource[], Joined>();

/** A response in pieces. Never change them: other streams have the same Buffers. */
export function responsePieces(
  { resources, removed, version, errors }: Outgoing,
  to: {
    variant: Variant;
    typeUrl: string;
    nonce: string;
    identifier: string;
    sotwTtl?: boolean;
  },
): readonly Buffer[] {
  const { variant, typeUrl, nonce, identifier } = to;
  const form = variant === 'sotw' && to.sotwTtl ? 'sotw-ttl' : variant;
  return [
    responseHead(version, typeUrl),
    ...resources.parts.map((part) => joinedPart(form, part)),
    responseTail(variant, { nonce, removed, identifier, ...(errors && { errors }) }),
  ];
}

function joinedPart(variant: Form, part: readonly EncodedResource[]): Buffer {
  let joined = joinedParts.get(part);
  if (joined === undefined) {
    joined = {};
    joinedParts.set(part, joined);
  }
  const known = joined[variant]?.deref();
  if (known !== undefined) {
    responseCounters.shared++;
    return known;
  }
  responseCounters.joined++;
  const bytes = resourcesField(variant, part);
  joined[variant] = new WeakRef(bytes);
  return bytes;
}
