// The bytes of responses, put together once and given as the same Buffer to all streams that are in step. Keyed by
// the identity of the resource array, which diffs and views share between streams (snapshot/diff.ts).
import { responseBody, withNonce } from '../envoy/discovery.js';
import type { EncodedResource } from '../snapshot/snapshot.js';
import type { Variant } from './status.js';
import type { Outgoing } from './subscription.js';

/** How often responses were put together or found, since the process began. */
export const responseCounters = { assembled: 0, shared: 0, patched: 0 };

interface Entry {
  readonly key: string;
  readonly removed: readonly string[];
  readonly bodyLength: number;
  nonce: string;
  bytes: Buffer;
}

const remembered = new WeakMap<readonly EncodedResource[], Entry[]>();
/** Responses kept for one resource array; more than one only while streams are out of step. */
const entriesMax = 4;

/** The bytes of a response. Never change them: other streams have the same Buffer. */
export function responseBytes(
  outgoing: Outgoing,
  to: { variant: Variant; typeUrl: string; nonce: string; identifier: string },
): Buffer {
  const { resources, removed, version } = outgoing;
  const key = `${to.variant} ${to.typeUrl} ${version} ${to.identifier}`;
  let entries = remembered.get(resources);
  if (entries === undefined) {
    entries = [];
    remembered.set(resources, entries);
  }
  const entry = entries.find((known) => known.key === key && known.removed === removed);
  if (entry === undefined) {
    responseCounters.assembled++;
    const body = responseBody(to.variant, { ...to, version, resources, removed });
    const bytes = withNonce(body, to.nonce);
    entries.unshift({ key, removed, bodyLength: body.length, nonce: to.nonce, bytes });
    entries.length = Math.min(entries.length, entriesMax);
    return bytes;
  }
  if (entry.nonce === to.nonce) {
    responseCounters.shared++;
    return entry.bytes;
  }
  responseCounters.patched++;
  entry.bytes = withNonce(entry.bytes.subarray(0, entry.bodyLength), to.nonce);
  entry.nonce = to.nonce;
  return entry.bytes;
}
